#include "mathnas/report/cell_drawing.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "fmt/format.h"
#include "mathnas/report/markup.h"

namespace mathnas::report {
namespace {

constexpr int kMaxNodes = 10;
constexpr double kSpacing = 176;  // pixels between nodes
constexpr double kRadius = 17;    // of a node

bool Forwards(std::span<const CellEdge> cell) {
  return std::all_of(cell.begin(), cell.end(),
                     [](const CellEdge& e) { return e.from >= 0 && e.from < e.to && e.to < kMaxNodes; });
}

int LastNode(std::span<const CellEdge> cell) {
  int last = 0;
  for (const CellEdge& edge : cell) last = std::max(last, edge.to);
  return last;
}

std::string_view StyleOf(const CellEdge& edge, bool live) {
  if (!live) return "dead";
  if (edge.op.find("conv") != std::string::npos) return "conv";
  if (edge.op.find("pool") != std::string::npos) return "pool";
  return "plain";
}

}  // namespace

std::vector<CellEdge> CellFromArchitecture(const std::string& architecture) {
  std::vector<CellEdge> cell;
  int to = 0;
  for (absl::string_view node : absl::StrSplit(architecture, '+')) {
    if (++to >= kMaxNodes || node.size() < 2 || node.front() != '|' || node.back() != '|') return {};
    int from = 0;
    for (absl::string_view edge : absl::StrSplit(node.substr(1, node.size() - 2), '|')) {
      std::vector<absl::string_view> parts = absl::StrSplit(edge, '~');
      if (parts.size() != 2 || parts[0].empty() || parts[1] != absl::string_view(std::to_string(from))) return {};
      cell.push_back({from++, to, std::string(parts[0])});
    }
    if (from != to) return {};
  }
  return cell;
}

std::vector<bool> LiveEdges(std::span<const CellEdge> cell) {
  if (!Forwards(cell)) return std::vector<bool>(cell.size(), false);
  int last = LastNode(cell);
  std::vector<bool> reached(kMaxNodes, false), useful(kMaxNodes, false);
  reached[0] = useful[last] = true;
  for (int node = 1; node <= last; ++node) {
    for (const CellEdge& e : cell) {
      if (e.to == node && e.op != "none" && reached[e.from]) reached[node] = true;
    }
  }
  for (int node = last - 1; node >= 0; --node) {
    for (const CellEdge& e : cell) {
      if (e.from == node && e.op != "none" && useful[e.to]) useful[node] = true;
    }
  }
  std::vector<bool> live;
  for (const CellEdge& e : cell) live.push_back(e.op != "none" && reached[e.from] && useful[e.to]);
  return live;
}

std::string OperatorLabel(std::string_view op) {
  std::string label(op);
  if (label == "skip_connect") return "skip";
  if (label.rfind("nor_", 0) == 0) label.erase(0, 4);
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

std::string DrawCell(std::span<const CellEdge> cell) {
  if (cell.empty() || !Forwards(cell)) return "";
  int last = LastNode(cell);
  std::vector<bool> live = LiveEdges(cell);

  // Neighbours are joined by straight lines; longer edges bend, up from even nodes and down from odd ones.
  auto height = [](const CellEdge& e) { return e.to - e.from == 1 ? 0.0 : 36.0 + 40.0 * (e.to - e.from - 1); };
  double above = 26, below = 26;
  for (const CellEdge& e : cell) {
    double& side = e.from % 2 == 0 ? above : below;
    if (e.to - e.from > 1) side = std::max(side, height(e) + 18);
  }
  double middle = above, width = 2 * 34 + kSpacing * last;
  auto x = [](int node) { return 34 + kSpacing * node; };

  std::string lines, labels, nodes;
  for (size_t i = 0; i < cell.size(); ++i) {
    const CellEdge& e = cell[i];
    std::string_view style = StyleOf(e, live[i]);
    double bend = (e.from % 2 == 0 ? -1 : 1) * height(e);
    double from = x(e.from), to = x(e.to);
    double label_y = middle + bend;
    std::string path;
    double tip_x = to - kRadius - 1, tip_y = middle, toward = 0;  // of the arrow head, and its direction in degrees
    if (bend == 0) {
      path = fmt::format("M{:.1f} {:.1f}H{:.1f}", from + kRadius, middle, tip_x - 7);
    } else {
      // A flat-topped curve whose highest point is at `bend`; it meets the nodes at 60 degrees.
      double slope = bend < 0 ? 1 : -1;
      double c = std::cos(std::numbers::pi / 3), s = std::sin(std::numbers::pi / 3);
      double start_x = from + kRadius * c, start_y = middle - slope * kRadius * s;
      tip_x = to - (kRadius + 1) * c;
      tip_y = middle - slope * (kRadius + 1) * s;
      toward = slope * 60;
      double end_x = tip_x - 7 * c, end_y = tip_y - slope * 7 * s;
      double control_y = (label_y - 0.125 * (start_y + end_y)) / 0.75;
      double reach = std::abs(control_y - middle) * c / s;
      path = fmt::format("M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", start_x, start_y, start_x + reach,
                         control_y, end_x - reach, control_y, end_x, end_y);
    }
    lines += fmt::format(
        "<path class=\"edge {0}\" d=\"{1}\"><title>{2}</title></path>"
        "<path class=\"head {0}\" d=\"M0 0l-9 -4.5v9z\" transform=\"translate({3:.1f} {4:.1f}) "
        "rotate({5})\"/>\n",
        style, path, Escape(fmt::format("{} from node {} to node {}", e.op, e.from, e.to)), tip_x, tip_y, toward);
    labels += fmt::format("<text class=\"edge-label {}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                          style, (from + to) / 2 - (bend == 0 ? 4 : 0), label_y + 4, Escape(OperatorLabel(e.op)));
  }
  for (int node = 0; node <= last; ++node) {
    nodes += fmt::format(
        "<circle class=\"node\" cx=\"{0:.1f}\" cy=\"{1:.1f}\" r=\"{2}\"/>"
        "<text class=\"node-label\" x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4}</text>\n",
        x(node), middle, kRadius, middle + 5, node);
  }
  return fmt::format(
      "<svg class=\"cell\" viewBox=\"0 0 {0:.0f} {1:.0f}\" style=\"max-width:{0:.0f}px\" role=\"img\" "
      "aria-label=\"The chosen cell as a graph\">\n{2}{3}{4}</svg>\n",
      width, above + below, lines, labels, nodes);
}

}  // namespace mathnas::report
