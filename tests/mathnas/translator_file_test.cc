#include "mathnas/deploy/translator_file.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/random.h"
#include "kernels/status.h"
#include "mathnas/deploy/translator.h"
#include "nlohmann/json.hpp"
#include "supernet/safetensors.h"
#include "supernet/translation/evaluation.h"
#include "supernet/weights.h"
#include "tests/supernet/test_files.h"

namespace mathnas::deploy {
namespace {

using kernels::DType;
using kernels::Message;
using nlohmann::json;
using supernet::Vocabulary;
using supernet::testing::Read;
using supernet::testing::TempFolder;
using supernet::testing::Write;

void Require(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(std::string(Message(status)));
}

const std::vector<std::string> kSentences = {"das haus ist rot", "der hund", "ein kleines haus",
                                             "rot ist der kleine hund"};

Vocabulary Model() {
  const std::vector<std::string_view> sentences(kSentences.begin(), kSentences.end());
  auto vocabulary = Vocabulary::Train(sentences, {.size = 32});
  Require(vocabulary.status());
  return *vocabulary;
}

Vocabulary Dictionary() {
  auto vocabulary = Vocabulary::ParseDictionary("the 5\nhouse 4\nis 3\nred 2\ndog 2\na 1\nsmall 1\n", "dict.txt");
  Require(vocabulary.status());
  return *vocabulary;
}

// The smallest network of the small space, with weights as before training; of two vocabularies or, joined, of one.
DeployedTranslator Example(bool joined = true) {
  const Vocabulary model = Model();
  DeployedTranslator t = {
      .macro = {.task = joined ? supernet::supertransformer::Task::kSmall : supernet::supertransformer::Task::kIwslt},
      .choice = {},
      .weights = {},
      .vocabularies = {model, joined ? model : Dictionary(), joined},
      .beam = 3,
      .length_penalty = 0.75,
      .information = R"({"bleu": 31.5})"};
  t.macro.source_vocabulary = t.vocabularies.source.size();
  t.macro.target_vocabulary = t.vocabularies.target.size();
  const auto space = supernet::SuperTransformer(t.macro);
  Require(space.status());
  t.choice = (*space)->base();
  for (size_t n = 0; n < t.choice.size(); ++n) {
    // The last candidate: of a decoder layer, its end.
    t.choice[n] = static_cast<int>((*space)->nodes()[n].candidates.size()) - 1;
  }
  t.weights = supernet::AllocateWeights((*space)->Network(t.choice, {}).graph);
  supernet::InitializeWeights(t.weights, 3, (*space)->initialization());
  return t;
}

std::shared_ptr<kernels::Device> Reference() { return kernels::ReferenceDevice(DType::kF32); }

TEST(TranslatorFile, RoundTrip) {
  for (bool joined : {true, false}) {
    const TempFolder folder;
    const DeployedTranslator saved = Example(joined);
    Require(Save(folder / "t", saved));
    const auto loaded = LoadTranslator(folder / "t");
    Require(loaded.status());
    const auto space = supernet::SuperTransformer(saved.macro), again = supernet::SuperTransformer(loaded->macro);
    EXPECT_EQ((*again)->MacroJson(), (*space)->MacroJson());
    EXPECT_EQ(loaded->choice, saved.choice);
    EXPECT_EQ(loaded->beam, 3);
    EXPECT_EQ(loaded->length_penalty, 0.75);
    EXPECT_EQ(loaded->information, saved.information);
    EXPECT_EQ(loaded->vocabularies.joined, joined);
    EXPECT_EQ(loaded->vocabularies.source.serialized(), saved.vocabularies.source.serialized());
    EXPECT_EQ(loaded->vocabularies.target.serialized(), saved.vocabularies.target.serialized());
    EXPECT_EQ(loaded->vocabularies.target.is_dictionary(), !joined);
    ASSERT_EQ(loaded->weights.size(), saved.weights.size());
    for (const auto& [name, tensor] : saved.weights.entries()) {
      const kernels::Tensor* other = loaded->weights.Find(name);
      ASSERT_NE(other, nullptr) << name;
      ASSERT_EQ(other->desc(), tensor.desc()) << name;
      EXPECT_EQ(std::memcmp(other->view().data, tensor.view().data, tensor.desc().bytes()), 0) << name;
    }
    Require(Save(folder / "again", *loaded));
    EXPECT_EQ(Read(folder / "again"), Read(folder / "t"));
    EXPECT_EQ(folder.entries(), 2);  // no temporary is left

    // A joined vocabulary is in the file once.
    const auto file = supernet::SafetensorsFile::Open(folder / "t");
    EXPECT_EQ(file->names().size(), saved.weights.size() + (joined ? 1 : 2));
    EXPECT_TRUE(file->contains(joined ? "vocabulary.model" : "target.txt"));
  }
}

TEST(TranslatorFile, WeightsOutliveTheFile) {
  const TempFolder folder;
  const std::string path = folder / "t";
  const DeployedTranslator saved = Example();
  Require(Save(path, saved));
  kernels::TensorMap weights;
  {
    auto loaded = LoadTranslator(path);
    Require(loaded.status());
    weights = std::move(loaded->weights);
  }
  std::filesystem::remove(path);
  for (const auto& [name, tensor] : saved.weights.entries()) {
    EXPECT_EQ(weights.Find(name)->as<float>().back(), tensor.as<float>().back()) << name;
  }
}

TEST(TranslatorFile, SaveRefusesWhatItCouldNotLoad) {
  const TempFolder folder;
  const auto error = [&](auto change) {
    DeployedTranslator translator = Example(/*joined=*/false);
    change(translator);
    const absl::Status status = Save(folder / "t", translator);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    const std::string prefix = folder / "t: ";
    EXPECT_TRUE(Message(status).starts_with(prefix)) << Message(status);
    return std::string(Message(status).substr(std::min(prefix.size(), Message(status).size())));
  };
  EXPECT_EQ(error([](auto& t) { t.macro.source_vocabulary += 8; }),
            "vocabulary of the source: 24 tokens, expected 32, source_vocabulary of macro");
  EXPECT_EQ(error([](auto& t) { t.macro.target_vocabulary += 8; }),
            "vocabulary of the target: 16 tokens, expected 24, target_vocabulary of macro");
  EXPECT_EQ(error([](auto& t) { t.macro.source_vocabulary = -1; }).substr(0, 7), "macro: ");
  EXPECT_EQ(error([](auto& t) { t.choice[0] = 99; }).substr(0, 8), "subnet: ");
  EXPECT_EQ(error([](auto& t) { t.choice.pop_back(); }).substr(0, 8), "subnet: ");
  EXPECT_EQ(error([](auto& t) { t.beam = 0; }), "search: beam: 0, expected 1 to 256");
  EXPECT_EQ(error([](auto& t) { t.beam = 257; }), "search: beam: 257, expected 1 to 256");
  EXPECT_NE(error([](auto& t) { t.length_penalty = NAN; }).find("search: "), std::string::npos);
  EXPECT_NE(error([](auto& t) { t.length_penalty = -INFINITY; }).find("search: "), std::string::npos);
  EXPECT_EQ(error([](auto& t) { t.information = "[]"; }), "information: found an array, expected an object");
  EXPECT_EQ(error([](auto& t) { t.information = "{"; }), "information: not valid JSON at byte 2");
  EXPECT_NE(error([](auto& t) { t.weights = {}; }).find("\": missing"), std::string::npos);
  EXPECT_NE(error([](auto& t) {
              t.weights.Put("vocabulary.model", kernels::Tensor(DType::kF32, {1}));
            }).find("tensor \"vocabulary.model\": not one of this network"),
            std::string::npos);
  EXPECT_NE(error([](auto& t) {
              t.weights.Put("decoder.layers.0.fc1.bias", kernels::Tensor(DType::kF32, {7}));
            }).find("tensor \"decoder.layers.0.fc1.bias\" is F32 7, expected F32"),
            std::string::npos);
  EXPECT_EQ(folder.entries(), 0);
}

// Files that are almost right: the tensors and metadata of a good one, one part changed.
class HostileTranslatorFile : public ::testing::Test {
 protected:
  explicit HostileTranslatorFile(bool joined = true) {
    Require(Save(path_, Example(joined)));
    auto file = supernet::SafetensorsFile::Open(path_);
    Require(file.status());
    metadata_ = file->metadata();
    tensors_ = file->LoadAll();
  }

