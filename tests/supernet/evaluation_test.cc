#include "supernet/evaluation.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/nasbench201/space.h"
#include "supernet/recalibration.h"
#include "supernet/training/sampling.h"
#include "supernet/weights.h"
#include "tests/supernet/naive_statistics.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::TensorMap;
using testing::FloatDevice;
using testing::InDouble;

constexpr NasBench201Macro kMacro = {.channels = 8, .cells = 1, .classes = 5, .height = 8, .width = 8};

const DatasetPair& Data() {
  static const DatasetPair data = *LoadDataset("synthetic:N=70,test=45,size=8,classes=5");
  return data;
}

std::shared_ptr<const SearchSpace> Space() { return *NasBench201(kMacro); }

TensorMap OwnWeights(const SearchSpace& space, const Choice& choice) {
  TensorMap weights = AllocateWeights(space.Network(choice, {.mode = Mode::kTraining}).graph);
  FillSynthetic(weights);
  return weights;
}

std::vector<Choice> SomeChoices(const SearchSpace& space) {
  // The third one has a dead node: what is computed there has statistics all the same.
  std::vector<Choice> choices = {{3, 2, 3, 1, 3, 2}, {3, 3, 3, 3, 3, 3}, {3, 1, 0, 2, 0, 4}, {0, 4, 3, 1, 2, 0}};
  for (int64_t i = 0; i < 4; ++i) choices.push_back(RandomChoice(space, 17, i));
  return choices;
}

TEST(Recalibrate, AveragesBatchMeansAndUnbiasedVariances) {
  const auto space = Space();
  const RecalibrationOptions options = {.batches = 7, .batch = 16, .seed = 11};  // 4 batches an epoch
  const auto batches = testing::TrainingBatches(Data().train, options.batch, options.batches, options.seed);
  for (const Choice& choice : SomeChoices(*space)) {
    TensorMap weights = OwnWeights(*space, choice);
    const TensorMap before = weights.Clone();
    const auto expected =
        testing::AverageStatistics(space->Network(choice, {.batch = 16, .mode = Mode::kTraining, .real = DType::kF64}),
                                   InDouble(weights), batches);
    for (const auto& device : {FloatDevice(2), kernels::ReferenceDevice(DType::kF32)}) {
      TensorMap recalibrated = before.Clone();
      const absl::Status status = Recalibrate(*space, choice, recalibrated, device, Referring(Data().train), options);
      ASSERT_TRUE(status.ok()) << status;
      size_t statistics = 0;
      for (const auto& [prefix, s] : expected) {
        const auto mean = recalibrated.Find(prefix + ".running_mean")->as<float>();
        const auto var = recalibrated.Find(prefix + ".running_var")->as<float>();
        ASSERT_EQ(mean.size(), s.mean.size());
        ASSERT_EQ(var.size(), s.var.size());
        for (size_t c = 0; c < mean.size(); ++c) {
          // Float32 through at most ten layers: 1e-4 of the spread.
          EXPECT_NEAR(mean[c], s.mean[c], 1e-4 * (std::sqrt(s.var[c]) + std::abs(s.mean[c])) + 1e-7)
              << prefix << " " << c;
          EXPECT_NEAR(var[c], s.var[c], 2e-4 * s.var[c] + 1e-9) << prefix << " " << c;
        }
        statistics += 2;
      }
      // Every statistic was replaced, and nothing else.
      size_t changed = 0;
      for (const TensorMap::Entry& e : before.entries()) {
        const auto now = recalibrated.Find(e.name);
        const bool same = std::memcmp(now->data(), e.tensor.data(), e.tensor.desc().bytes()) == 0;
        const bool statistic = e.name.ends_with("running_mean") || e.name.ends_with("running_var");
        EXPECT_EQ(same, !statistic) << e.name;
        changed += same ? 0 : 1;
      }
      EXPECT_EQ(changed, statistics);
    }
  }
}

TEST(Recalibrate, DoesNotDependOnTheStatisticsBefore) {
  const auto space = Space();
  const Choice choice = {3, 2, 3, 1, 3, 2};
  TensorMap a = OwnWeights(*space, choice), b = OwnWeights(*space, choice);
  for (const TensorMap::Entry& e : b.entries()) {
    if (e.name.ends_with("running_mean") || e.name.ends_with("running_var")) {
      for (float& v : e.tensor.as<float>()) v = 1e6F;
    }
  }
  for (TensorMap* weights : {&a, &b}) {
    ASSERT_TRUE(
        Recalibrate(*space, choice, *weights, FloatDevice(), Referring(Data().train), {.batches = 2, .batch = 32})
            .ok());
  }
  for (const TensorMap::Entry& e : a.entries()) {
    if (e.tensor.desc().dtype != DType::kF32) continue;
    EXPECT_TRUE(std::ranges::equal(e.tensor.as<float>(), b.Find(e.name)->as<float>())) << e.name;
  }
}

