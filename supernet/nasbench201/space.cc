#include "supernet/nasbench201/space.h"

#include <optional>
#include <utility>

#include "blocks/nasbench201_cell.h"
#include "blocks/residual_reduction.h"
#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "nlohmann/json.hpp"
#include "supernet/internal/macro_fields.h"

namespace mathnas::supernet {
namespace {

using blocks::CellOp;
using blocks::CellOps;
using blocks::kCellEdges;
using blocks::kCellOpNames;
using blocks::kCellOps;
using blocks::NormOptions;
using kernels::Graph;
using kernels::Shape;
using kernels::Value;
using kernels::internal::JsonText;
using kernels::internal::ParseJson;
using nlohmann::json;

constexpr int64_t kStages = 3;

// The names of the tensors: the inference network (2.4) or the supernet (2.5).
struct Names {
  Weights weights;

  std::string Stem() const { return weights == Weights::kOwn ? "stem" : "_stem"; }
  std::string Cell(int64_t cell) const { return fmt::format("{}cells.{}", weights == Weights::kOwn ? "" : "_", cell); }
  std::string Edge(int64_t cell, int edge, CellOp op) const {
    if (weights == Weights::kOwn) return fmt::format("cells.{}.layers.{}", cell, edge);
    return fmt::format("_cells.{}.edges.{}<-{}.{}", cell, kCellEdges[edge].to, kCellEdges[edge].from,
                       static_cast<int>(op));
  }
};

class Space : public SearchSpace {
 public:
  explicit Space(const NasBench201Macro& macro) : macro_(macro) {
    for (size_t e = 0; e < kCellEdges.size(); ++e) {
      nodes_.push_back({fmt::format("{}<-{}", kCellEdges[e].to, kCellEdges[e].from),
                        {kCellOpNames.begin(), kCellOpNames.end()},
                        static_cast<int>(CellOp::kConv3x3)});
    }
  }

  std::string_view name() const override { return "nasbench201"; }
  const std::vector<SpaceNode>& nodes() const override { return nodes_; }
  Shape input_shape(const Choice&) const override { return {macro_.height, macro_.width, macro_.input_channels}; }
  int64_t classes() const override { return macro_.classes; }

  std::string MacroJson() const override {
    return JsonText({{"channels", macro_.channels},
                     {"cells", macro_.cells},
                     {"classes", macro_.classes},
                     {"height", macro_.height},
                     {"width", macro_.width},
                     {"input_channels", macro_.input_channels},
                     {"affine", macro_.affine},
                     {"track", macro_.track}});
  }

  absl::StatusOr<Choice> ParseSubnet(std::string_view text) const override {
    const json subnet = ParseJson(text);
    if (subnet.is_array()) return ParseCodes(subnet);
    if (!subnet.is_object() || !subnet.contains("arch") || subnet.size() != 1) {
      return absl::InvalidArgumentError(
          fmt::format("subnet \"{:.200}\": expected {{\"arch\": \"|op~0|+|op~0|op~1|+|op~0|op~1|op~2|\"}} or six codes "
                      "[3,3,3,1,3,3]",
                      text));
    }
    const json& arch = subnet["arch"];
    if (arch.is_array()) return ParseCodes(arch);
    if (!arch.is_string()) return absl::InvalidArgumentError("subnet arch: expected a string");
    auto architecture = ParseArchitecture(arch.get_ref<const std::string&>());
    if (!architecture.ok()) return architecture.status();
    Choice choice;
    for (CellOp op : *architecture) choice.push_back(static_cast<int>(op));
    return choice;
  }

  std::string SubnetJson(const Choice& choice) const override {
    Architecture architecture{};
    for (size_t e = 0; e < architecture.size(); ++e) architecture[e] = static_cast<CellOp>(choice[e]);
    return JsonText({{"arch", ToString(architecture)}});
  }

