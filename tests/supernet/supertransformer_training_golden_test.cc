// Every sequence of HAT in the training golden file: losses, gradients, clipping, values after each update of Adam. In
// double on the reference device to the digits stored, in float32 on the CPU within the bounds of
// spec/training-golden.md 6.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/supertransformer/space.h"
#include "tests/supernet/training_golden.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using nlohmann::json;

class Replay : private GoldenSequence {
 public:
  Replay(const json& sequence, std::shared_ptr<kernels::Device> device)
      : GoldenSequence(sequence, std::move(device), /*adam=*/true), shared_embedding_(sequence["space"] == "hat_wmt") {
    const int64_t vocabulary = sequence["vocab"];
    space_ =
        *SuperTransformer({.task = shared_embedding_ ? supertransformer::Task::kWmt : supertransformer::Task::kIwslt,
                           .source_vocabulary = vocabulary,
                           .target_vocabulary = vocabulary});
    weights_ = AllocateWeights(space_->Supernet({.mode = Mode::kTraining, .real = device_->real()}).graph);
    FillSynthetic(weights_);
    CheckParameters();
    step_ =
        std::make_unique<TrainingStep>(space_, device_, weights_,
                                       StepOptions{.weights = Weights::kShared,
                                                   .label_smoothing = 0.1,
                                                   .ignored_label = supertransformer::kPad,
                                                   .sum = true,
                                                   .optimizer = {.algorithm = Algorithm::kFairseqAdam,
                                                                 .weight_decay = sequence["weight_decay"].get<double>(),
                                                                 .beta2 = 0.98}});
  }

  void Run() {
    for (size_t i = 0; i < sequence_["steps"].size() && !testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE("step " + std::to_string(i));
      Step(sequence_["steps"][i], sequence_["nets"][sequence_["net_per_step"][i].get<std::string>()]);
    }
  }

 private:
  // The shared matrix goes by its other name in the file.
  std::string OwnName(const std::string& name) const override {
    return shared_embedding_ && name == "encoder.embed_tokens.weight" ? "decoder.embed_tokens.weight" : name;
  }

  static kernels::Tensor Rows(const json& rows) {
    kernels::Tensor t(DType::kI64, {std::ssize(rows), std::ssize(rows[0])});
    int64_t* to = t.as<int64_t>().data();
    for (const json& row : rows) {
      for (const json& id : row) *to++ = id.get<int64_t>();
    }
    return t;
  }

  void Step(const json& golden, const json& network) {
    const kernels::Tensor source = Rows(golden["src"]), previous = Rows(golden["prev"]),
                          labels = Rows(golden["target"]);
    const auto choice = space_->ParseSubnet(network.dump());
    ASSERT_TRUE(choice.ok()) << choice.status();
    const StepInput inputs[] = {{"source", source.view()}, {"previous", previous.view()}, {"labels", labels.view()}};
    const auto result = step_->Backward(*choice, inputs);
    ASSERT_TRUE(result.ok()) << result.status();
    const double expected = golden["losses"][0];
    const double bound = exact_ ? 1e-9 : std::max(10 * golden["fp32"]["loss_rel"].get<double>(), 1e-5);
    EXPECT_NEAR(result->loss, expected, bound * expected);
    EXPECT_EQ(result->rows, golden["ntokens"]);
    const double scale = 1 / golden["ntokens"].get<double>();
    CheckGradients(golden, {"grad", "zero_grad"}, step_->gradients(), step_->touched(),
                   scale * golden["clip_factor"].get<double>());
    const auto norm =
        step_->Update({.learning_rate = golden["lr"], .gradient_scale = scale, .clip_norm = sequence_["clip_norm"]});
    ASSERT_TRUE(norm.ok()) << kernels::Message(norm.status());
    ASSERT_TRUE(device_->Wait().ok());
    if (sequence_["clip_norm"] > 0) {
      const double before = golden["grad_norm_before_clip"];
      EXPECT_NEAR(*norm, before, Bound(golden) * before);
    }
    CheckValues(golden);
  }

  bool shared_embedding_;
};

void CheckEverySequence(const std::shared_ptr<kernels::Device>& device) {
  const json file = LoadGolden("MATHNAS_TRAINING_GOLDEN", "training-golden.json");
  int sequences = 0;
  for (const auto& [name, sequence] : file["sequences"].items()) {
    if (!sequence["space"].get<std::string>().starts_with("hat_")) continue;
    SCOPED_TRACE(name);
    Replay(sequence, device).Run();
    ++sequences;
  }
  EXPECT_GE(sequences, 2);
}

TEST(SuperTransformerTrainingGolden, EverySequenceInDoubleOnTheReferenceDevice) {
  CheckEverySequence(kernels::ReferenceDevice(DType::kF64));
}

TEST(SuperTransformerTrainingGolden, EverySequenceInFloatOnTheCpu) {
  auto device = kernels::CpuDevice(2);
  if (!device.ok()) GTEST_SKIP() << kernels::Message(device.status());
  CheckEverySequence(*device);
}

TEST(SuperTransformerTrainingGolden, EverySequenceInFloatOnCuda) {
  auto device = kernels::CudaDevice();
  if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << kernels::Message(device.status());
  CheckEverySequence(*device);
}

}  // namespace
}  // namespace mathnas::supernet
