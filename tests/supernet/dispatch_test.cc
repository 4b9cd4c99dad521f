// No operator of a network falls to a naive implementation of the library beneath: every step of training and of folded
// inference on the CPU names a kernel that is made for the purpose.
#include <algorithm>
#include <cctype>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "supernet/evaluation.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/training/sampling.h"
#include "supernet/weights.h"

namespace mathnas::supernet {
namespace {

// "jit:uni + simple:any" -> {"jit:uni", "simple:any"}.
std::vector<std::string_view> Parts(std::string_view implementation) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= implementation.size();) {
    const size_t end = std::min(implementation.find(" + ", begin), implementation.size());
    parts.push_back(implementation.substr(begin, end - begin));
    begin = end + 3;
  }
  return parts;
}

bool HasWord(std::string_view text, std::string_view word) {
  const auto letter = [&](size_t i) { return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])); };
  for (size_t i = text.find(word); i != std::string_view::npos; i = text.find(word, i + 1)) {
    if ((i == 0 || !letter(i - 1)) && !letter(i + word.size())) return true;
  }
  return false;
}

bool IsNaive(std::string_view implementation) {
  for (std::string_view part : Parts(implementation)) {
    if (part.starts_with("ref") || part.starts_with("simple") || part == "copy" || HasWord(part, "ref")) return true;
  }
  return false;
}

TEST(Dispatch, NaiveNamesAreRecognised) {
  for (const char* naive : {"ref", "ref:any", "jit:uni + ref:any", "simple:any", "brgconv:avx512_core + simple:any",
                            "gemm:ref", "copy + vector:avx512"}) {
    EXPECT_TRUE(IsNaive(naive)) << naive;
  }
  for (const char* good :
       {"jit:uni", "brgconv:avx512_core + jit:uni", "vector:avx512", "x64:gemm:jit", "prefetch:any"}) {
    EXPECT_FALSE(IsNaive(good)) << good;
  }
}

class Checker {
 public:
  void Check(const kernels::Plan& plan, const std::string& what) {
    EXPECT_GT(plan.steps().size(), 0U);
    for (const kernels::Plan::Step& step : plan.steps()) {
      const std::string implementation = step.kernel->implementation();
      const bool naive = IsNaive(implementation);
      if (!naive && implementation.find("gemm") == std::string::npos) continue;
      std::string text(kernels::NameOf(step.op));
      for (const kernels::TensorDesc& d : step.input_descs) text += " " + kernels::ToString(d.shape);
      text += " ->";
      for (const kernels::TensorDesc& d : step.output_descs) text += " " + kernels::ToString(d.shape);
      text += " [" + implementation + "]";
      if (naive) {
        naive_.insert(text + ", " + what);
      } else {
        gemm_.insert(text);
      }
    }
  }

  void Report() const {
    for (const std::string& step : naive_) ADD_FAILURE() << "naive: " << step;
    for (const std::string& step : gemm_) std::cout << "matrix product: " << step << "\n";
  }

 private:
  std::set<std::string> naive_, gemm_;
};

void CheckTraining(NetworkGraph network, int64_t batch, kernels::Device& device, Checker& checker,
                   const std::string& what) {
  kernels::Graph& g = network.graph;
  const kernels::Value loss =
      g.Apply(kernels::SoftmaxCrossEntropy{0.1}, {network.logits, g.Labels("labels", batch)})[0];
  kernels::AccumulateGradients(g, kernels::Differentiate(g, loss));
  const auto plan = kernels::Plan::Create(g, {{"loss", loss}, {"logits", network.logits}}, device);
  ASSERT_TRUE(plan.ok()) << what << ": " << kernels::Message(plan.status());
  checker.Check(**plan, what);
}

void CheckInference(const kernels::FoldedGraph& folded, kernels::Device& device, Checker& checker,
                    const std::string& what) {
  const auto plan = kernels::Plan::Create(folded.graph, folded.outputs, device, {.constant_weights = true});
  ASSERT_TRUE(plan.ok()) << what << ": " << kernels::Message(plan.status());
  checker.Check(**plan, what);
}

class Dispatch : public ::testing::TestWithParam<NasBench201Macro> {};