  NetworkGraph Network(const Choice& choice, const GraphRequest& request) const override {
    CellOps ops;
    for (size_t e = 0; e < ops.size(); ++e) ops[e] = {static_cast<CellOp>(choice[e])};
    return Build(ops, request);
  }

  NetworkGraph Supernet(const GraphRequest& request) const override {
    CellOps ops;
    for (auto& edge : ops) {
      for (int op = 0; op < kCellOps; ++op) edge.push_back(static_cast<CellOp>(op));
    }
    GraphRequest shared = request;
    shared.weights = Weights::kShared;
    NetworkGraph network = Build(ops, shared);
    // The reference's architecture logits. Single-path training never touches them.
    network.graph.Parameter("arch_parameters", {static_cast<int64_t>(kCellEdges.size()), kCellOps});
    return network;
  }

  std::optional<SpaceCell> cell() const override {
    SpaceCell cell = {.edges = {}, .input = 0, .output = blocks::kCellNodes - 1};
    for (size_t e = 0; e < kCellEdges.size(); ++e) {
      cell.edges.push_back(
          {static_cast<int>(e), kCellEdges[e].from, kCellEdges[e].to, static_cast<int>(CellOp::kNone)});
    }
    return cell;
  }
  int NodeOfBlock(std::string_view block) const override {
    const size_t dot = block.rfind(".e");
    return dot == std::string_view::npos ? -1 : block[dot + 2] - '0';
  }
  std::string_view flops_convention() const override {
    return "multiply-adds of convolutions and of the linear layer, plus one per class for its bias";
  }
  int64_t Flops(const kernels::Counts& counts) const override { return counts.macs + counts.bias_adds; }

  std::string SharedName(std::string_view own, const Choice& choice) const override {
    int cell = 0, edge = 0, consumed = 0;
    const std::string text(own);
    if (std::sscanf(text.c_str(), "cells.%d.layers.%d.%n", &cell, &edge, &consumed) == 2 && consumed > 0) {
      return fmt::format("{}.{}", Names{Weights::kShared}.Edge(cell, edge, static_cast<CellOp>(choice[edge])),
                         own.substr(consumed));
    }
    return own.starts_with("cells.") || own.starts_with("stem.") ? fmt::format("_{}", own) : text;
  }

 private:
  absl::StatusOr<Choice> ParseCodes(const json& codes) const {
    if (codes.size() != nodes_.size()) {
      return absl::InvalidArgumentError(fmt::format("subnet: {} codes, expected {}", codes.size(), nodes_.size()));
    }
    Choice choice;
    for (size_t e = 0; e < codes.size(); ++e) {
      if (!codes[e].is_number_integer() || codes[e] < 0 || codes[e] >= kCellOps) {
        return absl::InvalidArgumentError(
            fmt::format("subnet[{}]: {}, expected an integer from 0 to {}", e, JsonText(codes[e]), kCellOps - 1));
      }
      choice.push_back(codes[e].get<int>());
    }
    return choice;
  }