  // The error without the path that it must begin with.
  std::string Error() {
    const auto translator = LoadTranslator(path_);
    if (translator.ok()) return "";
    const std::string_view text = Message(translator.status());
    EXPECT_TRUE(text.starts_with(path_ + ": ")) << text;
    return std::string(text.substr(std::min(text.size(), path_.size() + 2)));
  }
  std::string With(const std::string& key, const std::string& value) {
    supernet::Metadata metadata = metadata_;
    metadata[key] = value;
    Require(supernet::WriteSafetensors(path_, tensors_, metadata));
    return Error();
  }
  std::string WithTensors(const std::function<void(kernels::TensorMap&)>& change) {
    kernels::TensorMap tensors;
    for (const auto& [name, tensor] : tensors_.entries()) tensors.Put(name, tensor.Clone());
    change(tensors);
    Require(supernet::WriteSafetensors(path_, tensors, metadata_));
    return Error();
  }
  std::string WithBytes(const std::string& name, const std::string& bytes) {
    return WithTensors([&](kernels::TensorMap& tensors) {
      kernels::Tensor tensor(DType::kU8, {static_cast<int64_t>(bytes.size())});
      std::copy(bytes.begin(), bytes.end(), tensor.as<uint8_t>().begin());
      tensors.Put(name, std::move(tensor));
    });
  }
  std::string Without(const std::string& name) {
    kernels::TensorMap tensors;
    for (const auto& [other, tensor] : tensors_.entries()) {
      if (other != name) tensors.Put(other, tensor.Clone());
    }
    Require(supernet::WriteSafetensors(path_, tensors, metadata_));
    return Error();
  }

