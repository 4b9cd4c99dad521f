// Single operators as they are timed: which operators a pass has, what they cost by hand, that what is correct is found
// correct, and that the shape files of bench/shapes can be run.
#include "mathnas/benchmark/operator_bench.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "mathnas/benchmark/work.h"

namespace mathnas::benchmark {
namespace {

using kernels::testing::Problem;

constexpr double kMemory = 0x1p33;

std::vector<std::string> NamesOf(std::string_view line, Pass pass) {
  const auto problems = ProblemsOf(line, pass, kMemory);
  EXPECT_TRUE(problems.ok()) << kernels::Message(problems.status());
  std::vector<std::string> names;
  if (!problems.ok()) return names;
  for (const Problem& p : *problems) names.emplace_back(NameOf(p.op));
  return names;
}

TEST(Pass, NamesComeBack) {
  for (Pass pass : {Pass::kInference, Pass::kForward, Pass::kBackward, Pass::kStep})
    EXPECT_EQ(*ParsePass(Name(pass)), pass);
  EXPECT_EQ(kernels::Message(ParsePass("training").status()),
            "pass \"training\": expected inference, forward, backward or step");
}

TEST(ProblemsOf, HasTheOperatorsOfThePass) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(NamesOf("conv2d h5 w5 c4 o8 k3 p1", Pass::kInference), Names{"conv2d"});
  EXPECT_EQ(NamesOf("conv2d h5 w5 c4 o8 k3 p1", Pass::kBackward),
            (Names{"conv2d_backward_data", "conv2d_backward_weights"}));
  EXPECT_EQ(NamesOf("linear n4 i8 o3 bias", Pass::kStep),
            (Names{"linear", "linear_backward_data", "linear_backward_weights"}));
  EXPECT_EQ(NamesOf("batch_norm_training n2 h3 w3 c4", Pass::kBackward), Names{"batch_norm_backward"});
  EXPECT_EQ(NamesOf("attention b2 t5 s7 heads2 e16 f32", Pass::kBackward), Names{"attention_backward"});
  const auto error = [](std::string_view line) {
    return std::string(kernels::Message(ProblemsOf(line, Pass::kBackward, kMemory).status()));
  };
  EXPECT_EQ(error("zero n2 c4"), "zero: has no gradient in this form, so no backward pass");
  EXPECT_EQ(error("conv2d h5 w5 c4 o8 relu"), "conv2d: has no gradient in this form, so no backward pass");
}

TEST(Work, ByHand) {
  const auto work = [](std::string_view line) {
    const auto problem = kernels::testing::ParseProblem(line, kMemory);
    EXPECT_TRUE(problem.ok()) << line;
    const auto inputs = kernels::testing::InputDescs(*problem, kernels::DType::kF32);
    return WorkOf(problem->op, inputs, *kernels::testing::OutputDescs(problem->op, inputs, kernels::DType::kF32));
  };
  EXPECT_EQ(work("conv2d n2 h4 w4 c3 o8 k3 p1 bias").multiply_adds, 2 * 16 * 8 * 27);
  EXPECT_EQ(work("conv2d n2 h4 w4 c3 o8 k3 p1 bias").bytes, 4 * (96 + 8 * 27 + 8 + 256));
  EXPECT_EQ(work("conv2d_backward_weights n2 h4 w4 c3 o8 k3 p1").multiply_adds, 2 * 16 * 8 * 27);
  EXPECT_EQ(work("relu n2 c5").multiply_adds, 0);
  EXPECT_EQ(work("relu n2 c5").bytes, 4 * 20);
  EXPECT_EQ(work("add n2 c5 terms3").bytes, 4 * 40);
  EXPECT_EQ(work("zero n2 c5").bytes, 4 * 10);
  EXPECT_EQ(work("accumulate n2 c5").bytes, 4 * 30);
  EXPECT_EQ(work("embedding n2 t3 rows1000 d8").bytes, 8 * 6 + 2 * 4 * 48);
  EXPECT_EQ(work("part n2 h10 c3 axis1 begin2 count4").bytes, 2 * 4 * 24);
}

TEST(PrepareOperators, RunsAgainAndAgainAndSaysWhatItIs) {
  const auto device = kernels::ReferenceDevice(kernels::DType::kF32);
  const auto problems = ProblemsOf("conv2d n1 h4 w4 c3 o8 k3 p1 bias", Pass::kStep, kMemory);
  ASSERT_TRUE(problems.ok());
  auto timed = PrepareOperators(*device, *problems, false, 1);
  ASSERT_TRUE(timed.ok()) << kernels::Message(timed.status());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE((*timed)->Run().ok());
  EXPECT_EQ((*timed)->implementation(), "ref");
  EXPECT_EQ((*timed)->work().multiply_adds, 3 * 16 * 8 * 27);
}

// A device that is wrong in one element is found out.
class WrongKernel : public kernels::Kernel {
 public:
  explicit WrongKernel(std::shared_ptr<const Kernel> right) : right_(std::move(right)) {}
  std::string implementation() const override { return "wrong"; }
  size_t scratch_bytes() const override { return right_->scratch_bytes(); }
  absl::StatusOr<std::unique_ptr<kernels::BoundKernel>> Bind(const kernels::KernelBuffers& buffers) const override {
    class Bound : public kernels::BoundKernel {
     public:
      Bound(std::unique_ptr<BoundKernel> right, float* output) : right_(std::move(right)), output_(output) {}
      absl::Status Run() override {
        if (auto s = right_->Run(); !s.ok()) return s;
        output_[1] += 1e-3F;
        return absl::OkStatus();
      }

     private:
      std::unique_ptr<BoundKernel> right_;
      float* output_;
    };
    auto bound = right_->Bind(buffers);
    if (!bound.ok()) return bound.status();
    return std::make_unique<Bound>(*std::move(bound), static_cast<float*>(buffers.outputs[0]));
  }

