// Networks and their blocks as they are timed: the work of the blocks adds up to that of the network, and both are
// those of the graph.
#include "mathnas/benchmark/network_bench.h"

#include <set>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "kernels/testing/operator_cases.h"
#include "supernet/counting.h"
#include "supernet/nasbench201/space.h"

namespace mathnas::benchmark {
namespace {

NetworkRequest Small() {
  supernet::NasBench201Macro macro;
  macro.channels = 4;
  macro.cells = 1;
  macro.height = macro.width = 8;
  auto space = supernet::NasBench201(macro);
  EXPECT_TRUE(space.ok());
  return {.space = *std::move(space), .choice = {3, 1, 2, 3, 4, 3}, .batch = 2, .seed = 3};
}

TEST(NetworkBench, BlocksAddUpToTheNetwork) {
  const NetworkRequest request = Small();
  const auto device = kernels::ReferenceDevice(kernels::DType::kF32);
  const auto cost = supernet::CountWork(*request.space, request.choice);
  ASSERT_TRUE(cost.ok());
  for (Pass pass : {Pass::kInference, Pass::kForward, Pass::kBackward, Pass::kStep}) {
    SCOPED_TRACE(Name(pass));
    const auto graph = GraphOf(request, pass);
    ASSERT_TRUE(graph.ok()) << kernels::Message(graph.status());
    std::vector<std::string> blocks = BlocksOf(*graph, pass);
    EXPECT_GT(blocks.size(), 3u);
    EXPECT_EQ(std::set<std::string>(blocks.begin(), blocks.end()).size(), blocks.size());
    blocks.insert(blocks.begin(), "");
    auto timed = PrepareBlocks(*graph, request, pass, blocks, *device);
    ASSERT_TRUE(timed.ok()) << kernels::Message(timed.status());
    ASSERT_EQ(timed->size(), blocks.size());
    double parts = 0;
    for (size_t b = 0; b < blocks.size(); ++b) {
      EXPECT_TRUE((*timed)[b]->Run().ok()) << blocks[b];
      EXPECT_TRUE((*timed)[b]->Run().ok()) << blocks[b];
      EXPECT_GT((*timed)[b]->work().bytes, 0) << blocks[b];
      if (b > 0) parts += (*timed)[b]->work().multiply_adds;
    }
    EXPECT_EQ(parts, (*timed)[0]->work().multiply_adds);
    if (pass == Pass::kInference || pass == Pass::kForward) {
      EXPECT_EQ(parts, 2.0 * static_cast<double>(cost->total.macs));  // the batch is 2
    }
  }
  const auto graph = GraphOf(request, Pass::kInference);
  ASSERT_TRUE(graph.ok());
  const auto missing = PrepareBlocks(*graph, request, Pass::kInference, {"cells.9"}, *device);
  EXPECT_TRUE(std::string(kernels::Message(missing.status()))
                  .starts_with("block \"cells.9\": the inference pass has the blocks "));
}

TEST(NetworkBench, ShapeLinesAreTheOperatorsOfTheGraph) {
  const NetworkRequest request = Small();
  for (Pass pass : {Pass::kInference, Pass::kStep}) {
    const auto graph = GraphOf(request, pass);
    ASSERT_TRUE(graph.ok());
    const auto lines = ShapeLinesOf(*graph, pass);
    ASSERT_TRUE(lines.ok());
    int64_t operators = 0;
    for (const std::string& line : *lines) {
      const size_t comment = line.find('#');
      ASSERT_NE(comment, 0u) << line;
      const auto problem = kernels::testing::ParseProblem(line.substr(0, comment), 0x1p30);
      EXPECT_TRUE(problem.ok()) << line << ": " << kernels::Message(problem.status());
      operators += comment == std::string::npos ? 1 : std::stoi(line.substr(comment + 1));
    }
    EXPECT_EQ(operators, std::ssize(graph->graph.nodes()));
  }
}

}  // namespace
}  // namespace mathnas::benchmark
