// Deployed translators on the command line: made of a checkpoint, run on files and standard input, and bad input with
// its line.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "tests/bindings/numbers_text.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

constexpr const char* kNetwork =
    R"({"encoder": {"encoder_embed_dim": 128, "encoder_layer_num": 3, "encoder_ffn_embed_dim": 256,)"
    R"( "encoder_self_attention_heads": 4}, "decoder": {"decoder_embed_dim": 128, "decoder_layer_num": 1,)"
    R"( "decoder_ffn_embed_dim": 256, "decoder_self_attention_heads": 4, "decoder_ende_attention_heads": 4,)"
    R"( "decoder_arbitrary_ende_attn": -1}})";

std::vector<std::string> With(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// Trained once for all tests: a network that has learnt its numbers, and the supernet that it began as a part of.
class TranslatorCli : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    WriteNumbers(*folder_ / "text", 400);
    const std::vector<std::string> train = {"train",  "supertransformer", "--task",
                                            "small",  "--tokens",         "256",
                                            "--json", "--data",           "parallel:" + (*folder_ / "text")};
    Ok(With(train, {"--out", *folder_ / "supernet", "--vocabulary", "64", "--updates", "6"}));
    Ok(With(train,
            {"--out", *folder_ / "network", "--subnet", kNetwork, "--from", Supernet(), "--source-vocabulary-file",
             *folder_ / "supernet/vocabulary.model", "--updates", "200", "--lr", "0.001", "--warmup-updates", "20"}));
    deployed_ = Ok({"deploy", "--checkpoint", Checkpoint(), "--out", Network(), "--json"});
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  static std::string Supernet() { return *folder_ / "supernet/checkpoint.safetensors"; }
  static std::string Checkpoint() { return *folder_ / "network/checkpoint.safetensors"; }
  static std::string Network() { return *folder_ / "translator.mathnas"; }
  static std::string Test() { return *folder_ / "text/test.de"; }
  // What `evaluate` writes with the network of the checkpoint.
  static std::string Evaluated(const std::vector<std::string>& more) {
    const std::string path = *folder_ / "said.txt";
    const json evaluated = Ok(With({"evaluate", "--checkpoint", Checkpoint(), "--data",
                                    "parallel:" + (*folder_ / "text"), "--translations", path, "--json"},
                                   more));
    EXPECT_EQ(evaluated["sentences"], 40);
    EXPECT_GT(evaluated["bleu"].get<double>(), 20);
    return ReadFile(path);
  }
  static std::string Said(const std::vector<std::string>& more) {
    const Finished run = RunProgram(With({"run", Network(), "--input", Test()}, more));
    EXPECT_EQ(run.exit_status, 0) << run.err;
    return run.out;
  }

  static TemporaryFolder* folder_;
  static json deployed_;
};

TemporaryFolder* TranslatorCli::folder_ = nullptr;
json TranslatorCli::deployed_;

TEST_F(TranslatorCli, SaysWhatEvaluateSays) {
  const std::string said = Said({});
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 40);
  EXPECT_EQ(said, Evaluated({}));
  for (const std::vector<std::string>& search :
       {std::vector<std::string>{"--beam", "1"}, {"--beam", "3", "--length-penalty", "-4"}, {"--beam", "8"}}) {
    EXPECT_EQ(Said(search), Evaluated(search)) << search[1];
  }
  EXPECT_EQ(Said({"--threads", "2"}), said);
}

// Long hypotheses have the lower probability: divided by a power of the length above 1 they are found all the same.
TEST_F(TranslatorCli, TheLengthPenaltyCounts) {
  EXPECT_LT(Said({"--beam", "8", "--length-penalty", "-8"}).size(),
            Said({"--beam", "8", "--length-penalty", "8"}).size());
}

