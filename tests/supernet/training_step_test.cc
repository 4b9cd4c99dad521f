#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "supernet/nasbench201/space.h"
#include "supernet/training/step.h"
#include "supernet/weights.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::Tensor;
using kernels::TensorMap;

constexpr int64_t kRows = 24;
constexpr int32_t kIgnored = 2;

struct Counted {
  std::vector<float> logits;
  int64_t correct, rows;
};

// What a step makes of images of noise with these labels.
Counted Count(int64_t classes, const TensorMap& start, const std::vector<int64_t>& labels) {
  const auto space = *NasBench201({.channels = 2, .cells = 1, .classes = classes, .height = 4, .width = 4});
  TensorMap weights;
  for (const TensorMap::Entry& e : start.entries()) weights.Put(e.name, e.tensor.Clone());
  TrainingStep step(space, kernels::ReferenceDevice(DType::kF32), weights,
                    {.weights = Weights::kShared, .ignored_label = kIgnored});
  Tensor images(DType::kF32, {kRows, 4, 4, 3}), numbers(DType::kI64, {kRows});
  kernels::Random random(5);
  for (float& v : images.as<float>()) v = static_cast<float>(random.Uniform() - 0.5);
  std::copy(labels.begin(), labels.end(), numbers.as<int64_t>().begin());
  const std::vector<StepInput> inputs = {{"image", images.view()}, {"labels", numbers.view()}};
  const auto result = step.Backward(Choice{3, 3, 3, 3, 3, 3}, inputs);
  EXPECT_TRUE(result.ok()) << result.status();
  const auto logits = result->logits.as<float>();
  return {{logits.begin(), logits.end()}, result->correct, result->rows};
}

// Right are rows whose label is the first of the largest logits; ignored ones do not count.
TEST(TrainingStep, CountsWhatIsRight) {
  for (const int64_t classes : {int64_t{3}, int64_t{10}, int64_t{1024}, int64_t{2500}}) {
    for (const bool ties : {false, true}) {
      const auto space = *NasBench201({.channels = 2, .cells = 1, .classes = classes, .height = 4, .width = 4});
      TensorMap weights = AllocateWeights(space->Supernet({.mode = Mode::kTraining}).graph);
      if (!ties) InitializeWeights(weights, 1);  // else all logits are zero
      std::vector<int64_t> labels(kRows, 0);
      const std::vector<float> logits = Count(classes, weights, labels).logits;
      std::vector<int64_t> largest;
      for (int64_t n = 0; n < kRows; ++n) {
        const auto row = logits.begin() + n * classes;
        largest.push_back(std::max_element(row, row + classes) - row);
      }
      int64_t correct = 0, rows = 0;
      for (int64_t n = 0; n < kRows; ++n) {
        const int64_t other[] = {largest[n], kIgnored, (largest[n] + 1) % classes,
                                 (largest[n] + classes - 1) % classes};
        labels[n] = other[n % 4];
        correct += labels[n] != kIgnored && labels[n] == largest[n];
        rows += labels[n] != kIgnored;
      }
      const Counted counted = Count(classes, weights, labels);
      EXPECT_EQ(counted.logits, logits);
      EXPECT_EQ(counted.correct, correct) << classes << " classes, ties " << ties;
      EXPECT_EQ(counted.rows, rows) << classes << " classes, ties " << ties;
      EXPECT_TRUE(!ties || correct == kRows / 4) << correct;
    }
  }
}

// Steps by the halves of Backward, the update between them or after them, against whole ones: the same bits.
TEST(TrainingStep, TheUpdateMayComeBeforeTheResult) {
  const auto space = *NasBench201({.channels = 2, .cells = 1, .classes = 3, .height = 4, .width = 4});
  std::vector<std::shared_ptr<kernels::Device>> devices = {kernels::ReferenceDevice(DType::kF32)};
  for (auto device : {kernels::CpuDevice(2), kernels::CudaDevice()}) {
    if (device.ok()) devices.push_back(*device);
  }
  Tensor images(DType::kF32, {kRows, 4, 4, 3}), labels(DType::kI64, {kRows});
  kernels::Random random(5);
  for (float& v : images.as<float>()) v = static_cast<float>(random.Uniform() - 0.5);
  for (int64_t& label : labels.as<int64_t>()) label = random.Below(3);
  const std::vector<StepInput> inputs = {{"image", images.view()}, {"labels", labels.view()}};
  for (const auto& device : devices) {
    TensorMap trained[3];
    std::vector<double> losses[3];
    for (int way = 0; way < 3; ++way) {
      trained[way] = AllocateWeights(space->Supernet({.mode = Mode::kTraining}).graph);
      InitializeWeights(trained[way], 1);
      TrainingStep step(space, device, trained[way], {.weights = Weights::kShared});
      EXPECT_EQ(step.Result().status().code(), absl::StatusCode::kFailedPrecondition);
      for (int i = 0; i < 6; ++i) {
        const Choice choice = i % 3 == 2 ? Choice{3, 3, 0, 1, 2, 3} : Choice{3, 3, 3, 3, 3, 3};
        if (way == 0) {
          const auto result = step.Backward(choice, inputs);
          ASSERT_TRUE(result.ok()) << result.status();
          losses[way].push_back(result->loss);
        } else {
          ASSERT_TRUE(step.Start(choice, inputs).ok());
        }
        if (way < 2) {
          ASSERT_TRUE(step.Update({}).ok());
        }
        if (way > 0) {
          const auto result = step.Result();
          ASSERT_TRUE(result.ok()) << result.status();
          losses[way].push_back(result->loss);
        }
        if (way == 2) {
          ASSERT_TRUE(step.Update({}).ok());
        }
      }
      ASSERT_TRUE(device->Wait().ok());
      EXPECT_FALSE(step.Result().ok()) << "taken twice";
    }
    for (int way : {1, 2}) {
      EXPECT_EQ(losses[way], losses[0]) << device->name();
      for (const TensorMap::Entry& e : trained[0].entries()) {
        const auto* begin = static_cast<const std::byte*>(e.tensor.data());
        const auto* other = static_cast<const std::byte*>(trained[way].Find(e.name)->data());
        EXPECT_TRUE(std::equal(begin, begin + e.tensor.desc().bytes(), other)) << device->name() << " " << e.name;
      }
    }
  }
}

}  // namespace
}  // namespace mathnas::supernet
