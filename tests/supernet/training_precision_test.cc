// Training in bfloat16: a step of networks of all spaces against the same step in float32, runs whose losses follow
// those of float32, the same bits again, and what is refused.
#include <atomic>
#include <cmath>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "kernels/step_times.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/supertransformer/space.h"
#include "supernet/supervit/space.h"
#include "supernet/training/sampling.h"
#include "supernet/training/step.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::Precision;
using kernels::Tensor;
using kernels::TensorMap;
using testing::TempFolder;

std::shared_ptr<kernels::Device> Bfloat16Device(int threads = 2) {
  auto cpu = kernels::CpuDevice(threads);
  return cpu.ok() && (*cpu)->CheckBfloat16().ok() ? *cpu : nullptr;
}

// What a step left.
struct Step {
  double loss = 0;
  TensorMap gradients;
  int layers = 0;  // convolutions and linear layers
};

// Without a choice: of the whole supernet.
Step Run(const std::shared_ptr<const SearchSpace>& space, const std::optional<Choice>& choice, TensorMap& weights,
         const std::vector<StepInput>& inputs, const StepOptions& options) {
  Step result;
  TrainingStep step(space, Bfloat16Device(), weights, options);
  kernels::StepTimes times;
  step.CollectTimes(&times);
  const auto batch = step.Backward(choice, inputs);
  EXPECT_TRUE(batch.ok()) << kernels::Message(batch.status());
  if (!batch.ok()) return result;
  for (const kernels::StepTimes::Line& line : times.Lines()) {
    result.layers += line.op == kernels::Conv2d::kName || line.op == kernels::Linear::kName ? 1 : 0;
    for (const char* naive : {"ref", "simple"}) {
      EXPECT_EQ(line.implementation.find(naive), std::string::npos)
          << line.op << " " << line.shapes << ": " << line.implementation;
    }
  }
  result.loss = batch->loss;
  result.gradients = step.gradients().Clone();
  return result;
}

double Norm(const TensorMap& gradients, const TensorMap* minus = nullptr) {
  double squares = 0;
  for (const TensorMap::Entry& e : gradients.entries()) {
    const auto x = e.tensor.as<float>();
    for (size_t i = 0; i < x.size(); ++i) {
      squares += std::pow(double{x[i]} - (minus ? minus->Find(e.name)->as<float>()[i] : 0), 2);
    }
  }
  return std::sqrt(squares);
}

