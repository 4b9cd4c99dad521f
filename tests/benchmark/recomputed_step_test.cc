// Steps of a network of every space that compute activations again: the same weights, in less memory.
#include <cstring>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "mathnas/benchmark/network_bench.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/supertransformer/space.h"
#include "supernet/supervit/space.h"
#include "supernet/training/step.h"
#include "supernet/weights.h"

namespace mathnas::benchmark {
namespace {

struct Trained {
  kernels::TensorMap weights;
  std::vector<double> losses;
  size_t activation_bytes = 0;
};

Trained Train(const std::shared_ptr<const supernet::SearchSpace>& space, const supernet::Choice& choice,
              kernels::Recomputed recompute) {
  Trained trained;
  trained.weights = supernet::AllocateWeights(space->Network(choice, {.mode = supernet::Mode::kTraining}).graph);
  supernet::InitializeWeights(trained.weights, 1, space->initialization());
  supernet::StepOptions options = StepOptionsOf(*space);
  options.recompute = recompute;
  supernet::TrainingStep step(space, *kernels::CpuDevice(2), trained.weights, options);
  for (uint64_t seed = 0; seed < 2; ++seed) {
    const kernels::TensorMap noise =
        NoiseInputs({.space = space, .choice = choice, .batch = 4, .length = 8, .seed = seed});
    std::vector<supernet::StepInput> inputs;
    for (const auto& e : noise.entries()) inputs.push_back({e.name, e.tensor.view()});
    const auto result = step.Backward(choice, inputs);
    EXPECT_TRUE(result.ok()) << kernels::Message(result.status());
    if (!result.ok()) return trained;
    trained.losses.push_back(result->loss);
    EXPECT_TRUE(step.Update({.learning_rate = 1e-3}).ok());
  }
  trained.activation_bytes = step.activation_bytes();
  return trained;
}

TEST(RecomputedStep, HasTheSameBitsInLessMemory) {
  using Space = std::shared_ptr<const supernet::SearchSpace>;
  const Space spaces[] = {
      *supernet::NasBench201({.channels = 8, .cells = 3, .height = 16, .width = 16}),
      *supernet::MobileNetV3({.classes = 10, .resolutions = {64}}),
      *supernet::SuperTransformer(
          {.task = supernet::supertransformer::Task::kIwslt, .source_vocabulary = 50, .target_vocabulary = 60}),
      *supernet::SuperVit({.classes = 10, .resolutions = {160}}),
  };
  for (const Space& space : spaces) {
    SCOPED_TRACE(space->name());
    const auto extremes = space->extremes();
    const supernet::Choice choice = extremes ? extremes->smallest : space->base();
    const Trained kept = Train(space, choice, kernels::Recomputed::kNothing);
    ASSERT_EQ(kept.losses.size(), 2u);
    for (const auto what : {kernels::Recomputed::kActivations, kernels::Recomputed::kBlocks}) {
      SCOPED_TRACE(static_cast<int>(what));
      const Trained again = Train(space, choice, what);
      EXPECT_EQ(again.losses, kept.losses);
      EXPECT_NE(kept.losses[0], kept.losses[1]);
      for (const auto& e : kept.weights.entries()) {
        const kernels::Tensor* other = again.weights.Find(e.name);
        ASSERT_NE(other, nullptr) << e.name;
        EXPECT_EQ(std::memcmp(other->data(), e.tensor.data(), e.tensor.desc().bytes()), 0) << e.name;
      }
      const bool pays = what == supernet::RecomputedByDefault(*space);
      const bool is_cell = space->name() == "nasbench201";
      const double share = what == kernels::Recomputed::kBlocks ? 0.8 : is_cell ? 0.85 : pays ? 0.6 : 1;
      EXPECT_LT(again.activation_bytes, share * kept.activation_bytes);
    }
  }
}

}  // namespace
}  // namespace mathnas::benchmark
