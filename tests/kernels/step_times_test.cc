// Times of steps: which steps they name, and what belongs to them.
#include "kernels/step_times.h"

#include <vector>

#include "gtest/gtest.h"

namespace mathnas::kernels {
namespace {

std::shared_ptr<const Plan> PlanOf(const Graph& g, Value y, Device& device) {
  return *Plan::Create(g, {{{"y", y}}}, device);
}

TEST(StepTimes, NamesTheStepsAndCountsRuns) {
  const auto device = ReferenceDevice(DType::kF32);
  Graph g;
  const Value x = g.Input("x", {2, 3});
  g.SetBlock("first");
  const Value doubled = g.Apply(Scale{2}, {x})[0];
  g.SetBlock("second");
  const Value y = g.Apply(Add{}, {x, g.Apply(Relu{}, {g.Apply(Scale{3}, {doubled})[0]})[0]})[0];
  auto context = *Context::Create(PlanOf(g, y, *device), {});
  context->Input("x")->as<float>()[0] = 1;

  StepTimes times;
  EXPECT_TRUE(times.Lines().empty());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(times.Run(*context).ok());
  EXPECT_EQ(times.runs(), 5);
  EXPECT_EQ(context->Output("y")->as<float>()[0], 7);
  const auto lines = times.Lines();
  ASSERT_EQ(lines.size(), 4U);
  const std::vector<std::string_view> operators = {"scale", "scale", "relu", "add"};
  double total = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].op, operators[i]);
    EXPECT_EQ(lines[i].block, i == 0 ? "first" : "second");
    EXPECT_EQ(lines[i].implementation, "ref");
    EXPECT_GE(lines[i].seconds, 0);
    total += lines[i].seconds;
  }
  EXPECT_EQ(lines[0].shapes, "2x3 -> 2x3");

  const auto sums = times.ByOperator();
  ASSERT_EQ(sums.size(), 3U);
  double sum = 0;
  for (size_t i = 0; i < sums.size(); ++i) {
    sum += sums[i].seconds;
    const double before = i == 0 ? total : sums[i - 1].seconds;
    EXPECT_LE(sums[i].seconds, before);
  }
  EXPECT_NEAR(sum, total, 1e-12);
}

TEST(StepTimes, OfRunsAreAsLongAsTheirStepsOrLonger) {
  const auto device = ReferenceDevice(DType::kF32);
  Graph g;
  const Value x = g.Input("x", {300, 300});
  auto context = *Context::Create(PlanOf(g, g.Apply(Scale{3}, {g.Apply(Relu{}, {x})[0]})[0], *device), {});
  StepTimes steps, whole(StepTimes::Of::kRuns);
  for (int run = 0; run < 3; ++run) {
    ASSERT_TRUE(steps.Run(*context).ok());
    EXPECT_GE(steps.SecondsOf(run), steps.SecondsOf(0, run) + steps.SecondsOf(1, run));
    ASSERT_TRUE(whole.Run(*context).ok());
    EXPECT_GT(whole.SecondsOf(run), 0);
    EXPECT_EQ(whole.SecondsOf(0, run), 0) << "steps are not timed";
  }
  EXPECT_EQ(whole.runs(), 3);
}

// Records a run as one of this length.
class Recorder : public Device {
 public:
  explicit Recorder(Occupation occupation) : occupation_(occupation) {}
  std::string_view name() const override { return "recorder"; }
  int threads() const override { return 1; }
  DType real() const override { return DType::kF32; }
  absl::StatusOr<Occupation> Observe(absl::FunctionRef<absl::Status()> work) override {
    for (int i = 0; i < 2; ++i) {
      if (auto s = work(); !s.ok()) return s;
    }
    return occupation_;
  }

 protected:
  absl::StatusOr<std::shared_ptr<const Kernel>> Make(const Operator&, DescSpan, DescSpan) override {
    return absl::InternalError("it runs nothing");
  }

 private:
  Occupation occupation_;
};

TEST(StepTimes, OfADevicesRecords) {
  const auto device = ReferenceDevice(DType::kF32);
  Graph g;
  const Value x = g.Input("x", {1});
  auto context = *Context::Create(PlanOf(g, g.Apply(Scale{3}, {g.Apply(Relu{}, {x})[0]})[0], *device), {});
  context->Input("x")->as<float>()[0] = 4;
  Recorder recorder({.span_seconds = 7, .busy_seconds = 5, .kernels = 1, .copies = 1});
  StepTimes times(recorder);
  for (int run = 0; run < 2; ++run) {
    ASSERT_TRUE(times.Run(*context).ok());
    EXPECT_EQ(times.SecondsOf(run), 7);
    EXPECT_EQ(times.BusyOf(run), 5);
    EXPECT_EQ(times.SecondsOf(0, run), 0) << "steps are not timed";
  }
  EXPECT_EQ(times.runs(), 2);
  EXPECT_EQ(context->Output("y")->as<float>()[0], 12);

  Recorder of_a_part({.span_seconds = 7, .busy_seconds = 5, .kernels = 1});
  StepTimes missing(of_a_part);
  EXPECT_EQ(missing.Run(*context), absl::UnavailableError("1 records of a run of 2 operators"));
  EXPECT_EQ(missing.runs(), 0);
  StepTimes none(*device);
  EXPECT_EQ(none.Run(*context), absl::UnavailableError("device ref keeps no records"));
}

// The outputs of other plans are computed all the same.
TEST(StepTimes, AreOfTheFirstPlan) {
  const auto device = ReferenceDevice(DType::kF32);
  Graph a, b;
  const Value x = a.Input("x", {1}), z = b.Input("x", {1});
  auto first = *Context::Create(PlanOf(a, a.Apply(Relu{}, {x})[0], *device), {});
  auto other = *Context::Create(PlanOf(b, b.Apply(Scale{2}, {z})[0], *device), {});
  first->Input("x")->as<float>()[0] = other->Input("x")->as<float>()[0] = 4;
  StepTimes times;
  ASSERT_TRUE(times.Run(*first).ok());
  ASSERT_TRUE(times.Run(*other).ok());
  EXPECT_EQ(times.runs(), 1);
  EXPECT_EQ(other->Output("y")->as<float>()[0], 8);
  ASSERT_EQ(times.Lines().size(), 1U);
  EXPECT_EQ(times.Lines()[0].op, "relu");
}

}  // namespace
}  // namespace mathnas::kernels
