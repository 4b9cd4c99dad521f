// A trace has an event for each run, block and step, which follow one another without gaps inside of a run.
#include "kernels/step_trace.h"

#include <map>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace mathnas::kernels {
namespace {

TEST(ChromeTrace, HasTheLastRunsWithTheirBlocksAndSteps) {
  const auto device = ReferenceDevice(DType::kF32);
  Graph g;
  const Value x = g.Input("x", {2, 3});
  g.SetBlock("fi\"rst");
  const Value y = g.Apply(Relu{}, {g.Apply(Scale{2}, {x})[0]})[0];
  g.SetBlock("second");
  const Value z = g.Apply(Add{}, {x, y})[0];
  auto context = *Context::Create(*Plan::Create(g, {{{"z", z}}}, *device), {});
  StepTimes times;
  EXPECT_EQ(nlohmann::json::parse(ChromeTrace(times, "run"))["traceEvents"].size(), 3u);  // the names of the tracks
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(times.Run(*context).ok());

  const auto trace = nlohmann::json::parse(ChromeTrace(times, "run", 2));
  std::map<std::string, int> names;
  double step_end = -1, run_start = -1, last_start = -1;
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] == "M") continue;
    ASSERT_EQ(event["ph"], "X");
    ++names[event["name"]];
    EXPECT_GE(event["dur"], 0);
    const double start = event["ts"], end = start + event["dur"].get<double>();
    if (event["tid"] == 3) {
      if (event["name"] == "scale") {
        run_start = start;
        EXPECT_GE(start, step_end);
      } else {
        EXPECT_NEAR(start, step_end, 1e-3);
      }
      EXPECT_EQ(event["args"]["implementation"], "ref");
      EXPECT_EQ(event["args"]["block"], event["name"] == "add" ? "second" : "fi\"rst");
      step_end = end;
    } else if (event["tid"] == 1) {
      EXPECT_EQ(start, run_start);
      EXPECT_NEAR(end, step_end, 1e-3);
      EXPECT_GT(start, last_start);
      last_start = start;
    }
  }
  const std::map<std::string, int> expected = {{"run", 2},   {"fi\"rst", 2}, {"second", 2},
                                               {"scale", 2}, {"relu", 2},    {"add", 2}};
  EXPECT_EQ(names, expected);
}

}  // namespace
}  // namespace mathnas::kernels
