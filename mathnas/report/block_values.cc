#include "mathnas/report/block_values.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fmt/format.h"
#include "mathnas/report/markup.h"
#include "mathnas/report/numbers.h"

namespace mathnas::report {
namespace {

constexpr double kStrongest = 0.5;  // opacity of the colour; text on it keeps a contrast of at least 4.5 in both themes

bool SameCandidates(const core::BlockTable& table) {
  return std::all_of(table.nodes.begin(), table.nodes.end(),
                     [&](const core::Node& n) { return n.candidates == table.nodes[0].candidates; });
}

// Entries of grids that may be ragged or absent.
template <typename T>
const T* Entry(const std::vector<std::vector<T>>& grid, size_t node, size_t candidate) {
  return node < grid.size() && candidate < grid[node].size() ? &grid[node][candidate] : nullptr;
}

std::string Cell(const Report& report, const core::Metric& metric, const core::MetricSlice& slice, size_t i, size_t j,
                 double largest) {
  int decimals = DecimalsOf(largest);
  const core::Node& node = report.table.nodes[i];
  const double* value = Entry(slice.values, i, j);
  bool chosen = i < report.chosen.choice.size() && report.chosen.choice[i] == static_cast<int>(j);
  std::string marks;
  if (chosen) marks += "<b class=\"mark\" title=\"chosen\">●</b>";
  if (node.reference == static_cast<int>(j)) marks += "<i class=\"mark\" title=\"reference block\">ref</i>";
  std::string tooltip = Escape(fmt::format("{}: {}", node.name, node.candidates[j]));
  if (!value || !std::isfinite(*value)) {
    return fmt::format("<td class=\"{}\" title=\"{}: not measured\"><span class=\"missing\">–</span>{}</td>\n",
                       chosen ? "chosen" : "", tooltip, marks);
  }
  // What the candidate adds to the metric, and whether that is to be wished for.
  double adds = metric.form == core::Form::kCost ? *value : -*value;
  bool better = (adds > 0) == (metric.goal == core::Goal::kMax);
  double strength = largest > 0 ? kStrongest * std::sqrt(std::abs(*value) / largest) : 0;
  std::string details;
  const double* spread = Entry(slice.stddev, i, j);
  const int64_t* samples = Entry(slice.samples, i, j);
  if (spread && std::isfinite(*spread)) details += "±&#160;" + Data(*spread, Fixed(*spread, decimals));
  if (samples)
    details += fmt::format("{}n&#160;=&#160;{}", details.empty() ? "" : ", ", Number(static_cast<double>(*samples)));
  if (!details.empty()) details = fmt::format("<small>{}</small>", details);
  return fmt::format("<td class=\"{}{}\" style=\"--heat:{:.3f}\" title=\"{}\">{}{}{}</td>\n",
                     better ? "better" : "worse", chosen ? " chosen" : "", strength, tooltip,
                     Data(*value, Fixed(*value, decimals)), marks, details);
}

// How a prediction is made of base and values, of the slice that is shown.
std::string Formula(const core::BlockTable& table, const core::Metric& metric, size_t index) {
  std::string where;
  if (table.structure.shared && index < table.structure.shared->values.size()) {
    where =
        fmt::format("at {} {}: ", Escape(table.structure.shared->name), Number(table.structure.shared->values[index]));
  }
  return fmt::format("{}network = {} {} the values of its blocks", where,
                     Number(metric.slices[index].base, metric.unit), metric.form == core::Form::kCost ? "+" : "−");
}

std::string Measured(const core::Metric& metric) {
  std::string text;
  auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (metric.device) add(*metric.device);
  if (metric.threads) add(fmt::format("{} thread{}", *metric.threads, *metric.threads == 1 ? "" : "s"));
  if (metric.batch) add(fmt::format("batch {}", *metric.batch));
  if (metric.convention) add(*metric.convention);
  if (metric.measured_at) add(*metric.measured_at);
  return text.empty() ? "" : Escape("; " + text);
}

std::string MetricTable(const Report& report, const std::string& name, const core::Metric& metric) {
  const core::BlockTable& table = report.table;
  size_t index = std::max(report.chosen.shared_index, 0);
  if (index >= metric.slices.size()) return "<p class=\"missing\">– <small>no values for this metric</small></p>\n";
  const core::MetricSlice& slice = metric.slices[index];

  double largest = 0;
  bool any = false;
  for (const std::vector<double>& row : slice.values) {
    for (double value : row) {
      if (!std::isfinite(value)) continue;
      any = true;
      largest = std::max(largest, std::abs(value));
    }
  }
  if (!any && !metric.evaluations.empty()) {
    return fmt::format(
        "<p class=\"note\">No values by block: {} networks were measured whole, and the estimator learned "
        "from them{}</p>\n",
        metric.evaluations.size(), Measured(metric));
  }
  size_t columns = 0;
  for (const core::Node& node : table.nodes) columns = std::max(columns, node.candidates.size());
  bool same = SameCandidates(table);
  std::string head = "<th scope=\"col\">node</th>";
  for (size_t j = 0; j < columns; ++j) {
    head += fmt::format("<th scope=\"col\">{}</th>", same ? Escape(table.nodes[0].candidates[j]) : std::to_string(j));
  }
  std::string body;
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    body += fmt::format("<tr><th scope=\"row\">{}</th>\n", Escape(table.nodes[i].name));
    for (size_t j = 0; j < columns; ++j) {
      body += j < table.nodes[i].candidates.size() ? Cell(report, metric, slice, i, j, largest)
                                                   : "<td class=\"void\"></td>\n";
    }
    body += "</tr>\n";
  }
  return fmt::format(
      "<p class=\"note\">{}{}</p>\n<div class=\"scroll\"><table class=\"blocks\" aria-label=\"block values: {}\">\n"
      "<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
      Formula(table, metric, index), Measured(metric), Escape(name), head, body);
}

}  // namespace

std::string BlockValues(const Report& report) {
  const core::BlockTable& table = report.table;
  if (table.nodes.empty() || table.metrics.empty()) return "";
  std::string html;
  auto is_main = [&](const std::string& name) {
    return name == report.landscape.x_metric || name == report.landscape.y_metric;
  };
  // The two metrics of the search first and unfolded, then the others.
  for (bool main : {true, false}) {
    for (const auto& [name, metric] : table.metrics) {
      if (is_main(name) != main) continue;
      html += fmt::format(
          "<details{}><summary><h3>{}</h3>{}</summary>\n{}</details>\n", main ? " open=\"open\"" : "", Escape(name),
          metric.unit.empty() ? "" : fmt::format(" <span class=\"unit\">[{}]</span>", Escape(metric.unit)),
          MetricTable(report, name, metric));
    }
  }
  return html;
}

}  // namespace mathnas::report