  NetworkGraph Build(const CellOps& ops, const GraphRequest& request) const {
    NetworkGraph network{Graph(request.real), {}};
    Graph& g = network.graph;
    const Names names{request.weights};
    const Mode mode = request.mode;
    const NormOptions fixed = {.momentum = request.norm_momentum};
    NormOptions searched = fixed;
    if (request.weights == Weights::kShared) searched.affine = macro_.affine, searched.track = macro_.track;

    const Value image = g.Input("image", {request.batch, macro_.height, macro_.width, macro_.input_channels});
    g.SetBlock("stem");
    const Value stem_weight = g.Parameter(names.Stem() + ".0.weight", {macro_.channels, macro_.input_channels, 3, 3});
    Value x = kernels::Convolve(g, image, stem_weight, Value{}, 1, 1);
    x = blocks::BatchNorm(g, x, names.Stem() + ".1", mode, fixed);
    g.SetName(x, "stem");

    int64_t cell = 0;
    for (int64_t stage = 0; stage < kStages; ++stage) {
      if (stage > 0) {
        g.SetBlock(fmt::format("cells.{}", cell));
        x = blocks::ResidualReduction(g, x, names.Cell(cell), macro_.channels << stage, mode, fixed);
        g.SetName(x, fmt::format("cells.{}", cell++));
      }
      for (int64_t i = 0; i < macro_.cells; ++i, ++cell) {
        const std::string block = fmt::format("cells.{}", cell);
        x = blocks::NasBench201Cell(
            g, x, block, ops, [&](int edge, CellOp op) { return names.Edge(cell, edge, op); }, mode, searched);
        g.SetName(x, block);
      }
    }

    g.SetBlock("head");
    x = blocks::BatchNorm(g, x, "lastact.0", mode, searched);
    if (x.valid()) x = g.Apply(kernels::Relu{}, {x})[0];
    g.SetName(x, "lastact");
    if (x.valid()) x = g.Apply(kernels::GlobalAvgPool{}, {x})[0];
    g.SetName(x, "pooled");
    if (x.valid()) {
      const int64_t features = macro_.channels << (kStages - 1);
      const Value weight = g.Parameter("classifier.weight", {macro_.classes, features});
      const Value bias = g.Parameter("classifier.bias", {macro_.classes});
      x = g.Apply(kernels::Linear{.has_bias = true}, {x, weight, bias})[0];
    }
    g.SetName(x, "logits");
    network.logits = x;
    return network;
  }

  NasBench201Macro macro_;
  std::vector<SpaceNode> nodes_;
};

// Bounds that keep a mistyped number from becoming an allocation of terabytes.
absl::Status CheckMacro(const NasBench201Macro& macro) {
  const struct {
    std::string_view name;
    int64_t value, low, high;
  } fields[] = {{"channels", macro.channels, 1, 4096}, {"cells", macro.cells, 1, 100},
                {"classes", macro.classes, 1, 100000}, {"height", macro.height, 4, 4096},
                {"width", macro.width, 4, 4096},       {"input_channels", macro.input_channels, 1, 1024}};
  for (const auto& f : fields) {
    if (f.value < f.low || f.value > f.high) {
      return absl::InvalidArgumentError(fmt::format("{}: {}, expected {} to {}", f.name, f.value, f.low, f.high));
    }
  }
  if (macro.height % 4 != 0 || macro.width % 4 != 0) {
    return absl::InvalidArgumentError(
        fmt::format("input {}x{}: expected multiples of 4, since two reductions halve it", macro.height, macro.width));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SearchSpace>> NasBench201(const NasBench201Macro& macro) {
  if (auto s = CheckMacro(macro); !s.ok()) return s;
  return std::make_shared<Space>(macro);
}

absl::StatusOr<NasBench201Macro> ParseNasBench201Macro(std::string_view text) {
  const absl::StatusOr<json> object = ParseMacroObject(text);
  if (!object.ok()) return object.status();
  NasBench201Macro macro;
  if (auto s = ReadMacroIntegers(*object, {{"channels", &macro.channels},
                                           {"cells", &macro.cells},
                                           {"classes", &macro.classes},
                                           {"height", &macro.height},
                                           {"width", &macro.width},
                                           {"input_channels", &macro.input_channels}});
      !s.ok()) {
    return s;
  }
  const std::pair<const char*, bool*> flags[] = {{"affine", &macro.affine}, {"track", &macro.track}};
  for (const auto& [name, field] : flags) {
    if (!object->contains(name) || !(*object)[name].is_boolean()) {
      return absl::InvalidArgumentError(fmt::format("macro parameter {}: expected true or false", name));
    }
    *field = (*object)[name].get<bool>();
  }
  if (auto s = CheckMacro(macro); !s.ok()) return s;
  return macro;
}

}  // namespace mathnas::supernet