TEST(Recalibrate, NeverTakesABatchLargerThanTheData) {
  const auto space = Space();
  const Choice choice = {1, 1, 1, 1, 1, 1};
  TensorMap weights = OwnWeights(*space, choice);
  const absl::Status status =
      Recalibrate(*space, choice, weights, FloatDevice(), Referring(Data().train), {.batches = 1, .batch = 128});
  ASSERT_TRUE(status.ok()) << status;
  const auto expected =
      testing::AverageStatistics(space->Network(choice, {.batch = 70, .mode = Mode::kTraining, .real = DType::kF64}),
                                 InDouble(weights), testing::TrainingBatches(Data().train, 70, 1, 0));
  const auto mean = weights.Find("stem.1.running_mean")->as<float>();
  const auto& wanted = expected.at("stem.1");
  for (size_t c = 0; c < mean.size(); ++c) EXPECT_NEAR(mean[c], wanted.mean[c], 1e-4 * std::sqrt(wanted.var[c]));
}

// One image after the other through the unfolded network in double.
struct NaiveEvaluation {
  int64_t correct = 0;
  int64_t close = 0;  // the two largest logits are within 1e-3: float32 may see them the other way round
  double loss = 0;
};

NaiveEvaluation EvaluateNaively(const SearchSpace& space, const Choice& choice, const TensorMap& weights,
                                const ImageDataset& data) {
  const NetworkGraph network = space.Network(choice, {.real = DType::kF64});
  const TensorMap weights_double = InDouble(weights);
  NaiveEvaluation result;
  for (int64_t i = 0; i < data.count; ++i) {
    const std::array<uint32_t, 1> index = {static_cast<uint32_t>(i)};
    const auto logits = testing::RunInDouble(network.graph, {{"logits", network.logits}}, weights_double,
                                             testing::NormalisedImages(data, index))["logits"];
    double sum = 0;
    for (double v : logits) sum += std::exp(v);
    const auto label = static_cast<size_t>(data.labels[static_cast<size_t>(i)]);
    result.loss += (std::log(sum) - logits[label]) / static_cast<double>(data.count);
    size_t best = 0;
    for (size_t c = 1; c < logits.size(); ++c) best = logits[c] > logits[best] ? c : best;
    result.correct += best == label;
    auto sorted = logits;
    std::ranges::sort(sorted, std::greater<>());
    result.close += sorted[0] - sorted[1] < 1e-3;
  }
  return result;
}

TEST(Evaluate, EqualsALoopOverImagesThroughTheUnfoldedNetwork) {
  const auto space = Space();
  for (const Choice& choice : SomeChoices(*space)) {
    TensorMap weights = OwnWeights(*space, choice);
    ASSERT_TRUE(
        Recalibrate(*space, choice, weights, FloatDevice(), Referring(Data().train), {.batches = 4, .batch = 32}).ok());
    const NaiveEvaluation expected = EvaluateNaively(*space, choice, weights, Data().test);
    ASSERT_LE(expected.close, 2);
    // The last batch is a whole one, an incomplete one, all images, more than there are.
    for (int64_t batch : {1, 15, 16, 45, 256}) {
      const auto result = Evaluate(*space, choice, weights, FloatDevice(2), Referring(Data().test), {.batch = batch});
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->images, 45);
      EXPECT_NEAR(result->accuracy * 45 / 100, static_cast<double>(expected.correct),
                  static_cast<double>(expected.close) + 1e-9);
      EXPECT_NEAR(result->loss, expected.loss, 1e-4 * std::max(1.0, expected.loss)) << batch;
    }
  }
}

TEST(Evaluate, LossOfHugeLogitsIsFinite) {
  const auto space = Space();
  const Choice choice = {1, 1, 1, 1, 1, 1};
  TensorMap weights = OwnWeights(*space, choice);
  for (float& v : weights.Find("classifier.weight")->as<float>()) v *= 1e4F;
  const auto result = Evaluate(*space, choice, weights, FloatDevice(), Referring(Data().test));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(std::isfinite(result->loss));
  EXPECT_GT(result->loss, 1000);
}

