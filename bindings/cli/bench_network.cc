// mathnas bench network|block|shapes SPACE --subnet S: a network whole, block by block, or as lines of its operators
#include <utility>

#include "bindings/cli/bench.h"
#include "bindings/cli/bench_records.h"
#include "bindings/cli/precision_option.h"
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "mathnas/benchmark/network_bench.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  SpaceOptions space;
  RecordOptions records;
  PrecisionOption precision = {.name = {}, .option = "--compute"};  // --precision is that of the times
  std::string subnet;
  int64_t batch = 1, length = 0;
  std::vector<std::string> blocks;

  void AddTo(CLI::App* command) {
    space.AddTo(command);
    command->add_option("--subnet", subnet, "The network: JSON, or @FILE")->required();
    command->add_option("--batch", batch, "Images, or rows of tokens")
        ->capture_default_str()
        ->check(CLI::Range(1, 65536));
    precision.AddTo(command, "What the network computes in");
    command->add_option("--length", length, "supertransformer: tokens of source and target (default: the space's own)")
        ->check(CLI::Range(1, 1024));
  }
};

absl::StatusOr<benchmark::NetworkRequest> RequestOf(const Options& o) {
  auto space = o.space.Make();
  if (!space.ok()) return space.status();
  auto choice = ParseSubnet(**space, o.subnet);
  if (!choice.ok()) return choice.status();
  const auto precision = o.precision.Get();
  if (!precision.ok()) return precision.status();
  return benchmark::NetworkRequest{*std::move(space), *std::move(choice), o.batch, o.length, o.common.seed, *precision};
}

// The network as the name of records: space, subnet, batch, length, and the precision if it is no float32.
std::string NameOf(const Options& o, const benchmark::NetworkRequest& request) {
  const bool low = request.precision != kernels::Precision::kFloat32;
  return fmt::format("{} {} n{}{}{}", request.space->name(), request.space->SubnetJson(request.choice), o.batch,
                     o.length > 0 ? fmt::format(" t{}", o.length) : "",
                     low ? fmt::format(" {}", kernels::Name(request.precision)) : "");
}

absl::StatusOr<Answer> Networks(const Options& o, bool by_block) {
  if (auto s = o.records.Check(); !s.ok()) return s;
  const auto passes = o.records.Passes();
  auto request = RequestOf(o);
  if (!request.ok()) return request.status();
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  if (auto precision = o.precision.GetFor(**device); !precision.ok()) return precision.status();
  std::vector<BenchItem> items;
  for (benchmark::Pass pass : *passes) {
    auto made = benchmark::GraphOf(*request, pass);
    if (!made.ok()) return made.status();
    if (auto s = kernels::Place(**device, made->weights); !s.ok()) return s;
    const auto graph = std::make_shared<const benchmark::PassGraph>(*std::move(made));
    std::vector<std::string> blocks = {""};
    if (by_block) blocks = o.blocks.empty() ? benchmark::BlocksOf(*graph, pass) : o.blocks;
    auto prepared = benchmark::PrepareBlocks(*graph, *request, pass, blocks, **device);
    if (!prepared.ok()) return prepared.status();
    for (size_t b = 0; b < blocks.size(); ++b) {
      const std::shared_ptr<benchmark::Timed> timed = std::move((*prepared)[b]);
      items.push_back(
          {.name = NameOf(o, *request) + (blocks[b].empty() ? "" : " " + blocks[b]),
           .pass = pass,
           // The graph holds the weights.
           .prepare = [graph, timed]() -> absl::StatusOr<std::shared_ptr<benchmark::Timed>> { return timed; },
           .check = {}});
    }
  }
  return RunBench(o.common, o.records, **device, items);
}

struct ShapeOptions {
  Options network;
  std::string pass = "inference";
};

absl::StatusOr<Answer> Shapes(const ShapeOptions& o) {
  auto pass = benchmark::ParsePass(o.pass);
  if (!pass.ok()) return kernels::Annotate(pass.status(), "--pass");
  auto request = RequestOf(o.network);
  if (!request.ok()) return request.status();
  auto graph = benchmark::GraphOf(*request, *pass);
  if (!graph.ok()) return graph.status();
  auto lines = benchmark::ShapeLinesOf(*graph, *pass);
  if (!lines.ok()) return lines.status();
  Answer answer = {.json = {{"network", NameOf(o.network, *request)}, {"pass", o.pass}, {"lines", *lines}},
                   .text = fmt::format("# {}, {}\n", NameOf(o.network, *request), o.pass)};
  for (const std::string& line : *lines) answer.text += line + "\n";
  return answer;
}

}  // namespace

void AddNetworkBench(CLI::App& bench) {
  static Options n, b;
  static ShapeOptions s;
  CLI::App* network = AddCommand(
      bench, "network", "Time of a whole network: inference, forward and backward pass, training step",
      "mathnas bench network mobilenetv3 --subnet '{\"ks\": 3, \"e\": 3, \"d\": 2}' --batch 8 --pass inference,step",
      n.common, [] { return Networks(n, false); });
  n.AddTo(network);
  n.records.AddTo(network, "inference");

  CLI::App* block =
      AddCommand(bench, "block", "Time of each block of a network, alone",
                 "mathnas bench block nasbench201 --subnet '[3,3,3,3,3,3]' --batch 64 --pass forward,backward",
                 b.common, [] { return Networks(b, true); });
  b.AddTo(block);
  block->add_option("--block", b.blocks, "Only this block; may be given several times (default: all)");
  b.records.AddTo(block, "inference");

  CLI::App* shapes =
      AddCommand(bench, "shapes", "The operators of a network, a line for each: what bench/shapes is made of",
                 "mathnas bench shapes mobilenetv3 --subnet '{\"ks\": 3, \"e\": 3, \"d\": 2}' --batch 8 > shapes.txt",
                 s.network.common, [] { return Shapes(s); });
  s.network.AddTo(shapes);
  shapes->add_option("--pass", s.pass, "inference, forward, backward or step")->capture_default_str();
}

}  // namespace mathnas::cli