 private:
  std::shared_ptr<const Kernel> right_;
};

class WrongDevice : public kernels::Device {
 public:
  std::string_view name() const override { return "wrong"; }
  int threads() const override { return 1; }
  kernels::DType real() const override { return kernels::DType::kF32; }

 protected:
  absl::StatusOr<std::shared_ptr<const kernels::Kernel>> Make(const kernels::Operator& op, kernels::DescSpan inputs,
                                                              kernels::DescSpan outputs) override {
    auto right = reference_->Prepare(op, inputs, outputs);
    if (!right.ok()) return right.status();
    return std::make_shared<WrongKernel>(*std::move(right));
  }

 private:
  std::shared_ptr<kernels::Device> reference_ = kernels::ReferenceDevice(kernels::DType::kF32);
};

TEST(CheckOperators, TellsRightFromWrong) {
  const auto problems = ProblemsOf("conv2d n1 h4 w4 c3 o8 k3 p1", Pass::kStep, kMemory);
  ASSERT_TRUE(problems.ok());
  const auto right = CheckOperators(*kernels::ReferenceDevice(kernels::DType::kF32), *problems, false, 1);
  ASSERT_TRUE(right.ok()) << kernels::Message(right.status());
  EXPECT_TRUE(right->correct) << right->problem;
  EXPECT_GT(right->worst, 0);
  EXPECT_LE(right->worst, 1);

  WrongDevice device;
  const auto wrong = CheckOperators(device, *problems, false, 1);
  ASSERT_TRUE(wrong.ok()) << kernels::Message(wrong.status());
  EXPECT_FALSE(wrong->correct);
  EXPECT_GT(wrong->worst, 1);
  EXPECT_NE(wrong->problem.find("conv2d: result 0[1]: "), std::string::npos) << wrong->problem;
  EXPECT_NE(wrong->problem.find("conv2d_backward_weights: result 0[1]: "), std::string::npos) << wrong->problem;
}

// Every line of every file; and of every operator the one that takes least, on the device.
TEST(ShapeFiles, ParseAndRun) {
  auto cpu = kernels::CpuDevice(2);
  const auto device = cpu.ok() ? *cpu : kernels::ReferenceDevice(kernels::DType::kF32);
  std::map<std::string, std::pair<double, std::string>> least;
  size_t lines = 0, files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MATHNAS_BENCH_SHAPES)) {
    if (entry.path().extension() != ".txt") continue;
    ++files;
    std::ifstream file(entry.path());
    std::string text;
    for (int number = 1; std::getline(file, text); ++number) {
      text = text.substr(0, text.find('#'));
      if (text.find_first_not_of(' ') == std::string::npos) continue;
      ++lines;
      const auto problem = kernels::testing::ParseProblem(text, kMemory);
      ASSERT_TRUE(problem.ok()) << entry.path() << ":" << number << ": " << kernels::Message(problem.status());
      const auto inputs = kernels::testing::InputDescs(*problem, kernels::DType::kF32);
      const auto again = kernels::testing::LineOf(problem->op, inputs);
      ASSERT_TRUE(again.ok());
      EXPECT_EQ(*again, text.substr(0, text.find_last_not_of(' ') + 1)) << entry.path() << ":" << number;
      const Work work =
          WorkOf(problem->op, inputs, *kernels::testing::OutputDescs(problem->op, inputs, kernels::DType::kF32));
      const double size = 10 * work.multiply_adds + work.bytes;
      const std::string name(NameOf(problem->op));
      if (!least.contains(name) || size < least[name].first) least[name] = {size, text};
    }
  }
  EXPECT_EQ(files, 4u) << "one for each space";
  EXPECT_GT(lines, 100u);
  for (const auto& [name, shape] : least) {
    if (shape.first > 2e8) continue;  // the reference would take too long
    const auto problems = ProblemsOf(shape.second, Pass::kInference, kMemory);
    ASSERT_TRUE(problems.ok());
    const auto correct = CheckOperators(*device, *problems, true, 1);
    ASSERT_TRUE(correct.ok()) << shape.second << ": " << kernels::Message(correct.status());
    EXPECT_TRUE(correct->correct) << shape.second << ": " << correct->problem;
    auto timed = PrepareOperators(*device, *problems, true, 1);
    ASSERT_TRUE(timed.ok()) << shape.second << ": " << kernels::Message(timed.status());
    EXPECT_TRUE((*timed)->Run().ok()) << shape.second;
  }
}

}  // namespace
}  // namespace mathnas::benchmark
