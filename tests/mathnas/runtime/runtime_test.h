// What the tests of the dynamic network share.
#ifndef TESTS_MATHNAS_RUNTIME_RUNTIME_TEST_H_
#define TESTS_MATHNAS_RUNTIME_RUNTIME_TEST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "mathnas/core/block_table.h"

namespace mathnas::runtime {

inline void ExpectError(const absl::Status& status, absl::StatusCode code, const std::vector<std::string>& fragments) {
  EXPECT_EQ(status.code(), code) << status;
  for (const std::string& f : fragments) {
    EXPECT_NE(kernels::Message(status).find(f), std::string::npos)
        << "\"" << f << "\" in: " << kernels::Message(status);
  }
}

// What is best when large is a saving, all else a cost.
inline core::Metric MetricOf(const std::string& unit, core::Goal goal, double base) {
  core::Metric metric;
  metric.unit = unit;
  metric.goal = goal;
  metric.form = goal == core::Goal::kMax ? core::Form::kSaving : core::Form::kCost;
  metric.slices.resize(1);
  metric.slices[0].base = base;
  return metric;
}

// Of a table whose blocks add up.
inline double Value(const core::BlockTable& table, const std::string& metric, const core::Choice& choice) {
  const core::Metric& m = table.metrics.at(metric);
  double sum = 0;
  for (size_t i = 0; i < choice.size(); ++i) sum += m.slices[0].values[i][static_cast<size_t>(choice[i])];
  return m.slices[0].base + (m.form == core::Form::kCost ? sum : -sum);
}

}  // namespace mathnas::runtime

#endif  // TESTS_MATHNAS_RUNTIME_RUNTIME_TEST_H_