  const TempFolder folder_;
  const std::string path_ = folder_ / "translator.mathnas";
  supernet::Metadata metadata_;
  kernels::TensorMap tensors_;
};

TEST_F(HostileTranslatorFile, MissingOrNoTranslator) {
  EXPECT_EQ(LoadTranslator(folder_ / "absent").status().code(), absl::StatusCode::kNotFound);
  Write(path_, "");
  EXPECT_NE(Error(), "");
  Require(supernet::WriteSafetensors(path_, tensors_, {}));
  EXPECT_EQ(Error(), "format: missing in the metadata, expected \"mathnas-translator/1\"");
  EXPECT_EQ(With("format", "mathnas-network/1"),
            "format: found \"mathnas-network/1\", expected \"mathnas-translator/1\"");
  EXPECT_EQ(With("format", "mathnas-translator/2"),
            "format: found \"mathnas-translator/2\", but this version of the library reads \"mathnas-translator/1\"");
}

TEST_F(HostileTranslatorFile, Truncated) {
  const std::string bytes = Read(path_);
  for (size_t n = 0; n < bytes.size(); n += n < 64 ? 1 : 1 + bytes.size() / 199) {
    Write(path_, bytes.substr(0, n));
    EXPECT_NE(Error(), "") << n;
  }
  Write(path_, bytes + "x");
  EXPECT_NE(Error(), "");
}

TEST_F(HostileTranslatorFile, Metadata) {
  for (const char* key : {"space", "macro", "subnet", "search", "information"}) {
    supernet::Metadata metadata = metadata_;
    metadata.erase(key);
    Require(supernet::WriteSafetensors(path_, tensors_, metadata));
    EXPECT_EQ(Error(), std::string(key) + ": missing in the metadata");
  }
  EXPECT_EQ(With("space", "supervit"), "space: found \"supervit\", expected \"supertransformer\"");
  for (const char* key : {"macro", "subnet", "search", "information"}) {
    const std::string name = key;
    EXPECT_EQ(With(key, "{"), name + ": not valid JSON at byte 2");
    EXPECT_EQ(With(key, "[]"), name + ": found an array, expected an object");
    EXPECT_EQ(With(key, std::string(100'000, '[')), name + ": nested deeper than 64");
  }
  EXPECT_EQ(With("search", R"({"length_penalty": 1})"), "search.beam: missing");
  EXPECT_EQ(With("search", R"({"beam": 4})"), "search.length_penalty: missing");
  for (const char* beam : {"0", "-1", "1.5", "\"4\"", "null", "99999999999999999999"}) {
    const std::string error = With("search", std::string(R"({"length_penalty": 1, "beam": )") + beam + "}");
    EXPECT_EQ(error.substr(0, 13), "search.beam: ") << beam;
  }
  EXPECT_EQ(With("search", R"({"length_penalty": 1, "beam": 257})"), "search: beam: 257, expected 1 to 256");
  EXPECT_EQ(With("search", R"({"length_penalty": "1", "beam": 4})"),
            "search.length_penalty: found \"1\", expected a number");
  EXPECT_NE(With("search", R"({"length_penalty": 1e999, "beam": 4})").find("search"), std::string::npos);
  for (const char* macro : {R"({"task": "large"})", R"({})", R"({"task": 3})",
                            R"({"task": "iwslt", "source_vocabulary": 0, "target_vocabulary": 16})",
                            R"({"task": "iwslt", "source_vocabulary": 1e18, "target_vocabulary": 16})",
                            R"({"task": "iwslt", "source_vocabulary": 32, "target_vocabulary": 16, "widths": [1]})"}) {
    EXPECT_EQ(With("macro", macro).substr(0, 7), "macro: ") << macro;
  }
  json macro = json::parse(metadata_.at("macro"));
  macro["source_vocabulary"] = macro["target_vocabulary"] = 32;
  EXPECT_EQ(With("macro", macro.dump()),
            "vocabulary of the source: 24 tokens, expected 32, source_vocabulary of macro");
  // Each entry of the subnet, damaged.
  const json subnet = json::parse(metadata_.at("subnet"));
  for (const char* side : {"encoder", "decoder"}) {
    for (const auto& [entry, value] : subnet[side].items()) {
      for (const json& wrong : {json("x"), json(-7), json(1e30), json(nullptr), json::array()}) {
        json changed = subnet;
        changed[side][entry] = wrong;
        const std::string error = With("subnet", changed.dump());
        EXPECT_EQ(error.substr(0, 8), "subnet: ") << entry << wrong;
        EXPECT_NE(error.find(entry), std::string::npos) << error;
      }
      json without = subnet;
      without[side].erase(entry);
      EXPECT_NE(With("subnet", without.dump()).find(entry), std::string::npos);
    }
  }
  // Another network than the one that the weights are of.
  json larger = subnet;
  larger["decoder"]["decoder_layer_num"] = 2;
  EXPECT_NE(With("subnet", larger.dump()), "");
}

class HostileVocabularies : public HostileTranslatorFile {
 protected:
  HostileVocabularies() : HostileTranslatorFile(/*joined=*/false) {}
};

TEST_F(HostileVocabularies, AreRefusedByTheirNames) {
  EXPECT_EQ(Without("target.txt").substr(0, 35), "its vocabularies are missing, expec");
  EXPECT_EQ(Without("source.model").substr(0, 35), "its vocabularies are missing, expec");
  EXPECT_EQ(WithBytes("target.txt", "the\n"), "tensor: target.txt:1: \"the\", expected \"TOKEN COUNT\"");
  EXPECT_EQ(WithBytes("target.txt", "").substr(0, 20), "tensor: target.txt: ");
  EXPECT_EQ(WithBytes("target.txt", "the 5\n"),
            "vocabulary of the target: 8 tokens, expected 16, target_vocabulary of macro");
  EXPECT_EQ(WithBytes("source.model", "").substr(0, 22), "tensor: source.model: ");
  EXPECT_EQ(WithBytes("source.model", std::string(1000, '\xff')).substr(0, 22), "tensor: source.model: ");
  // Taken first, and then there are two too many.
  EXPECT_NE(WithBytes("vocabulary.model", Model().serialized()), "");
  EXPECT_EQ(WithTensors([](auto& t) { t.Put("target.txt", kernels::Tensor(DType::kF32, {4})); }),
            "tensor \"target.txt\": is F32 4, expected the bytes of a vocabulary, U8 of rank 1");
  EXPECT_EQ(WithTensors([](auto& t) {
              t.Put("target.txt", kernels::Tensor(DType::kU8, {2, 2}));
            }),
            "tensor \"target.txt\": is U8 2x2, expected the bytes of a vocabulary, U8 of rank 1");
}

TEST_F(HostileTranslatorFile, Weights) {
  for (const auto& [name, tensor] : tensors_.entries()) {
    if (tensor.desc().dtype == DType::kU8) continue;
    EXPECT_EQ(Without(name), "tensor \"" + name + "\": missing");
    kernels::Shape shape = tensor.shape();
    shape.back() += 1;
    EXPECT_NE(WithTensors([&, &n = name](auto& t) {
                t.Put(n, kernels::Tensor(DType::kF32, shape));
              }).find("tensor \"" + name + "\" is F32 "),
              std::string::npos);
    EXPECT_NE(WithTensors([&, &n = name, &s = tensor.shape()](auto& t) {
                t.Put(n, kernels::Tensor(DType::kF64, s));
              }).find("tensor \"" + name + "\" is F64 "),
              std::string::npos);
  }
  EXPECT_EQ(WithTensors([](auto& t) { t.Put("extra", kernels::Tensor(DType::kF32, {1})); }),
            "tensor \"extra\": not one of this network");
}

TEST_F(HostileTranslatorFile, RandomBytesInHeaderAndVocabulary) {
  const std::string bytes = Read(path_);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  // Tensors are sorted by the size of their elements: the vocabulary is last.
  const auto vocabulary = static_cast<uint32_t>(tensors_.Find("vocabulary.model")->desc().bytes());
  kernels::Random random(9);
  const std::vector<std::string> sentences = {"das haus"};
  for (int i = 0; i < 300; ++i) {
    std::string changed = bytes;
    if (i % 2 == 0) {
      changed[random.Below(static_cast<uint32_t>(8 + header))] = static_cast<char>(32 + random.Below(95));
    } else {
      changed[changed.size() - 1 - random.Below(vocabulary)] = static_cast<char>(random.Below(256));
    }
    Write(path_, changed);
    // Either refused, or one that can be run.
    auto translator = Translator::Load(path_, Reference());
    if (!translator.ok()) continue;
    supernet::SearchOptions options = translator->search();
    options.max_tokens = 2;
    options.beam = 1;
    translator->Translate(sentences, options).status().IgnoreError();
  }
}

// What supernet::EvaluateBleu says with the network that was saved.
TEST(Translator, TranslatesAsEvaluationDoes) {
  const TempFolder folder;
  for (bool joined : {true, false}) {
    const DeployedTranslator saved = Example(joined);
    Require(Save(folder / "t", saved));
    supernet::TextPart part;
    for (const std::string& s : kSentences) part.pairs.push_back({s, "the house", 1});
    supernet::IncrementalDecoder decoder(saved.macro, saved.choice, saved.weights, Reference());
    const supernet::SearchOptions options = {.beam = 3, .length_penalty = 0.75, .max_tokens = 12, .sentences = 3};
    const auto expected = supernet::EvaluateBleu(decoder, saved.vocabularies, part, 0, options);
    Require(expected.status());

    auto loaded = Translator::Load(folder / "t", Reference());
    Require(loaded.status());
    Translator translator = *std::move(loaded);
    EXPECT_EQ(translator.search().beam, 3);
    EXPECT_EQ(translator.search().length_penalty, 0.75);
    const auto translations = translator.Translate(kSentences, options);
    Require(translations.status());
    ASSERT_EQ(translations->size(), kSentences.size());
    for (size_t i = 0; i < kSentences.size(); ++i) {
      EXPECT_EQ((*translations)[i].text, expected->texts[i]);
      EXPECT_LT((*translations)[i].score, 0);
      EXPECT_EQ((*translations)[i].unknown, 0);
      // Alone as in a batch, and after others.
      const auto alone = translator.Translate({&kSentences[i], 1}, options);
      Require(alone.status());
      EXPECT_EQ((*alone)[0].text, (*translations)[i].text);
      EXPECT_NEAR((*alone)[0].score, (*translations)[i].score, 1e-5 * std::abs((*alone)[0].score));
    }
  }
}

TEST(Translator, ErrorsNameTheSentence) {
  auto translator = Translator::Create(Example(), Reference());
  Require(translator.status());
  const auto error = [&](const std::string& second) {
    const auto translations = translator->Translate(std::vector<std::string>{"das haus", second, ""});
    EXPECT_EQ(translations.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(Message(translations.status()));
  };
  EXPECT_EQ(error(""), "sentence 1: empty line, expected a sentence");
  EXPECT_EQ(error(" \t "), "sentence 1: empty line, expected a sentence");
  EXPECT_EQ(error("das\xc3"), "sentence 1: byte 0xc3 at offset 3, expected valid UTF-8");
  EXPECT_EQ(error("das\nhaus"), "sentence 1: control character U+000A at offset 3, expected none but the tab");
  std::string words, letters;
  for (int i = 0; i < 1024; ++i) words += "a ";
  EXPECT_EQ(error(words), "sentence 1: 1024 words and the end of the sentence, expected at most 1024 positions");
  // A word of characters that follow each other nowhere in the text: as many sub-words.
  for (int i = 0; i < 1024; ++i) letters += i % 2 == 0 ? "k" : "t";
  EXPECT_NE(error(letters).find("tokens with the end of the sentence, expected at most 1024"), std::string::npos);
}

TEST(Translator, CountsWhatIsUnknown) {
  auto translator = Translator::Create(Example(), Reference());
  Require(translator.status());
  supernet::SearchOptions options = translator->search();
  options.max_tokens = 3;
  const auto translations =
      translator->Translate(std::vector<std::string>{"das haus", "das \xe7\x8c\xab haus \xe7\x8c\xab"}, options);
  Require(translations.status());
  EXPECT_EQ((*translations)[0].unknown, 0);
  EXPECT_EQ((*translations)[1].unknown, 2);
}

TEST(Translator, ProgressAndCancel) {
  auto translator = Translator::Create(Example(), Reference());
  Require(translator.status());
  std::vector<int64_t> done;
  std::atomic<bool> cancel = false;
  supernet::SearchOptions options = translator->search();
  options.max_tokens = 3;
  options.sentences = 2;
  options.cancel = &cancel;
  options.progress = [&](int64_t n) {
    done.push_back(n);
    cancel = true;
  };
  EXPECT_EQ(translator->Translate(kSentences, options).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(done, std::vector<int64_t>{2});
  cancel = false;
  options.progress = [&](int64_t n) { done.push_back(n); };
  Require(translator->Translate(kSentences, options).status());
  EXPECT_EQ(done, (std::vector<int64_t>{2, 2, 4}));
  const auto none = translator->Translate(std::vector<std::string>{}, options);
  Require(none.status());
  EXPECT_TRUE(none->empty());
}

TEST(Translator, ChecksItsDeviceItsOptionsAndItsWeights) {
  EXPECT_EQ(Message(Translator::Create(Example(), nullptr).status()), "no device");
  EXPECT_EQ(Message(Translator::Create(Example(), kernels::ReferenceDevice(DType::kF64)).status()).substr(0, 6),
            "device");
  DeployedTranslator wrong = Example();
  wrong.beam = 0;
  EXPECT_EQ(Translator::Create(std::move(wrong), Reference()).status().code(), absl::StatusCode::kInvalidArgument);
  auto translator = Translator::Create(Example(), Reference());
  Require(translator.status());
  EXPECT_EQ(Message(translator->Translate(kSentences, {.beam = 300}).status()), "beam: 300, expected 1 to 256");

  DeployedTranslator damaged = Example();
  for (const auto& [name, tensor] : damaged.weights.entries()) {
    for (float& v : damaged.weights.Find(name)->as<float>()) v = std::numeric_limits<float>::quiet_NaN();
  }
  auto without = Translator::Create(std::move(damaged), Reference());
  Require(without.status());
  EXPECT_EQ(Message(without->Translate(kSentences).status()),
            "sentence 0: no token has a probability, expected weights that are finite");
}

}  // namespace
}  // namespace mathnas::deploy