TEST(Evaluate, LeavesTheWeightsAlone) {
  const auto space = Space();
  const Choice choice = {3, 2, 3, 1, 3, 2};
  const TensorMap weights = OwnWeights(*space, choice), before = weights.Clone();
  ASSERT_TRUE(Evaluate(*space, choice, weights, FloatDevice(), Referring(Data().test)).ok());
  for (const TensorMap::Entry& e : before.entries()) {
    EXPECT_EQ(std::memcmp(weights.Find(e.name)->data(), e.tensor.data(), e.tensor.desc().bytes()), 0) << e.name;
  }
}

TEST(Evaluation, WhatDoesNotFitIsAnError) {
  const auto space = Space();
  const Choice choice = {3, 2, 3, 1, 3, 2};
  TensorMap weights = OwnWeights(*space, choice);
  const auto device = FloatDevice();
  const auto expect = [](const absl::Status& status, absl::StatusCode code, const std::vector<std::string>& fragments) {
    EXPECT_EQ(status.code(), code) << status;
    for (const std::string& f : fragments) {
      EXPECT_NE(kernels::Message(status).find(f), std::string::npos)
          << "\"" << f << "\" in: " << kernels::Message(status);
    }
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  const auto both = [&](const Choice& c, const TensorMap& w, const ImageDataset& data, absl::StatusCode code,
                        const std::vector<std::string>& fragments) {
    TensorMap copy = w.Clone();
    expect(Recalibrate(*space, c, copy, device, Referring(data), {.batches = 1, .batch = 16}), code, fragments);
    expect(Evaluate(*space, c, w, device, Referring(data)).status(), code, fragments);
  };
  both(choice, weights, LoadDataset("synthetic:N=16,size=12,classes=5")->train, kInvalid, {"12x12x3", "8x8x3"});
  both(choice, weights, LoadDataset("synthetic:N=16,size=8,channels=1,classes=5")->train, kInvalid, {"8x8x1", "8x8x3"});
  both(choice, weights, LoadDataset("synthetic:N=16,size=8,classes=6")->train, kInvalid, {"6 classes", "5"});
  ImageDataset empty = Data().train;
  empty.count = 0;
  empty.images.clear();
  empty.labels.clear();
  both(choice, weights, empty, kInvalid, {"no images"});
  both({3, 2, 3, 1, 3}, weights, Data().train, kInvalid, {"5 entries, expected 6"});
  both({3, 2, 3, 1, 3, 9}, weights, Data().train, kInvalid, {"choice[5]", "9"});

  TensorMap incomplete;
  for (const TensorMap::Entry& e : weights.entries()) {
    if (e.name != "cells.2.layers.0.op.2.running_var") incomplete.Put(e.name, e.tensor.Clone());
  }
  both(choice, incomplete, Data().train, absl::StatusCode::kNotFound, {"cells.2.layers.0.op.2.running_var"});
  TensorMap misshapen = weights.Clone();
  misshapen.Put("classifier.weight", kernels::Tensor(DType::kF32, {5, 8}));
  expect(Evaluate(*space, choice, misshapen, device, Referring(Data().test)).status(), kInvalid,
         {"classifier.weight", "5x8", "5x32"});
  TensorMap statistic = weights.Clone();
  statistic.Put("stem.1.running_mean", kernels::Tensor(DType::kF32, {9}));
  both(choice, statistic, Data().train, kInvalid, {"stem.1.running_mean", "9", "8"});

  for (int64_t batch : {0, -1}) {
    expect(Evaluate(*space, choice, weights, device, Referring(Data().test), {.batch = batch - 1}).status(), kInvalid,
           {"batch"});
    expect(Recalibrate(*space, choice, weights, device, Referring(Data().train), {.batches = 1, .batch = batch}),
           kInvalid, {"batch"});
  }
  for (int64_t batches : {0, -1}) {
    expect(Recalibrate(*space, choice, weights, device, Referring(Data().train), {.batches = batches, .batch = 16}),
           kInvalid, {"batches", std::to_string(batches)});
  }
  const std::atomic<bool> cancel = true;
  expect(Evaluate(*space, choice, weights, device, Referring(Data().test), {.batch = 16, .cancel = &cancel}).status(),
         absl::StatusCode::kCancelled, {});
}

}  // namespace
}  // namespace mathnas::supernet
