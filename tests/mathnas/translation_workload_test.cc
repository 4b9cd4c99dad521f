// Translation networks as what is measured: counted tables against the reference's counts, scores against networks that
// are run pair by pair, the work of a measured translation, and the meter on them.
#include "mathnas/profile/translation_workload.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "mathnas/core/networks.h"
#include "mathnas/profile/meter.h"
#include "mathnas/profile/profiler.h"
#include "mathnas/profile/space_table.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/text/bleu.h"
#include "supernet/translation/beam_search.h"
#include "supernet/weights.h"
#include "tests/supernet/golden.h"
#include "tests/supernet/test_files.h"

namespace mathnas::profile {
namespace {

using nlohmann::json;
using supernet::SearchSpace;
using supernet::SuperTransformer;
using supernet::supertransformer::kEos;
using supernet::supertransformer::Task;

double Predicted(const core::BlockTable& table, const std::string& metric, const TableNetwork& network) {
  const core::MetricSlice& slice = table.metrics.at(metric).slices[static_cast<size_t>(network.shared)];
  const std::vector<bool> counts = core::ContributingNodes(table, network.choice);
  double sum = slice.base;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i]) sum += slice.values[i][static_cast<size_t>(network.choice[i])];
  }
  return sum;
}

// Costs of blocks add up to those that the reference counts for whole networks (spec/search-spaces.md 4.4).
TEST(TranslationTable, CountsOfTheReference) {
  const json counts = supernet::LoadGolden("MATHNAS_HAT_COUNTS", "hat-counts.json");
  for (Task task : {Task::kWmt, Task::kIwslt}) {
    const auto space = *SuperTransformer({.task = task, .source_vocabulary = 104, .target_vocabulary = 104});
    const auto table = CountedTable(*space);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ(table->metrics.at("flops").unit, "MFLOP");
    ASSERT_TRUE(table->structure.shared);
    EXPECT_EQ(table->structure.shared->values, std::vector<double>({512512, 512640, 640512, 640640}));
    ASSERT_EQ(table->structure.depth.size(), 1U);
    EXPECT_EQ(table->structure.depth[0].absent, std::vector<int>({-1, 36, 36, 36, 36, 36}));
    int networks = 0;
    for (const json& network : counts["networks"]) {
      if (network["task"] != Name(task)) continue;
      SCOPED_TRACE(network["name"].get<std::string>());
      const TableNetwork n = InTable(*space, *space->ParseSubnet(network["config"].dump()));
      EXPECT_NEAR(Predicted(*table, "flops", n), 1e-6 * network["flops"].get<double>(), 1e-6);
      EXPECT_NEAR(Predicted(*table, "parameters", n), 1e-6 * network["parameters"].get<double>(), 1e-6);
      ++networks;
    }
    EXPECT_GE(networks, 20);
  }
}

// A reference device that counts what runs, by operator and rows of its first input.
class Counter : public kernels::Device {
 public:
  std::string_view name() const override { return "counter"; }
  int threads() const override { return 1; }
  kernels::DType real() const override { return reference_->real(); }

  std::map<std::pair<std::string, int64_t>, int> runs;

 protected:
  struct Counting : kernels::BoundKernel {
    Counting(int& counted, std::unique_ptr<BoundKernel> of) : runs(counted), bound(std::move(of)) {}
    absl::Status Run() override {
      ++runs;
      return bound->Run();
    }
    int& runs;
    std::unique_ptr<BoundKernel> bound;
  };
  struct Counted : kernels::Kernel {
    Counted(int& counted, std::shared_ptr<const Kernel> of) : runs(counted), kernel(std::move(of)) {}
    std::string implementation() const override { return kernel->implementation(); }
    size_t scratch_bytes() const override { return kernel->scratch_bytes(); }
    absl::StatusOr<std::unique_ptr<kernels::BoundKernel>> Bind(const kernels::KernelBuffers& buffers) const override {
      auto bound = kernel->Bind(buffers);
      if (!bound.ok()) return bound.status();
      return std::make_unique<Counting>(runs, *std::move(bound));
    }
    int& runs;
    std::shared_ptr<const Kernel> kernel;
  };