// Every layer rounds its weights and its result: of L layers, as of independent errors, the loss is off by at most
// sqrt(2 L) 2^-8. Gradients of networks that are as deep as these, and new, are off by much more, since values change
// sides at the kinks of activations (mixed_training_test.cc, which has the tight bounds): PyTorch's autocast has 0.28
// for nasbench201 below, and 0.36 for a mobilenetv3 of this size. As a whole they point where those of float32 do; a
// cosine is about 0 of vectors that have nothing to do with each other, and sqrt(1 - q) where the share q of the
// squares is missing. And every tensor has one.
void ExpectRoundingAlone(const std::shared_ptr<const SearchSpace>& space, const std::optional<Choice>& choice,
                         int64_t batch, Weights kind) {
  if (Bfloat16Device() == nullptr) GTEST_SKIP() << "no bfloat16 on this processor";
  const GraphRequest request = {.mode = Mode::kTraining};
  TensorMap weights =
      AllocateWeights(kind == Weights::kOwn ? space->Network(*choice, request).graph : space->Supernet(request).graph);
  InitializeWeights(weights, 3, space->initialization());
  kernels::Random random(5);
  std::vector<Tensor> tensors;
  std::vector<StepInput> inputs;
  tensors.reserve(3);
  const auto integers = [&](const char* name, kernels::Shape shape, int64_t least) {
    tensors.emplace_back(kernels::DType::kI64, std::move(shape));
    for (int64_t& id : tensors.back().as<int64_t>()) {
      id = least + random.Below(static_cast<uint32_t>(space->classes() - least));
    }
    inputs.push_back({name, tensors.back().view()});
  };
  if (space->translates()) {
    for (const char* name : {"source", "previous", "labels"}) integers(name, {batch, 7}, 4);
  } else {
    const kernels::Shape side = choice ? space->input_shape(*choice) : space->input_shape();
    tensors.emplace_back(kernels::DType::kF32, kernels::Shape{batch, side[0], side[1], side[2]});
    for (float& v : tensors.back().as<float>()) v = static_cast<float>(random.Normal());
    inputs.push_back({"image", tensors.back().view()});
    integers("labels", {batch}, 0);
  }
  const Step wide = Run(space, choice, weights, inputs, {.weights = kind});
  const Step low = Run(space, choice, weights, inputs, {.weights = kind, .precision = Precision::kBfloat16});
  ASSERT_EQ(low.gradients.size(), wide.gradients.size());
  for (const TensorMap::Entry& e : wide.gradients.entries()) {
    TensorMap one, other;
    one.Put(e.name, e.tensor.Clone());
    other.Put(e.name, low.gradients.Find(e.name)->Clone());
    EXPECT_EQ(Norm(one) > 0, Norm(other) > 0) << e.name;
  }
  const double norm = Norm(wide.gradients), low_norm = Norm(low.gradients);
  const double difference = Norm(low.gradients, &wide.gradients) / norm;
  const double cosine = (norm * norm + low_norm * low_norm - std::pow(difference * norm, 2)) / (2 * norm * low_norm);
  std::cout << space->name() << ": " << low.layers << " layers, loss off by " << std::abs(low.loss / wide.loss - 1)
            << ", gradients by " << difference << ", cosine " << cosine << "\n";
  EXPECT_LT(std::abs(low.loss / wide.loss - 1), std::sqrt(2.0 * low.layers) * 0x1p-8);
  EXPECT_GT(cosine, 0.8);
  EXPECT_NEAR(low_norm / norm, 1, 0.2);
  EXPECT_GT(difference, 0x1p-12);
}

TEST(TrainingPrecision, NasBench201) {
  const std::shared_ptr<const SearchSpace> space = *NasBench201({.cells = 1});
  ExpectRoundingAlone(space, Choice{3, 3, 3, 3, 3, 3}, 16, Weights::kOwn);
  ExpectRoundingAlone(space, Choice{4, 1, 2, 3, 0, 2}, 8, Weights::kShared);
  ExpectRoundingAlone(space, std::nullopt, 8, Weights::kShared);
}
TEST(TrainingPrecision, MobileNetV3) {
  const std::shared_ptr<const SearchSpace> space = *MobileNetV3({.resolutions = {96}});
  ExpectRoundingAlone(space, RandomChoice(*space, 7, 0), 8, Weights::kShared);
}
TEST(TrainingPrecision, SuperVit) {
  const std::shared_ptr<const SearchSpace> space = *SuperVit({});
  ExpectRoundingAlone(space, RandomChoice(*space, 7, 0), 2, Weights::kShared);
}
TEST(TrainingPrecision, SuperTransformer) {
  const std::shared_ptr<const SearchSpace> space =
      *SuperTransformer({.source_vocabulary = 500, .target_vocabulary = 500});
  ExpectRoundingAlone(space, RandomChoice(*space, 7, 0), 4, Weights::kShared);
}

std::shared_ptr<const SearchSpace> SmallSpace() {
  return *NasBench201({.channels = 16, .cells = 1, .classes = 4, .height = 8, .width = 8});
}

absl::StatusOr<Checkpoint> Train(Precision precision, const std::shared_ptr<kernels::Device>& device,
                                 const TrainingRun& run = {}) {
  static const ImageDataset data = LoadDataset("synthetic:N=160,test=8,size=8,classes=4")->train;
  const auto space = SmallSpace();
  const Choice choice = {3, 1, 2, 4, 0, 3};
  TensorMap weights = AllocateWeights(space->Network(choice, {.mode = Mode::kTraining}).graph);
  InitializeWeights(weights, 1);
  return Train(space, device, Referring(data), choice, std::move(weights),
               {.epochs = 6, .batch = 32, .learning_rate = 0.02, .crop_padding = 1, .precision = precision, .seed = 4},
               run);
}