TEST_F(TranslatorCli, Json) {
  EXPECT_EQ(deployed_["format"], "mathnas-translator/1");
  EXPECT_EQ(deployed_["beam"], 4);
  EXPECT_EQ(deployed_["length_penalty"], 0.6);
  const json run = Ok({"run", Network(), "--input", Test(), "--json"});
  EXPECT_EQ(run["sentences"], 40);
  EXPECT_EQ(run["beam"], 4);
  EXPECT_EQ(run["unknown_tokens"], 0);
  EXPECT_EQ(run["information"]["cost"], deployed_["cost"]);
  EXPECT_EQ(run["information"]["recipe"]["optimizer"], "fairseq-adam");
  std::string text;
  for (const json& t : run["translations"]) {
    text += t["text"].get<std::string>() + "\n";
    EXPECT_LT(t["score"].get<double>(), 0);
  }
  EXPECT_EQ(text, Said({}));
  // As it is counted elsewhere.
  const json counted = Ok({"count", "supertransformer", "--task", "small", "--vocabulary",
                           std::to_string(deployed_["source_vocabulary"].get<int>()), "--subnet", kNetwork, "--json"});
  EXPECT_EQ(deployed_["cost"]["parameters"], counted["parameters"]);
  EXPECT_EQ(deployed_["cost"]["flops"], counted["flops"]);
}

TEST_F(TranslatorCli, OptionsOfDeployAreTheOnesOfRun) {
  const std::string path = *folder_ / "greedy.mathnas";
  Ok({"deploy", "--checkpoint", Checkpoint(), "--beam", "1", "--length-penalty", "0", "--out", path, "--json"});
  const json run = Ok({"run", path, "--input", Test(), "--json"});
  EXPECT_EQ(run["beam"], 1);
  EXPECT_EQ(run["length_penalty"], 0);
  EXPECT_EQ(Ok({"run", path, "--input", Test(), "--beam", "4", "--length-penalty", "0.6", "--json"})["translations"],
            Ok({"run", Network(), "--input", Test(), "--json"})["translations"]);
}

TEST_F(TranslatorCli, NeedsNothingButItsFile) {
  const std::string before = Said({});
  const std::string elsewhere = *folder_ / "alone/t";
  std::filesystem::create_directory(*folder_ / "alone");
  std::filesystem::copy_file(Network(), elsewhere);
  std::filesystem::rename(*folder_ / "network", *folder_ / "away");
  const Finished run = RunProgram({"run", elsewhere, "--input", Test()});
  std::filesystem::rename(*folder_ / "away", *folder_ / "network");
  EXPECT_EQ(run.out, before);
}

TEST_F(TranslatorCli, ANetworkOfASupernet) {
  const std::string path = *folder_ / "part.mathnas";
  Ok({"deploy", "--checkpoint", Supernet(), "--subnet", kNetwork, "--out", path, "--json"});
  const json evaluated = Ok({"evaluate", "--checkpoint", Supernet(), "--subnet", kNetwork, "--data",
                             "parallel:" + (*folder_ / "text"), "--translations", *folder_ / "part.txt", "--json"});
  EXPECT_EQ(RunProgram({"run", path, "--input", Test()}).out, ReadFile(*folder_ / "part.txt"));
  EXPECT_LT(std::filesystem::file_size(path), std::filesystem::file_size(Supernet()) / 2);
}

TEST_F(TranslatorCli, SpacesAndLineEndsAreThoseOfTraining) {
  std::ofstream(*folder_ / "plain.txt") << "eins zwei\nelf\n";
  std::ofstream(*folder_ / "spaced.txt") << "\xEF\xBB\xBF  eins\t zwei \r\n elf";
  EXPECT_EQ(RunProgram({"run", Network(), "--input", *folder_ / "plain.txt"}).out,
            RunProgram({"run", Network(), "--input", *folder_ / "spaced.txt"}).out);
}

TEST_F(TranslatorCli, StandardInput) {
  const std::string command = fmt::format("'{}' run '{}' --input - < '{}'", MATHNAS_PROGRAM, Network(), Test());
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string out;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  EXPECT_EQ(pclose(pipe), 0);
  EXPECT_EQ(out, Said({}));
}

TEST_F(TranslatorCli, UnknownCharactersAreCounted) {
  const std::string path = *folder_ / "unknown.txt";
  std::ofstream(path) << "eins \u732b\nzwei\n";
  const Finished run = RunProgram({"run", Network(), "--input", path, "--json"});
  EXPECT_EQ(run.exit_status, 0) << run.err;
  EXPECT_EQ(run.json()["unknown_tokens"], 1);
  EXPECT_EQ(run.json()["translations"][0]["unknown"], 1);
  EXPECT_EQ(run.json()["translations"][1]["unknown"], 0);
  EXPECT_NE(run.err.find(path + ": 1 of "), std::string::npos) << run.err;
}