  absl::StatusOr<std::shared_ptr<const kernels::Kernel>> Make(const kernels::Operator& op, kernels::DescSpan inputs,
                                                              kernels::DescSpan outputs) override {
    auto kernel = reference_->Prepare(op, inputs, outputs);
    if (!kernel.ok()) return kernel.status();
    const std::string operation = std::visit([](const auto& o) { return std::string(o.kName); }, op);
    return std::make_shared<Counted>(runs[{operation, inputs.empty() ? 0 : inputs[0].shape[0]}], *std::move(kernel));
  }

 private:
  std::shared_ptr<kernels::Device> reference_ = kernels::ReferenceDevice(kernels::DType::kF32);
};

class Translating : public ::testing::Test {
 protected:
  Translating()
      : text_(*supernet::ParseTextPair("eins zwei\nzwei\ndrei vier fünf eins\nvier\nfünf drei\neins\nvier vier\n",
                                       "one two\ntwo\nthree four five one\nfour\nfive three\none\nfour four\n", "s",
                                       "t")),
        words_(*supernet::Vocabulary::ParseDictionary(
            "eins 9\nzwei 9\ndrei 9\nvier 9\nfünf 9\none 9\ntwo 9\nthree 9\nfour 9\nfive 9\n", "words.txt")),
        macro_({.task = Task::kSmall,
                .source_vocabulary = words_.size(),
                .target_vocabulary = words_.size(),
                .widths = {128128}}),
        space_(*SuperTransformer(macro_)),
        shared_(supernet::AllocateWeights(space_->Supernet({}).graph)) {
    supernet::InitializeWeights(shared_, 5, space_->initialization());
  }

  void SetUp() override {
    const auto cpu = kernels::CpuDevice(1);
    if (!cpu.ok()) GTEST_SKIP() << "no CPU kernels: " << kernels::Message(cpu.status());
    device_ = *cpu;
  }

  absl::StatusOr<std::unique_ptr<TranslationWorkload>> Open(const TranslationWorkloadOptions& options = {}) {
    return TranslationWorkload::Create(space_, device_, shared_, text_, {words_, words_, true}, options);
  }
  // Of so many decoder layers.
  Choice Network(int layers) const {
    Choice choice = {0, 2, 5, 7, 30, 16};
    for (int i = layers; i < 3; ++i) choice[static_cast<size_t>(3 + i)] = 36;
    return choice;
  }

  supernet::TextPart text_;
  supernet::Vocabulary words_;
  supernet::SuperTransformerMacro macro_;
  std::shared_ptr<const SearchSpace> space_;
  kernels::TensorMap shared_;
  std::shared_ptr<kernels::Device> device_;
};

// Loss and accuracy of the pairs, each run alone by naive loops in double.
TEST_F(Translating, ScoresAreThoseOfEveryPairAlone) {
  auto workload = Open();
  ASSERT_TRUE(workload.ok()) << workload.status();
  const auto reference = kernels::ReferenceDevice(kernels::DType::kF64);
  kernels::TensorMap shared = supernet::AllocateWeights(space_->Supernet({.real = kernels::DType::kF64}).graph);
  for (const kernels::TensorMap::Entry& e : shared.entries()) {
    const auto from = shared_.Find(e.name)->as<float>();
    std::copy(from.begin(), from.end(), shared.Find(e.name)->as<double>().begin());
  }
  for (int layers : {1, 3}) {
    const Choice choice = Network(layers);
    const kernels::TensorMap weights = *supernet::ExtractWeights(*space_, choice, shared);
    double loss = 0;
    int tokens = 0, right = 0;
    for (const supernet::SentencePair& pair : text_.pairs) {
      const std::vector<int32_t> source = words_.Encode(pair.source)->ids, target = words_.Encode(pair.target)->ids;
      const auto network = space_->Network(
          choice,
          {.real = kernels::DType::kF64, .source_length = std::ssize(source), .target_length = std::ssize(target)});
      const auto plan = kernels::Plan::Create(network.graph, {{"logits", network.logits}}, *reference);
      ASSERT_TRUE(plan.ok()) << plan.status();
      const auto context = *kernels::Context::Create(*plan, {&weights});
      std::copy(source.begin(), source.end(), context->Input("source")->as<int64_t>().begin());
      const auto previous = context->Input("previous")->as<int64_t>();
      previous[0] = kEos;
      std::copy(target.begin(), target.end() - 1, previous.begin() + 1);
      ASSERT_TRUE(context->Run().ok());
      const auto logits = context->Output("logits")->as<double>();
      const auto words = static_cast<size_t>(words_.size());
      for (size_t t = 0; t < target.size(); ++t) {
        const auto row = logits.subspan(t * words, words);
        double sum = 0;
        for (double v : row) sum += std::exp(v);
        loss += std::log(sum) - row[static_cast<size_t>(target[t])];
        right += std::max_element(row.begin(), row.end()) - row.begin() == target[t];
        ++tokens;
      }
    }
    EXPECT_EQ(tokens, 20);
    const auto score = (*workload)->ScoreOf(choice, nullptr);
    ASSERT_TRUE(score.ok()) << score.status();
    // Sums in float32 of some hundred terms.
    EXPECT_NEAR(score->loss, loss / tokens, 1e-4);
    EXPECT_NEAR(score->accuracy, 100.0 * right / tokens, 1e-9);
  }
}

