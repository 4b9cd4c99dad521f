// mathnas count SPACE --subnet S
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "supernet/counting.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  SpaceOptions space;
  std::string subnet;
};

absl::StatusOr<Answer> Count(const Options& o) {
  auto space = o.space.Make();
  if (!space.ok()) return space.status();
  auto choice = ParseSubnet(**space, o.subnet);
  if (!choice.ok()) return choice.status();
  auto network = supernet::CountNetwork(**space, *choice);
  if (!network.ok()) return network.status();
  const std::pair<const char*, int64_t supernet::Cost::*> fields[] = {
      {"flops", &supernet::Cost::flops},
      {"macs", &supernet::Cost::macs},
      {"parameters", &supernet::Cost::parameters},
      {"activation_bytes", &supernet::Cost::activation_bytes}};
  Answer answer;
  answer.json = {{"space", (*space)->name()}, {"subnet", Json::parse((*space)->SubnetJson(*choice))}};
  Json by_block;
  for (const auto& [name, field] : fields) {
    answer.json[name] = network->total.*field;
    answer.text += fmt::format("{:17} {:>14}\n", name, network->total.*field);
    for (const supernet::BlockCost& b : network->blocks) by_block[name][b.block] = b.cost.*field;
  }
  answer.json["by_block"] = by_block;
  answer.json["convention"] = (*space)->flops_convention();
  answer.text +=
      fmt::format("\n{:16} {:>14} {:>14} {:>12} {:>16}\n", "block", "flops", "macs", "parameters", "activation_bytes");
  for (const supernet::BlockCost& b : network->blocks) {
    answer.text += fmt::format("{:16} {:>14} {:>14} {:>12} {:>16}\n", b.block, b.cost.flops, b.cost.macs,
                               b.cost.parameters, b.cost.activation_bytes);
  }
  answer.text += fmt::format("flops: {}; activation_bytes: peak, batch 1, inference\n", (*space)->flops_convention());
  return answer;
}

}  // namespace

void AddCount(CLI::App& app) {
  static Options o;
  CLI::App* command =
      AddCommand(app, "count", "FLOPs, multiply-adds, parameters and memory of a network, by block",
                 "mathnas count nasbench201 --subnet '[3,3,3,1,3,3]' --json\n"
                 "  mathnas count mobilenetv3 --blocks cpu --subnet '{\"codes\": [1,1,2,2,3], \"resolution\": 96}'",
                 o.common, [] { return Count(o); });
  o.space.AddTo(command);
  command->add_option("--subnet", o.subnet, "The network: JSON, or @FILE")->required();
}

}  // namespace mathnas::cli
