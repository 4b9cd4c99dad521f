#include "mathnas/core/predict_many.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <memory>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "tables.h"

namespace mathnas::core {
namespace {

using testing::kNull;
using testing::NasBench201;
using testing::RandomTable;

constexpr EstimatorKind kKinds[] = {EstimatorKind::kLinear, EstimatorKind::kEq5, EstimatorKind::kEq6};
constexpr std::string_view kInstructionSets[] = {"portable", "avx2", "avx512"};

int Draw(std::mt19937_64& random, int least, int greatest) {
  return std::uniform_int_distribution<int>(least, greatest)(random);
}

std::vector<std::string> Predictable(const Estimator& estimator) {
  std::vector<std::string> metrics;
  for (const auto& [name, metric] : estimator.table().metrics) {
    if (estimator.FormOf(name).ok()) metrics.push_back(name);
  }
  return metrics;
}

// A matrix that ends where its memory does, so that sanitizers see a read beyond it.
template <typename Index>
struct Matrix {
  Matrix(int64_t rows, int64_t nodes, int64_t stride)
      : size(rows == 0 ? 0 : (rows - 1) * stride + nodes), entries(new Index[static_cast<size_t>(size)]) {}
  ChoiceRows<Index> View(int64_t rows, int64_t stride) const {
    return {.data = entries.get(), .rows = rows, .stride = stride};
  }
  int64_t size;
  std::unique_ptr<Index[]> entries;
};

bool SameBits(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

template <typename Index, typename Value>
void ExpectAsPredict(const Estimator& estimator, std::mt19937_64& random, int64_t rows, int shared, int threads = 1) {
  const BlockTable& table = estimator.table();
  const auto nodes = std::ssize(table.nodes);
  const int64_t stride = nodes + Draw(random, 0, 1) * Draw(random, 0, 20);
  Matrix<Index> matrix(rows, nodes, stride);
  for (int64_t k = 0; k < matrix.size; ++k) matrix.entries[k] = static_cast<Index>(Draw(random, 0, 65535));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < nodes; ++i) {
      const auto candidates = std::min<int64_t>(std::ssize(table.nodes[i].candidates), int64_t{Index(-1)} + 1);
      matrix.entries[r * stride + i] = static_cast<Index>(Draw(random, 0, static_cast<int>(candidates) - 1));
    }
  }
  const std::vector<std::string> metrics = Predictable(estimator);
  if (metrics.empty()) return;
  const auto predictor = ManyPredictor::Create(estimator, metrics, shared);
  ASSERT_TRUE(predictor.ok()) << predictor.status();
  const int64_t column = rows + Draw(random, 0, 9);
  for (const std::string_view isa : kInstructionSets) {
    std::vector<Value> values(metrics.size() * static_cast<size_t>(column), Value{-77});
    const absl::Status status = predictor->Predict(matrix.View(rows, stride), {.data = values.data(), .stride = column},
                                                   {.threads = threads, .isa = isa});
    ASSERT_TRUE(status.ok()) << status;
    for (size_t k = 0; k < metrics.size(); ++k) {
      for (int64_t r = 0; r < column; ++r) {
        const Value found = values[k * static_cast<size_t>(column) + static_cast<size_t>(r)];
        if (r >= rows) {
          ASSERT_EQ(found, -77) << "written behind the rows";
          continue;
        }
        const Choice choice(matrix.entries.get() + r * stride, matrix.entries.get() + r * stride + nodes);
        const absl::StatusOr<double> expected = estimator.Predict(metrics[k], choice, shared);
        ASSERT_TRUE(SameBits(found, static_cast<Value>(expected.value_or(kNull))))
            << isa << " " << metrics[k] << " row " << r << ": " << found << ", expected "
            << (expected.ok() ? fmt::format("{}", *expected) : expected.status().ToString());
      }
    }
  }
}

void ExpectAsPredictInAllTypes(const Estimator& estimator, std::mt19937_64& random, int64_t rows, int shared) {
  ExpectAsPredict<uint8_t, double>(estimator, random, rows, shared);
  ExpectAsPredict<uint16_t, double>(estimator, random, rows, shared);
  ExpectAsPredict<uint8_t, float>(estimator, random, rows, shared);
  ExpectAsPredict<uint16_t, float>(estimator, random, rows, shared);
}

// Numbers whose sums depend on the order in which they are added.
void MakeInexact(BlockTable& table, std::mt19937_64& random) {
  std::uniform_real_distribution<double> factor(0.1, 3);
  for (auto& [name, metric] : table.metrics) {
    for (MetricSlice& slice : metric.slices) {
      for (auto& row : slice.values) {
        for (double& value : row) value *= factor(random);
      }
    }
  }
}

// Decimals, which are added as integers.
void MakeDecimal(BlockTable& table, double scale) {
  for (auto& [name, metric] : table.metrics) {
    for (MetricSlice& slice : metric.slices) {
      slice.base /= scale;
      for (auto& row : slice.values) {
        for (double& value : row) value /= scale;
      }
    }
  }
}

BlockTable WideTable(std::mt19937_64& random, int nodes, int candidates) {
  BlockTable table;
  table.space = "wide";
  for (int i = 0; i < nodes; ++i) {
    Node node;
    node.name = fmt::format("node{}", i);
    const int count = Draw(random, 1, candidates);
    for (int j = 0; j < count; ++j) node.candidates.push_back(fmt::format("b{}", j));
    table.nodes.push_back(node);
  }
  for (const char* name : {"energy", "flops", "latency", "memory", "parameters"}) {
    table.metrics[name] = testing::RandomMetric(table, random, Goal::kMin, Form::kCost, -50, 99);
  }
  table.metrics["accuracy"] = testing::RandomMetric(table, random, Goal::kMax, Form::kSaving, -3, 9);
  return table;
}

CellStructure NasBench201Cell(int first_node) {
  CellStructure cell;
  for (const auto& [from, to] : {std::pair{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}) {
    cell.edges.push_back({.node = first_node + static_cast<int>(cell.edges.size()), .from = from, .to = to, .none = 0});
  }
  cell.output = 3;
  return cell;
}

TEST(PredictMany, RandomTables) {
  for (int seed = 0; seed < 400; ++seed) {
    std::mt19937_64 random(seed);
    BlockTable table = RandomTable(random);
    if (seed % 3 == 1) MakeInexact(table, random);
    if (seed % 3 == 2) MakeDecimal(table, std::pow(10, seed % 14));
    for (const EstimatorKind kind : kKinds) {
      const auto fixed = seed % 3 == 0 ? FlopsFixed::kInclude : FlopsFixed::kExclude;
      const auto estimator = Estimator::Create(table, {.kind = kind, .flops_fixed = fixed});
      ASSERT_TRUE(estimator.ok()) << estimator.status();
      SCOPED_TRACE(fmt::format("seed {} {}", seed, Name(kind)));
      const int shared = Draw(random, 0, table.SharedCount() - 1);
      ExpectAsPredictInAllTypes(*estimator, random, Draw(random, 0, 3) == 0 ? Draw(random, 0, 9) : 70, shared);
      if (HasFailure()) return;
    }
  }
}

// More nodes than a word has codes; more candidates than registers hold; several depth groups that interleave.
TEST(PredictMany, ManyNodesCandidatesAndGroups) {
  for (int seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    BlockTable table = WideTable(random, Draw(random, 1, 40), seed % 4 == 0 ? 300 : seed % 4 == 1 ? 8 : 20);
    for (int g = 0; g < seed % 4; ++g) {
      DepthGroup group;
      for (int i = g; i < std::ssize(table.nodes); i += 3) {
        group.nodes.push_back(i);
        const auto candidates = static_cast<int>(table.nodes[i].candidates.size());
        group.absent.push_back(Draw(random, 0, std::min(candidates, 250) - 1));
      }
      if (g < 3 && !group.nodes.empty()) table.structure.depth.push_back(group);
    }
    if (seed % 3 == 1) MakeInexact(table, random);
    if (seed % 3 == 2) MakeDecimal(table, std::pow(10, seed % 14));
    for (const EstimatorKind kind : {EstimatorKind::kLinear, EstimatorKind::kEq6}) {
      const auto estimator = Estimator::Create(table, {.kind = kind});
      ASSERT_TRUE(estimator.ok()) << estimator.status();
      SCOPED_TRACE(fmt::format("seed {} {}", seed, Name(kind)));
      ExpectAsPredictInAllTypes(*estimator, random, 300, 0);
      if (HasFailure()) return;
    }
  }
}

// Spaces so small that calls with many rows look every network up: with up to eight nodes, of which one may have more
// candidates than a signed byte holds, and with groups that are cut.
TEST(PredictMany, SmallSpacesArePredictedWhole) {
  for (int seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    const int nodes = seed % 9 + 1;  // nine do not fit a word
    BlockTable table = WideTable(random, nodes, nodes < 5 ? 6 : nodes < 8 ? 3 : 2);
    if (seed % 4 == 1) {
      Node& node = table.nodes[static_cast<size_t>(Draw(random, 0, nodes - 1))];
      while (node.candidates.size() < static_cast<size_t>(120 + seed)) {
        node.candidates.push_back(fmt::format("b{}", node.candidates.size()));
      }
      for (auto& [name, metric] : table.metrics) {
        metric = testing::RandomMetric(table, random, metric.goal, metric.form, -50, 99);
      }
    }
    if (seed % 3 == 1) {
      table.structure.depth.push_back({.nodes = {0}, .absent = {0}});
      for (int i = 2; i < nodes; i += 2) {
        table.structure.depth[0].nodes.push_back(i);
        table.structure.depth[0].absent.push_back(0);
      }
    }
    if (seed % 2 == 1) MakeInexact(table, random);
    const auto estimator =
        Estimator::Create(table, {.kind = seed % 5 == 0 ? EstimatorKind::kEq6 : EstimatorKind::kLinear});
    ASSERT_TRUE(estimator.ok()) << estimator.status();
    SCOPED_TRACE(fmt::format("seed {}", seed));
    int64_t choices = 1;
    for (const Node& node : table.nodes) choices *= std::ssize(node.candidates);
    const int64_t rows = std::min<int64_t>(4 * choices + Draw(random, 0, 40), 20'000);
    ExpectAsPredict<uint8_t, double>(*estimator, random, rows, 0);
    ExpectAsPredict<uint8_t, float>(*estimator, random, rows, 0);
    if (HasFailure()) return;
  }
}

// Dead edges, cut cells, networks without FLOPs. Edges of a cell in one word, and across two.
TEST(PredictMany, Cells) {
  for (int before = 0; before < 9; ++before) {
    std::mt19937_64 random(before);
    BlockTable table = NasBench201();
    table.structure.cell = NasBench201Cell(before);
    if (before % 2 == 1) std::reverse(table.structure.cell->edges.begin(), table.structure.cell->edges.end());
    for (int i = 0; i < before; ++i) {
      table.nodes.insert(table.nodes.begin(), {.name = fmt::format("before{}", i), .candidates = {"a", "b", "c"}});
      for (auto& [name, metric] : table.metrics) {
        metric.slices[0].values.insert(metric.slices[0].values.begin(), {0.5, 1, 0.25});
      }
    }
    for (const EstimatorKind kind : kKinds) {
      const auto estimator = Estimator::Create(table, {.kind = kind});
      ASSERT_TRUE(estimator.ok()) << estimator.status();
      SCOPED_TRACE(fmt::format("{} nodes before the cell, {}", before, Name(kind)));
      ExpectAsPredictInAllTypes(*estimator, random, 500, 0);
      if (HasFailure()) return;
    }
  }
}

TEST(PredictMany, ThreadsAndLargeMatrices) {
  std::mt19937_64 random(5);
  const BlockTable table = NasBench201();
  const auto estimator = Estimator::Create(table, {});
  ASSERT_TRUE(estimator.ok());
  ExpectAsPredict<uint8_t, double>(*estimator, random, 200'003, 0, 3);
  ExpectAsPredict<uint8_t, float>(*estimator, random, 400'001, 0, 2);
}

TEST(PredictMany, NamesTheFirstChoiceOutOfRange) {
  const BlockTable table = NasBench201();
  const auto estimator = Estimator::Create(table, {});
  const std::vector<std::string> metrics = {"accuracy"};
  const auto predictor = ManyPredictor::Create(*estimator, metrics);
  ASSERT_TRUE(predictor.ok());
  for (const int64_t rows : {1, 7, 100, 150'000}) {
    for (const int64_t bad : {int64_t{0}, rows / 2, rows - 1}) {
      std::vector<uint8_t> choices(static_cast<size_t>(rows) * 6, 3);
      choices.back() = 200;
      choices[static_cast<size_t>(bad) * 6 + 4] = 5;
      std::vector<double> values(static_cast<size_t>(rows));
      for (const std::string_view isa : kInstructionSets) {
        const absl::Status status =
            predictor->Predict(ChoiceRows<uint8_t>{.data = choices.data(), .rows = rows},
                               ValueColumns<double>{.data = values.data()}, {.threads = 4, .isa = isa});
        EXPECT_EQ(status.message(),
                  fmt::format("choices[{}][4]: expected a candidate index from 0 to 4, found 5", bad));
      }
    }
  }
}

TEST(PredictMany, RefusesWhatItCannotDo) {
  const BlockTable table = NasBench201();
  const auto estimator = Estimator::Create(table, {});
  const std::vector<std::string> none, unknown = {"speed"}, one = {"flops"};
  EXPECT_EQ(ManyPredictor::Create(*estimator, none).status().message(), "metrics: expected at least one, found none");
  EXPECT_EQ(ManyPredictor::Create(*estimator, unknown).status(), estimator->FormOf("speed").status());
  EXPECT_EQ(ManyPredictor::Create(*estimator, one, 1).status(), estimator->FormOf("flops", 1).status());
  const auto predictor = ManyPredictor::Create(*estimator, one);
  uint8_t choice[6] = {};
  double value = 0;
  const ValueColumns<double> values = {.data = &value};
  EXPECT_FALSE(predictor->Predict(ChoiceRows<uint8_t>{.data = choice, .rows = 1, .stride = 5}, values).ok());
  EXPECT_FALSE(predictor->Predict(ChoiceRows<uint8_t>{.data = choice, .rows = 1}, values, {.threads = 0}).ok());
  EXPECT_TRUE(predictor->Predict(ChoiceRows<uint8_t>{}, values).ok());
  EXPECT_TRUE(predictor->Predict(ChoiceRows<uint8_t>{.data = choice, .rows = 1}, values).ok());
  EXPECT_EQ(value, 1.95);
}

TEST(PredictMany, ObeysTheLimitOfTheInstructionSet) {
  EXPECT_EQ(InstructionSet("portable"), "portable");
  EXPECT_NE(InstructionSet("avx2"), "avx512");
}

}  // namespace
}  // namespace mathnas::core