TEST_F(Translating, PairsAreEvenlySpread) {
  const auto workload = Open({.sentences = 3});
  ASSERT_TRUE(workload.ok()) << workload.status();
  const supernet::EncodedPairs& pairs = (*workload)->pairs();
  ASSERT_EQ(pairs.source.size(), 3);
  int64_t row = 0;
  for (size_t i : {0, 2, 4}) {
    const std::vector<int32_t> ids = words_.Encode(text_.pairs[i].source)->ids;
    EXPECT_TRUE(std::equal(ids.begin(), ids.end(), pairs.source.row(row).begin(), pairs.source.row(row).end()));
    ++row;
  }
  EXPECT_EQ((*Open({.sentences = 100}))->pairs().source.size(), 7);
  EXPECT_NE((*workload)->conventions().accuracy.find("3 held-out pairs"), std::string::npos);
}

TEST_F(Translating, BleuIsThatOfTheTranslations) {
  const auto workload = Open({.quality = TranslationWorkloadOptions::Quality::kBleu});
  ASSERT_TRUE(workload.ok()) << workload.status();
  EXPECT_EQ((*workload)->conventions().accuracy_unit, "BLEU");
  const Choice choice = Network(2);
  const kernels::TensorMap weights = *supernet::ExtractWeights(*space_, choice, shared_);
  supernet::IncrementalDecoder decoder(macro_, choice, weights, device_);
  std::vector<std::vector<int32_t>> sources;
  std::vector<std::string> references, said;
  for (const supernet::SentencePair& pair : text_.pairs) {
    sources.push_back(words_.Encode(pair.source)->ids);
    references.push_back(pair.target);
  }
  const auto hypotheses = supernet::Translate(decoder, sources, supernet::PublishedSearch(macro_.task));
  ASSERT_TRUE(hypotheses.ok()) << hypotheses.status();
  for (const supernet::Hypothesis& h : *hypotheses) said.push_back(words_.Decode(h.tokens));
  const auto score = (*workload)->ScoreOf(choice, nullptr);
  ASSERT_TRUE(score.ok()) << score.status();
  EXPECT_GT(score->accuracy, 0);
  EXPECT_EQ(score->accuracy, supernet::Bleu(said, references)->score);
  EXPECT_EQ(score->loss, (*Open())->ScoreOf(choice, nullptr)->loss);
}

// spec/search-spaces.md 4.7: one encoding, and a step of four hypotheses for each of 12 tokens, which stores a key and
// a value for every layer.
TEST_F(Translating, TheWorkOfARun) {
  const auto workload = Open();
  ASSERT_TRUE(workload.ok()) << workload.status();
  for (int layers : {1, 3}) {
    for (int64_t batch : {1, 2}) {
      const auto counter = std::make_shared<Counter>();
      const auto runnable = (*workload)->MakeRunnable(Network(layers), batch, counter);
      ASSERT_TRUE(runnable.ok()) << runnable.status();
      for (auto& [what, count] : counter->runs) count = 0;
      ASSERT_TRUE((*runnable)->Run().ok());
      EXPECT_EQ((counter->runs[{"store", 4 * batch}]), 2 * layers * 12);
      int encodings = 0, steps = 0;
      for (const auto& [what, count] : counter->runs) {
        if (what.first != "sinusoidal_positions") continue;
        (what.second == 4 * batch ? steps : encodings) += count;
      }
      EXPECT_EQ(encodings, 1);
      EXPECT_EQ(steps, 12);
    }
  }
}