// The errors of gradients are those of rounding, without a direction of their own: over a run losses are the same
// within 5 % in the mean. Single epochs, 5 batches that are learnt by heart, are means of few: 10 % of what training
// begins with, log 4.
TEST(TrainingPrecision, LossesFollowThoseOfFloat32) {
  const auto device = Bfloat16Device();
  if (device == nullptr) GTEST_SKIP() << "no bfloat16 on this processor";
  const auto wide = Train(Precision::kFloat32, device), low = Train(Precision::kBfloat16, device);
  ASSERT_TRUE(wide.ok() && low.ok()) << wide.status() << low.status();
  double sum = 0, low_sum = 0;
  for (size_t e = 0; e < wide->epochs.size(); ++e) {
    EXPECT_NEAR(low->epochs[e].loss, wide->epochs[e].loss, 0.1 * std::log(4.0)) << e;
    sum += wide->epochs[e].loss;
    low_sum += low->epochs[e].loss;
  }
  EXPECT_NEAR(low_sum, sum, 0.05 * sum);
  EXPECT_NE(low->epochs[0].loss, wide->epochs[0].loss);
  EXPECT_LT(low->epochs[5].loss, low->epochs[0].loss - 0.3);
}

TEST(TrainingPrecision, SameBitsAgainAndStateInFloat32) {
  const auto device = Bfloat16Device();
  if (device == nullptr) GTEST_SKIP() << "no bfloat16 on this processor";
  const auto a = Train(Precision::kBfloat16, device), b = Train(Precision::kBfloat16, Bfloat16Device());
  ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
  for (const auto& [x, y] : {std::pair{&a->weights, &b->weights}, {&a->optimizer, &b->optimizer}}) {
    for (const TensorMap::Entry& e : x->entries()) {
      const Tensor& other = *y->Find(e.name);
      EXPECT_NE(e.tensor.desc().dtype, kernels::DType::kBf16) << e.name;
      EXPECT_EQ(std::memcmp(e.tensor.data(), other.data(), e.tensor.desc().bytes()), 0) << e.name;
    }
  }
}

TEST(TrainingPrecision, ResumesOnlyInTheSame) {
  const auto device = Bfloat16Device();
  if (device == nullptr) GTEST_SKIP() << "no bfloat16 on this processor";
  const TempFolder folder;
  std::atomic<bool> cancel = true;
  TrainingRun run;
  run.checkpoint_path = folder / "checkpoint";
  run.cancel = &cancel;
  EXPECT_EQ(Train(Precision::kBfloat16, device, run).status().code(), absl::StatusCode::kCancelled);
  cancel = false;
  run.resume = true;
  const std::string refused(kernels::Message(Train(Precision::kFloat32, device, run).status()));
  EXPECT_NE(refused.find("cannot resume with another recipe: the checkpoint has"), std::string::npos) << refused;
  EXPECT_NE(refused.find("\"precision\":\"bfloat16\""), std::string::npos) << refused;
  const auto resumed = Train(Precision::kBfloat16, device, run), whole = Train(Precision::kBfloat16, device);
  ASSERT_TRUE(resumed.ok() && whole.ok()) << resumed.status() << whole.status();
  EXPECT_EQ(resumed->epochs.back().loss, whole->epochs.back().loss);
}

TEST(TrainingPrecision, DevicesWithoutAreRefused) {
  for (kernels::DType real : {kernels::DType::kF32, kernels::DType::kF64}) {
    const auto status = Train(Precision::kBfloat16, kernels::ReferenceDevice(real)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_NE(kernels::Message(status).find("precision: device ref computes in"), std::string::npos) << status;
  }
}

}  // namespace
}  // namespace mathnas::supernet