TEST_P(Dispatch, EveryStepHasAKernelOfItsOwn) {
  const auto space = *NasBench201(GetParam());
  std::vector<Choice> choices = {{2, 2, 2, 2, 2, 2}, {3, 3, 3, 3, 3, 3}, {4, 4, 4, 4, 4, 4}, {1, 1, 1, 1, 1, 1}};
  for (int64_t i = 0; i < 56; ++i) choices.push_back(RandomChoice(*space, 2024, i));
  const kernels::TensorMap shared = AllocateWeights(space->Supernet({}).graph);
  Checker checker;
  for (int threads : {1, 2}) {
    const auto device = kernels::CpuDevice(threads);
    if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << "no CPU kernels: " << kernels::Message(device.status());
    ASSERT_TRUE(device.ok()) << device.status();
    for (int64_t batch : {1, 8, 64}) {
      const std::string setting = ", batch " + std::to_string(batch) + ", " + std::to_string(threads) + " threads";
      const GraphRequest training = {.batch = batch, .mode = Mode::kTraining};
      for (const Choice& choice : choices) {
        CheckTraining(space->Network(choice, training), batch, **device, checker, "training" + setting);
        const auto weights = ExtractWeights(*space, choice, shared);
        ASSERT_TRUE(weights.ok()) << weights.status();
        const auto folded = FoldedNetwork(*space, choice, *weights, batch);
        ASSERT_TRUE(folded.ok()) << folded.status();
        CheckInference(*folded, **device, checker, "inference" + setting);
      }
      CheckTraining(space->Supernet(training), batch, **device, checker, "training of the supernet" + setting);
      const NetworkGraph whole = space->Supernet({.batch = batch});
      const auto folded = kernels::FoldForInference(whole.graph, {{"logits", whole.logits}}, shared);
      ASSERT_TRUE(folded.ok()) << folded.status();
      CheckInference(*folded, **device, checker, "inference of the supernet" + setting);
    }
  }
  checker.Report();
}

INSTANTIATE_TEST_SUITE_P(
    Macros, Dispatch,
    ::testing::Values(NasBench201Macro{.channels = 16, .cells = 1},
                      NasBench201Macro{.channels = 16, .cells = 1, .height = 28, .width = 28, .input_channels = 1},
                      NasBench201Macro{.channels = 24, .cells = 1, .classes = 20},
                      NasBench201Macro{.channels = 16, .cells = 1, .affine = false, .track = false}),
    [](const auto& test) {
      const NasBench201Macro& m = test.param;
      return "C" + std::to_string(m.channels) + "_" + std::to_string(m.height) + "x" + std::to_string(m.width) + "x" +
             std::to_string(m.input_channels) + "_" + std::to_string(m.classes) + (m.affine ? "" : "_plain");
    });

// 200 random networks of once-for-all MobileNetV3: trained on slices of the shared weights, and deployed.
TEST(DispatchMobileNetV3, EveryStepHasAKernelOfItsOwn) {
  const auto space = *MobileNetV3({.resolutions = {96, 128}});
  const kernels::TensorMap shared = AllocateWeights(space->Supernet({}).graph);
  const auto device = kernels::CpuDevice(2);
  if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << "no CPU kernels: " << kernels::Message(device.status());
  ASSERT_TRUE(device.ok()) << device.status();
  Checker checker;
  for (int64_t i = 0; i < 200; ++i) {
    const Choice choice = RandomChoice(*space, 2025, i);
    const int64_t batch = i % 2 == 0 ? 16 : 1;
    CheckTraining(space->Network(choice, {.batch = batch, .mode = Mode::kTraining, .weights = Weights::kShared}), batch,
                  **device, checker, "training");
    const auto weights = ExtractWeights(*space, choice, shared);
    ASSERT_TRUE(weights.ok()) << weights.status();
    const auto folded = FoldedNetwork(*space, choice, *weights, batch);
    ASSERT_TRUE(folded.ok()) << folded.status();
    CheckInference(*folded, **device, checker, "inference");
  }
  checker.Report();
}

}  // namespace
}  // namespace mathnas::supernet