TEST_F(Translating, MemoryIsOfWeightsCachesAndArenas) {
  const auto workload = Open();
  ASSERT_TRUE(workload.ok()) << workload.status();
  std::vector<int64_t> bytes;
  for (int layers : {1, 2, 3}) {
    const kernels::TensorMap weights = *supernet::ExtractWeights(*space_, Network(layers), shared_);
    int64_t least = 2 * layers * 4 * 16 * 128 * 4;  // keys and values of four hypotheses of 16 tokens
    for (const kernels::TensorMap::Entry& e : weights.entries()) least += static_cast<int64_t>(e.tensor.desc().bytes());
    const auto runnable = (*workload)->MakeRunnable(Network(layers), 1, device_);
    ASSERT_TRUE(runnable.ok()) << runnable.status();
    bytes.push_back((*runnable)->memory_bytes());
    EXPECT_GT(bytes.back(), least);
    EXPECT_LT(bytes.back(), least + 1000000) << "arenas of 12 tokens";
    ASSERT_TRUE((*runnable)->Run().ok());
    EXPECT_EQ((*runnable)->memory_bytes(), bytes.back()) << "nothing is added by a run";
  }
  EXPECT_LT(bytes[0], bytes[1]);
  EXPECT_LT(bytes[1], bytes[2]);
}

TEST_F(Translating, TheMeterGoesOnFromItsJournal) {
  const supernet::testing::TempFolder folder;
  MeterOptions options;
  options.latency = {.warmup_rounds = 1, .min_rounds = 3, .max_rounds = 3, .round_seconds = 0};
  options.journal_path = folder / "journal.json";
  int reports = 0;
  options.progress = [&](const MeterProgress&) { ++reports; };
  const std::vector<Choice> networks = {Network(1), Network(3)};
  auto meter = Meter::Create(*Open(), options);
  ASSERT_TRUE(meter.ok()) << meter.status();
  ASSERT_TRUE((*meter)->MeasureAccuracy(networks).ok());
  ASSERT_TRUE((*meter)->MeasureLatency(networks).ok());
  ASSERT_TRUE((*meter)->MeasureMemory(networks).ok());
  EXPECT_EQ(reports, 2 + 3);
  auto again = Meter::Create(*Open(), options);
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_TRUE((*again)->MeasureAccuracy(networks).ok());
  ASSERT_TRUE((*again)->MeasureLatency(networks).ok());
  EXPECT_EQ(reports, 2 + 3) << "nothing is left to be measured";
  for (const Choice& c : networks) {
    EXPECT_EQ((*again)->of(c).accuracy, (*meter)->of(c).accuracy);
    EXPECT_EQ((*again)->of(c).latency_ms, (*meter)->of(c).latency_ms);
    EXPECT_EQ((*again)->of(c).memory_bytes, (*meter)->of(c).memory_bytes);
  }
}

TEST_F(Translating, WhatCannotBeMeasuredIsRefused) {
  const auto refused = [](const auto& workload, const std::string& what) {
    EXPECT_EQ(workload.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(kernels::Message(workload.status()).find(what), std::string::npos) << workload.status();
  };
  refused(Open({.sentences = -1}), "sentences: -1");
  refused(TranslationWorkload::Create(*supernet::MobileNetV3({}), device_, shared_, text_, {words_, words_, true}, {}),
          "mobilenetv3: expected one that translates");
  const auto other = *supernet::Vocabulary::ParseDictionary("eins 1\n", "other.txt");
  refused(TranslationWorkload::Create(space_, device_, shared_, text_, {other, other, true}, {}),
          "vocabularies of 8 and 8 tokens, expected 16 and 16");
  supernet::TextPart empty = text_;
  empty.pairs.clear();
  EXPECT_FALSE(TranslationWorkload::Create(space_, device_, shared_, empty, {words_, words_, true}, {}).ok());
}

}  // namespace
}  // namespace mathnas::profile
