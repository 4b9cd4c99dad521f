// What the real cuDNN says to the convolutions of the four spaces, for GPUs that are described and not there: no driver
// is needed. It tells which engine is chosen and that its plan can be built, nothing about numbers or speed.
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/cuda/conv_choice.h"
#include "kernels/status.h"
#include "kernels/testing/operator_cases.h"
#include "nlohmann/json.hpp"

namespace mathnas::kernels::cuda {
namespace {

using cudnn::Graph;
using Path = ConvChoice::Path;

constexpr std::string_view kSpaces[] = {"mobilenetv3", "nasbench201", "supertransformer", "supervit"};
constexpr std::string_view kDevices[] = {"sm_80", "sm_90"};
constexpr size_t kMostWorkspace = size_t{256} << 20;

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class CudnnDeviceless : public ::testing::Test {
 protected:
  void SetUp() override {
    unsetenv("MATHNAS_CUDA_LIBRARIES");  // not the stand-in
    auto loaded = LoadCudnn();
    if (!loaded.ok()) GTEST_SKIP() << "no cuDNN: " << Message(loaded.status());
    cudnn_ = *std::move(loaded);
    // An older one has no such descriptions.
    if (cudnn_->GetVersion() < 90800) GTEST_SKIP() << "cuDNN " << cudnn_->GetVersion() << " is older than 9.8";
  }
  cudnn::Target Described(std::string_view device) const {
    const std::string path = fmt::format("{}/{}_by_hand.json", MATHNAS_TEST_DEVICES, device);
    auto target = cudnn::Target::Described(*cudnn_, Contents(path));
    EXPECT_TRUE(target.ok()) << path << ": " << Message(target.status());
    return target.ok() ? *std::move(target) : cudnn::Target(nullptr);
  }

  std::shared_ptr<const Cudnn> cudnn_;
};

// The convolutions of a line of bench/shapes.
std::vector<ConvProblem> ProblemsOf(const std::string& line) {
  auto parsed = testing::ParseProblem(line, 1e15);
  if (!parsed.ok()) return {};
  const Descs inputs = testing::InputDescs(*parsed, DType::kF32, true);
  const auto outputs = testing::OutputDescs(parsed->op, inputs, DType::kF32, true);
  if (!outputs.ok()) return {};
  if (const auto* op = std::get_if<Conv2d>(&parsed->op)) return {ProblemOf(*op, inputs, *outputs)};
  if (const auto* op = std::get_if<Conv2dBackwardData>(&parsed->op)) return {ProblemOf(*op, inputs, *outputs)};
  if (const auto* op = std::get_if<Conv2dBackwardWeights>(&parsed->op)) return {ProblemOf(*op, inputs, *outputs)};
  const auto* both = std::get_if<ExpandDepthwise>(&parsed->op);
  if (both == nullptr) return {};
  const Conv2d expand = {.has_bias = true, .activation = both->expand_activation};
  const Conv2d depthwise = {.stride = both->stride,
                            .padding = both->padding,
                            .groups = static_cast<int32_t>(inputs[3].shape[0]),
                            .has_bias = true,
                            .activation = both->activation};
  const Descs map = *InferOutputs(expand, DescSpan(inputs).subspan(0, 3));
  return {ProblemOf(expand, inputs, map), ProblemOf(depthwise, Descs{map[0], inputs[3], inputs[4]}, *outputs)};
}

// All of the four spaces, each once.
std::vector<ConvProblem> AllProblems() {
  std::vector<ConvProblem> problems;
  std::set<std::string> seen;
  for (std::string_view space : kSpaces) {
    std::istringstream file(Contents(fmt::format("{}/{}.txt", MATHNAS_BENCH_SHAPES, space)));
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("conv2d") && !line.starts_with("expand_depthwise")) continue;
      if (!seen.insert(line).second) continue;
      for (const char* type : {"", " bfloat16", " float16"}) {
        for (const ConvProblem& p : ProblemsOf(line + type)) {
          if (std::find(problems.begin(), problems.end(), p) == problems.end()) problems.push_back(p);
        }
      }
    }
  }
  return problems;
}

