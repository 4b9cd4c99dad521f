#include "mathnas/core/result_json.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tables.h"

namespace mathnas::core {
namespace {

using Json = nlohmann::json;

Json SearchToJson(const BlockTable& table, const SearchRequest& request) {
  const auto result = Search(table, request);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? Json::parse(ToJson(*result), nullptr, false) : Json();
}

SearchRequest Request(std::vector<Limit> limits) {
  SearchRequest request;
  request.limits = std::move(limits);
  request.estimator.kind = EstimatorKind::kLinear;
  return request;
}

TEST(ResultJson, Optimal) {
  const Json json = SearchToJson(testing::NasBench201(), Request({{"latency_fpga", LimitOp::kAtMost, 1000, ""}}));
  EXPECT_EQ(json.at("status"), "optimal");
  EXPECT_NEAR(json.at("objective").get<double>(), 33.136, 5e-4);
  EXPECT_EQ(json.at("bound"), json.at("objective"));
  EXPECT_EQ(json.at("gap"), 0);
  EXPECT_EQ(json.at("choice").size(), 6u);
  EXPECT_EQ(json.at("names").size(), 6u);
  EXPECT_EQ(json.at("predicted").at("accuracy"), json.at("objective"));
  EXPECT_EQ(json.at("predicted").size(), 6u);
  const Json& limit = json.at("limits").at(0);
  EXPECT_EQ(limit.at("metric"), "latency_fpga");
  EXPECT_EQ(limit.at("op"), "<=");
  EXPECT_EQ(limit.at("limit"), 1000);
  EXPECT_EQ(limit.at("value"), json.at("predicted").at("latency_fpga"));
  EXPECT_NEAR(limit.at("reachable").at(0).get<double>(), 580.0719, 1e-9);
  EXPECT_EQ(json.at("estimator"), "linear");
  EXPECT_GT(json.at("explored"), 0);
  EXPECT_GT(json.at("seconds").get<double>(), 0);
  for (const char* absent : {"conflict", "nearest", "networks", "front", "undefined"}) {
    EXPECT_FALSE(json.contains(absent)) << absent;
  }
}

TEST(ResultJson, Infeasible) {
  const Json json = SearchToJson(testing::NasBench201(), Request({{"latency_fpga", LimitOp::kAtMost, 1000, ""},
                                                                  {"latency_fpga", LimitOp::kAtLeast, 2000, ""}}));
  EXPECT_EQ(json.at("status"), "infeasible");
  EXPECT_FALSE(json.contains("choice"));
  EXPECT_EQ(json.at("conflict"), Json::array({"latency_fpga"}));
  EXPECT_EQ(json.at("conflict_limits"), Json::array({0, 1}));
  EXPECT_TRUE(json.at("limits").at(0).at("value").is_null());
  const Json& nearest = json.at("nearest");
  EXPECT_GT(nearest.at("distance").get<double>(), 0);
  EXPECT_EQ(nearest.at("limits").size(), 2u);
  EXPECT_EQ(nearest.at("choice").size(), 6u);
}

TEST(ResultJson, TopFrontSharedAndNulls) {
  BlockTable table = testing::NasBench201();
  table.structure.shared = SharedChoice{.name = "resolution", .values = {192, 224}};
  for (auto& [name, metric] : table.metrics) metric.slices.push_back(metric.slices[0]);
  table.metrics["accuracy"].slices[1].base += 1;
  for (auto& slice : table.metrics["energy_fpga"].slices) slice.base = testing::kNull;
  SearchRequest request = Request({});
  request.top = 3;
  request.fronts = {"latency_fpga"};
  const Json json = SearchToJson(table, request);
  EXPECT_EQ(json.at("shared").dump(), R"({"resolution":224})");
  EXPECT_EQ(json.at("networks").size(), 3u);
  EXPECT_EQ(json.at("networks").at(0).at("choice"), json.at("choice"));
  EXPECT_EQ(json.at("front").size(), 11u);
  EXPECT_TRUE(json.at("predicted").at("energy_fpga").is_null());
}

TEST(ResultJson, NoNetworkAtAll) {
  BlockTable table = testing::NasBench201();
  SearchRequest request = Request({{"latency_fpga", LimitOp::kAtMost, 1000, ""}});
  request.fixed = {{"0->1", "none"}};
  request.forbidden = {{"0->1", "none"}};
  const Json json = SearchToJson(table, request);
  EXPECT_EQ(json.at("status"), "infeasible");
  EXPECT_EQ(json.at("conflict"), Json::array());
  EXPECT_FALSE(json.contains("nearest"));
  EXPECT_TRUE(json.at("limits").at(0).at("reachable").is_null());
}

}  // namespace
}  // namespace mathnas::core
