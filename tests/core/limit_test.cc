#include "mathnas/core/limit.h"

#include "gtest/gtest.h"
#include "mathnas/core/assignment.h"
#include "tables.h"

namespace mathnas::core {
namespace {

void ExpectLimit(const Limit& limit, const std::string& metric, LimitOp op, double value,
                 const std::string& unit = "") {
  EXPECT_EQ(limit.metric, metric);
  EXPECT_EQ(limit.op, op);
  EXPECT_EQ(limit.value, value);
  EXPECT_EQ(limit.unit, unit);
}

TEST(Limit, OneLimit) {
  const struct {
    const char* text;
    const char* metric;
    LimitOp op;
    double value;
    const char* unit;
  } cases[] = {
      {"latency<=500", "latency", LimitOp::kAtMost, 500, ""},
      {"flops>=20", "flops", LimitOp::kAtLeast, 20, ""},
      {" latency <= 12.5 ", "latency", LimitOp::kAtMost, 12.5, ""},
      {"40<=accuracy", "accuracy", LimitOp::kAtLeast, 40, ""},
      {"40 >= loss", "loss", LimitOp::kAtMost, 40, ""},
      {"latency<=500 ms", "latency", LimitOp::kAtMost, 500, "ms"},
      {"latency<=500ms", "latency", LimitOp::kAtMost, 500, "ms"},
      {"x<=3eV", "x", LimitOp::kAtMost, 3, "eV"},
      {"x<=3e2", "x", LimitOp::kAtMost, 300, ""},
      {"x<=+.5", "x", LimitOp::kAtMost, 0.5, ""},
      {"loss>=-1e-3", "loss", LimitOp::kAtLeast, -0.001, ""},
      {"accuracy>=75 %", "accuracy", LimitOp::kAtLeast, 75, "%"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const auto limits = ParseLimits(c.text);
    ASSERT_TRUE(limits.ok()) << limits.status();
    ASSERT_EQ(limits->size(), 1u);
    ExpectLimit((*limits)[0], c.metric, c.op, c.value, c.unit);
  }
}

TEST(Limit, Range) {
  const auto rising = ParseLimits("20<=flops<=60");
  ASSERT_TRUE(rising.ok()) << rising.status();
  ASSERT_EQ(rising->size(), 2u);
  ExpectLimit((*rising)[0], "flops", LimitOp::kAtLeast, 20);
  ExpectLimit((*rising)[1], "flops", LimitOp::kAtMost, 60);
  const auto falling = ParseLimits("60 >= flops >= 20");
  ASSERT_TRUE(falling.ok()) << falling.status();
  ExpectLimit((*falling)[0], "flops", LimitOp::kAtMost, 60);
  ExpectLimit((*falling)[1], "flops", LimitOp::kAtLeast, 20);
}

TEST(Limit, ErrorsSayWhatWasExpected) {
  for (const char* text : {"",
                           "latency",
                           "latency<500",
                           "latency=500",
                           "<=5",
                           "latency<=",
                           "latency<=fast",
                           "latency<=nan",
                           "latency<=inf",
                           "latency<=1e999",
                           "5<=",
                           "1<=x>=2",
                           "1<=x<=",
                           "a b<=3",
                           "x<=3<=4",
                           "latency<=5 m s",
                           "5<=6",
                           "<",
                           ">",
                           "x<=-",
                           "x<=5>=3"}) {
    const auto limits = ParseLimits(text);
    EXPECT_FALSE(limits.ok()) << text;
    if (limits.ok()) continue;
    EXPECT_EQ(limits.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(limits.status().message()).find("METRIC<=NUMBER"), std::string::npos) << limits.status();
  }
}

TEST(Limit, HoldsExactly) {
  EXPECT_TRUE(Holds({.metric = "x", .op = LimitOp::kAtMost, .value = 0.3}, 0.3));
  EXPECT_FALSE(Holds({.metric = "x", .op = LimitOp::kAtMost, .value = 0.3}, 0.1 + 0.2));
  EXPECT_TRUE(Holds({.metric = "x", .op = LimitOp::kAtLeast, .value = 0.3}, 0.3));
  EXPECT_FALSE(Holds({.metric = "x", .op = LimitOp::kAtMost, .value = 0.3}, testing::kNull));
}

TEST(Assignment, ParsesAndApplies) {
  const BlockTable table = testing::NasBench201();
  NetworkFilter filter = AllowAll(table);
  const auto fixed = ParseAssignment("0->1 = skip_connect");
  ASSERT_TRUE(fixed.ok());
  ASSERT_TRUE(ApplyFixed(table, {*fixed}, filter).ok());
  EXPECT_EQ(filter.candidates[0], (std::vector<bool>{false, true, false, false, false}));
  EXPECT_EQ(filter.candidates[1], std::vector<bool>(5, true));
  ASSERT_TRUE(ApplyForbidden(table, {{"0->2", "none"}, {"0->1", "skip_connect"}}, filter).ok());
  EXPECT_EQ(filter.candidates[0], std::vector<bool>(5, false));
  EXPECT_EQ(filter.candidates[1], (std::vector<bool>{false, true, true, true, true}));
}

TEST(Assignment, SharedChoiceByValue) {
  BlockTable table = testing::NasBench201();
  table.structure.shared = SharedChoice{.name = "resolution", .values = {192, 224.5}};
  NetworkFilter filter = AllowAll(table);
  ASSERT_TRUE(ApplyFixed(table, {{"resolution", "224.5"}}, filter).ok());
  EXPECT_EQ(filter.shared, (std::vector<bool>{false, true}));
  const absl::Status status = ApplyForbidden(table, {{"resolution", "225"}}, filter);
  EXPECT_NE(std::string(status.message()).find("192, 224.5"), std::string::npos) << status;
}

TEST(Assignment, Errors) {
  const BlockTable table = testing::NasBench201();
  NetworkFilter filter = AllowAll(table);
  for (const char* text : {"", "=", "a=", "=b", "ab"}) EXPECT_FALSE(ParseAssignment(text).ok()) << text;
  const absl::Status node = ApplyFixed(table, {{"1->4", "none"}}, filter);
  EXPECT_NE(std::string(node.message()).find("0->1, 0->2"), std::string::npos) << node;
  const absl::Status candidate = ApplyForbidden(table, {{"0->1", "conv"}}, filter);
  EXPECT_NE(std::string(candidate.message()).find("none, skip_connect"), std::string::npos) << candidate;
}

}  // namespace
}  // namespace mathnas::core