bool IsDepthwise(const ConvShape& s) { return s.group_in == 1 && s.in > 1; }

std::string NameOf(const ConvProblem& p) {
  constexpr std::string_view kDirections[] = {"forward", "backward_data", "backward_weights"};
  const ConvShape& s = p.shape;
  return fmt::format("{} n{} h{} w{} c{} o{} k{}x{} s{} p{} g{}{}{} {}", kDirections[static_cast<int>(p.direction)],
                     s.batch, s.height, s.width, s.in, s.out, s.kernel_h, s.kernel_w, s.stride, s.padding,
                     s.out / s.group_out, p.has_bias ? " bias" : "", p.has_addend ? " addend" : "", Name(p.type));
}

// What convolutions of one row of the table of engines have in common.
std::string KindOf(const ConvProblem& p, std::string_view device) {
  constexpr std::string_view kDirections[] = {"forward", "backward_data", "backward_weights"};
  const ConvShape& s = p.shape;
  const std::string_view epilogue = !p.has_epilogue() ? ""
                                    : p.has_addend    ? " with addend"
                                    : p.activation == Activation::kHardSwish || p.activation == Activation::kSwish
                                        ? " with swish"
                                        : " with bias or relu";
  return fmt::format("{} {} {} k{} s{}{}{}", device, Name(p.type), kDirections[static_cast<int>(p.direction)],
                     s.kernel_h, s.stride, IsDepthwise(s) ? " depthwise" : "", epilogue);
}

// Every convolution has a plan of cuDNN, but for those that own kernels compute in one pass; and the engines are those
// of the table.
TEST_F(CudnnDeviceless, EveryConvolutionOfTheSpacesHasAPlan) {
  const std::vector<ConvProblem> problems = AllProblems();
  ASSERT_GT(problems.size(), 500U);
  std::map<std::string, std::map<std::string, int>> engines;
  size_t most_workspace = 0;
  for (std::string_view device : kDevices) {
    const cudnn::Target target = Described(device);
    for (const ConvProblem& p : problems) {
      const ConvChoice choice = Choose(*cudnn_, target, p, false);
      const bool one_pass =
          IsLow(p.type) && p.direction == Graph::Direction::kForward && p.has_epilogue() && IsDepthwise(p.shape);
      EXPECT_EQ(choice.path == Path::kDirect, one_pass) << device << ": " << NameOf(p) << ": " << choice.refusals;
      const bool wide =
          IsLow(p.type) && !one_pass && (p.has_epilogue() || p.direction == Graph::Direction::kBackwardWeights);
      EXPECT_EQ(choice.path == Path::kWidened, wide) << device << ": " << NameOf(p);
      std::string name = "own";
      if (choice.path != Path::kDirect) {
        auto plan = cudnn::ExecutionPlan::Build(*cudnn_, target, choice.graph, choice.engine);
        ASSERT_TRUE(plan.ok()) << device << ": " << NameOf(p) << ": " << Message(plan.status());
        EXPECT_EQ(plan->workspace_bytes(), choice.engine.workspace_bytes) << NameOf(p);
        most_workspace = std::max(most_workspace, plan->workspace_bytes());
        name = fmt::format("eng{}{}", choice.engine.index, choice.fused ? "+fused" : "");
      }
      ++engines[KindOf(p, device)][name];
    }
  }
  EXPECT_LE(most_workspace, kMostWorkspace);

  std::string table = fmt::format(
      "# Engines of cuDNN for the convolutions of bench/shapes, and how many of these get each: what "
      "cudnn_deviceless_test\n"
      "# found, which writes it anew as the file that MATHNAS_WRITE_ENGINES names. \"+fused\": with bias and ReLU. "
      "\"own\": an\n"
      "# own kernel. The most workspace is {} bytes.\ncudnn {}\n",
      most_workspace, cudnn_->GetVersion());
  for (const auto& [kind, counts] : engines) {
    table += kind + ":";
    for (const auto& [name, count] : counts) table += fmt::format(" {} {}", count, name);
    table += "\n";
  }
  std::cout << table;
  if (const char* path = std::getenv("MATHNAS_WRITE_ENGINES")) std::ofstream(path) << table;
  const std::string known = Contents(MATHNAS_TEST_ENGINES);
  if (known.find(fmt::format("\ncudnn {}\n", cudnn_->GetVersion())) == std::string::npos) {
    GTEST_SKIP() << "the table of engines is of another version than cuDNN " << cudnn_->GetVersion();
  }
  EXPECT_EQ(table, known);
}