TEST_F(TranslatorCli, BadLines) {
  const std::string path = *folder_ / "bad.txt";
  const auto refused = [&](const std::string& text, const std::string& what) {
    std::ofstream(path, std::ios::binary) << text;
    ExpectRefused({"run", Network(), "--input", path}, path + what);
  };
  std::string words, letters;
  for (int i = 0; i < 1100; ++i) words += "elf ", letters += "elf";
  refused("eins\n\nzwei\n", ":2: empty line, expected a sentence");
  refused("eins\nzwei\n \t \n", ":3: empty line");
  refused("eins\n\xff\n", ":2: byte 0xff at offset 0, expected valid UTF-8");
  refused("ei\x01ns\n", ":1: control character U+0001 at offset 2");
  refused(std::string("eins\nzw\0ei\n", 11), ":2: control character U+0000 at offset 2");
  refused("eins\n" + words + "\n", ":2: 1100 words and the end of the sentence, expected at most 1024 positions");
  refused("eins\n" + letters + "\n", ":2: ");
  refused("", ": empty, expected a sentence on every line");
  ExpectRefused({"run", Network(), "--input", *folder_ / "absent.txt"}, "absent.txt");
  ExpectRefused({"run", Network(), "--input", folder_->path()}, folder_->path());
}

TEST_F(TranslatorCli, BadOptions) {
  ExpectRefused({"run", Network()}, "--input: " + Network() + " is a translator, expected a file of sentences, or -");
  ExpectRefused({"run", Network(), "--input", Test(), "--data", "synthetic"}, "--data: ");
  ExpectRefused({"run", Network(), "--input", Test(), "--runs", "3"}, "--runs: ");
  ExpectRefused({"run", Network(), "--input", Test(), "--beam", "257"}, "257");
  ExpectRefused({"run", Network(), "--input", Test(), "--length-penalty", "nan"}, "length penalty");
  ExpectRefused({"run", Checkpoint(), "--input", Test()}, "format: found \"mathnas-checkpoint/1\"");
  const std::string out = *folder_ / "none.mathnas";
  ExpectRefused({"deploy", "--checkpoint", Supernet(), "--out", out}, "--subnet says which of its networks");
  ExpectRefused({"deploy", "--checkpoint", Supernet(), "--subnet", "{}", "--out", out}, "encoder");
  ExpectRefused({"deploy", "--checkpoint", Network(), "--out", out},
                "format: found \"mathnas-translator/1\", expected \"mathnas-checkpoint/1\"");
  ExpectRefused({"deploy", "--checkpoint", Checkpoint(), "--subnet", kNetwork, "--length-penalty", "inf", "--out", out},
                "search: ");
  ExpectRefused({"deploy", "--checkpoint", Checkpoint(), "--subnet", kNetwork, "--out", *folder_ / "no/folder"},
                "no/folder");
  std::filesystem::rename(*folder_ / "network/vocabulary.model", *folder_ / "moved");
  ExpectRefused({"deploy", "--checkpoint", Checkpoint(), "--subnet", kNetwork, "--out", out},
                "its vocabularies are missing");
  // Of another run, and of as many tokens.
  WriteNumbers(*folder_ / "other-text", 200);
  Ok({"train", "supertransformer", "--task", "small", "--data", "parallel:" + (*folder_ / "other-text"), "--out",
      *folder_ / "other", "--vocabulary", "64", "--tokens", "256", "--updates", "1", "--json"});
  std::filesystem::copy_file(*folder_ / "other/vocabulary.model", *folder_ / "network/vocabulary.model");
  ExpectRefused({"deploy", "--checkpoint", Checkpoint(), "--out", out},
                "trained with other vocabularies than those beside it");
  std::filesystem::rename(*folder_ / "moved", *folder_ / "network/vocabulary.model");
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace mathnas::cli
