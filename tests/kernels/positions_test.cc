// Sinusoidal positions against numbers computed by hand from search-spaces.md 4.2, on every device.
#include <cmath>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "kernels/testing/operator_runner.h"

namespace mathnas::kernels::testing {
namespace {

std::vector<std::shared_ptr<Device>> Devices() {
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF32), ReferenceDevice(DType::kF64)};
  if (auto cpu = CpuDevice(2); cpu.ok()) devices.push_back(*cpu);
  return devices;
}

std::vector<double> Evaluate(Device& device, const SinusoidalPositions& op, Shape shape, std::vector<int64_t> ids) {
  const Problem problem = {op, {{InputSpec::kLabels, shape}}};
  Tensors inputs;
  inputs.emplace_back(DType::kI64, shape);
  std::copy(ids.begin(), ids.end(), inputs[0].as<int64_t>().begin());
  auto run = RunOperator(device, problem, inputs);
  EXPECT_TRUE(run.ok()) << Message(run.status());
  return run.ok() ? ToDoubles(run->results[0]) : std::vector<double>(ids.size() * static_cast<size_t>(op.columns));
}

TEST(SinusoidalPositions, AreSinesThenCosines) {
  for (const auto& device : Devices()) {
    const SinusoidalPositions op = {.columns = 6, .width = 8, .rows = 3, .padding = 1};
    const std::vector<double> y = Evaluate(*device, op, {3}, {2, 0, 1});
    const double expected[] = {0.9092974268256817,
                               0.0926985007787272,
                               0.004308856046742809,
                               0.0001999999986666665,
                               -0.4161468365471424,
                               0.9956942241237399,  // row 2
                               0,
                               0,
                               0,
                               0,
                               1,
                               1,  // row 0
                               0,
                               0,
                               0,
                               0,
                               0,
                               0};  // padding
    ASSERT_EQ(y.size(), std::size(expected));
    for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-7) << device->name() << " " << i;
  }
}

// 512 columns of a table made for 640 are no table made for 512: all 320 sines, then 192 of the cosines.
TEST(SinusoidalPositions, ColumnsAreThoseOfTheFullWidth) {
  for (const auto& device : Devices()) {
    const SinusoidalPositions op = {.columns = 512, .width = 640, .rows = 10, .padding = 1};
    const std::vector<double> y = Evaluate(*device, op, {1, 1}, {3});
    EXPECT_NEAR(y[0], 0.1411200080598672, 1e-7) << device->name();
    EXPECT_NEAR(y[319], 0.0002999999954999997, 1e-10) << device->name();
    EXPECT_NEAR(y[320], -0.9899924966004454, 1e-7) << device->name();
    EXPECT_NEAR(y[511], 0.999927014165368, 1e-7) << device->name();
  }
}

// Padding is skipped on the left, on the right and between, and counts anew in every row; what no row is left for
// shows.
TEST(SinusoidalPositions, OfTokens) {
  for (const auto& device : Devices()) {
    const SinusoidalPositions op = {.columns = 7, .width = 12, .rows = 5, .padding = 1, .from_tokens = true};
    SinusoidalPositions of_positions = op;
    of_positions.from_tokens = false;
    const std::vector<double> y = Evaluate(*device, op, {3, 4}, {1, 1, 9, 0, 7, 2, 1, 5, 8, 8, 8, -3});
    const std::vector<double> expected = Evaluate(*device, of_positions, {3, 4}, {1, 1, 2, 3, 2, 3, 1, 4, 2, 3, 4, 5});
    ASSERT_EQ(y.size(), expected.size());
    for (size_t i = 0; i < y.size(); ++i) {
      if (i < 11 * 7) {
        EXPECT_EQ(y[i], expected[i]) << device->name() << " " << i;
      } else {
        EXPECT_TRUE(std::isnan(y[i]) && std::isnan(expected[i])) << device->name() << " " << i;
      }
    }
  }
}

TEST(SinusoidalPositions, PositionsOutOfRangeAreNaN) {
  for (const auto& device : Devices()) {
    const SinusoidalPositions op = {.columns = 4, .width = 8, .rows = 3, .padding = 0};
    for (double x : Evaluate(*device, op, {4}, {-1, 3, int64_t{1} << 40, -(int64_t{1} << 62)})) {
      EXPECT_TRUE(std::isnan(x)) << device->name();
    }
  }
}

}  // namespace
}  // namespace mathnas::kernels::testing