Graph::Tensor ChannelsLast(DType type, std::array<int64_t, 4> d) {
  return {type, d, {d[1] * d[2] * d[3], 1, d[3] * d[1], d[1]}};
}

// A 3x3 convolution of 16 channels.
Graph Square(Graph::Direction direction, DType images, DType filter) {
  Graph g;
  const int x = g.Add(ChannelsLast(images, {4, 16, 8, 8})), w = g.Add(ChannelsLast(filter, {16, 16, 3, 3}));
  const int y = g.Add(ChannelsLast(images, {4, 16, 8, 8}));
  g.operations.push_back(Graph::Convolution{direction, x, w, y, {1, 1}, {1, 1}, {1, 1}});
  return g;
}

// What this backend goes other ways for: should cuDNN take it one day, they can go.
TEST_F(CudnnDeviceless, RefusesWhatOwnKernelsDo) {
  const cudnn::Target target = Described("sm_90");
  const auto takes = [&](const Graph& graph) { return cudnn::ChooseEngine(*cudnn_, target, graph, {}).ok(); };
  EXPECT_TRUE(takes(Square(Graph::Direction::kForward, DType::kF32, DType::kF32)));
  for (DType low : {DType::kBf16, DType::kF16}) {
    EXPECT_TRUE(takes(Square(Graph::Direction::kForward, low, low)));
    EXPECT_FALSE(takes(Square(Graph::Direction::kBackwardWeights, low, DType::kF32)))
        << "gradients in float32 of images in " << Name(low);
    EXPECT_FALSE(takes(Square(Graph::Direction::kForward, low, DType::kF32)))
        << "weights in float32 for images in " << Name(low);
  }

  Graph sliced = Square(Graph::Direction::kForward, DType::kF32, DType::kF32);
  sliced.tensors[1].strides = {24 * 9, 1, 3 * 24, 24};
  EXPECT_FALSE(takes(sliced)) << "a filter that is a slice of a wider one";

  Graph negative = Square(Graph::Direction::kForward, DType::kF32, DType::kF32);
  std::get<Graph::Convolution>(negative.operations[0]).after = {-1, -1};
  negative.tensors[2] = ChannelsLast(DType::kF32, {4, 16, 6, 6});
  EXPECT_FALSE(takes(negative)) << "negative padding";
}

// What cudnn_describe prints on a machine with a GPU.
TEST_F(CudnnDeviceless, GivesADescriptionBack) {
  const std::string path = fmt::format("{}/sm_90_by_hand.json", MATHNAS_TEST_DEVICES);
  auto json = Described("sm_90").Json(*cudnn_);
  ASSERT_TRUE(json.ok()) << Message(json.status());
  EXPECT_EQ(nlohmann::json::parse(*json, nullptr, false), nlohmann::json::parse(Contents(path))) << *json;
}

TEST_F(CudnnDeviceless, SaysWhatADescriptionLacks) {
  auto target = cudnn::Target::Described(*cudnn_, "{}");
  ASSERT_FALSE(target.ok());
  EXPECT_NE(Message(target.status()), "");
}

}  // namespace
}  // namespace mathnas::kernels::cuda
