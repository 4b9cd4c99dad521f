#include "mathnas/report/plots.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "mathnas/core/statistics.h"
#include "mathnas/report/markup.h"
#include "mathnas/report/numbers.h"
#include "mathnas/report/svg.h"

namespace mathnas::report {
namespace {

// Few extreme predictions (networks without any convolution) must not squeeze all others into a corner.
constexpr double kLowestShown = 0.04;  // quantiles of the cloud
constexpr double kRightmostShown = 0.998;
constexpr size_t kMaxFrontDots = 300;
constexpr size_t kMaxEpochDots = 60;

std::string AxisLabel(const std::string& metric, const std::string& unit) {
  return unit.empty() ? metric : fmt::format("{} [{}]", metric, unit);
}

const Comparison* Find(const ChosenNetwork& network, const std::string& metric) {
  for (const Comparison& comparison : network.metrics) {
    if (comparison.metric == metric) return &comparison;
  }
  return nullptr;
}

std::vector<Point> Finite(const std::vector<Point>& points) {
  std::vector<Point> finite;
  std::copy_if(points.begin(), points.end(), std::back_inserter(finite),
               [](Point p) { return std::isfinite(p.x) && std::isfinite(p.y); });
  return finite;
}

struct Marks {
  std::optional<Point> predicted, measured;
};

Marks MarksOf(const Report& report) {
  const Comparison* x = Find(report.chosen, report.landscape.x_metric);
  const Comparison* y = Find(report.chosen, report.landscape.y_metric);
  Marks marks;
  if (!x || !y) return marks;
  if (IsKnown(x->predicted) && IsKnown(y->predicted)) marks.predicted = {x->predicted.value, y->predicted.value};
  if (IsKnown(x->measured) && IsKnown(y->measured)) marks.measured = {x->measured.value, y->measured.value};
  return marks;
}

void AddRange(std::vector<double>& values, const std::vector<double>& cloud, double low, double high) {
  if (cloud.empty()) return;
  for (double q : {low, high}) {
    absl::StatusOr<double> quantile = core::Quantile(cloud, q);
    if (quantile.ok()) values.push_back(*quantile);
  }
}

std::string At(Point p, const Landscape& landscape) {
  return fmt::format("{} {} at {} {}", landscape.y_metric, WithUnit(Short(p.y), landscape.y_unit), landscape.x_metric,
                     WithUnit(Short(p.x), landscape.x_unit));
}

// One entry of the legend, with the numbers for people and programs.
std::string MarkEntry(std::string_view swatch, std::string_view text, Point p, const Landscape& landscape) {
  return fmt::format("<li>{}{}: {} {} at {} {}</li>\n", swatch, text, Escape(landscape.y_metric),
                     Number(p.y, landscape.y_unit), Escape(landscape.x_metric), Number(p.x, landscape.x_unit));
}

constexpr std::string_view kCloudSwatch =
    R"(<svg class="swatch" viewBox="0 0 18 12"><rect class="cloud" fill-opacity=".45" x="2" y="1" width="14" height="10"/></svg>)";
constexpr std::string_view kFrontSwatch =
    R"(<svg class="swatch" viewBox="0 0 18 12"><path class="front" d="M1 10H7V3H17"/></svg>)";
constexpr std::string_view kPredictedSwatch =
    R"(<svg class="swatch" viewBox="0 0 18 12"><circle class="chosen-predicted" cx="9" cy="6" r="4.5"/></svg>)";
constexpr std::string_view kMeasuredSwatch =
    R"(<svg class="swatch" viewBox="0 0 18 12"><path class="chosen-measured" d="M9 .5l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/></svg>)";

Plot::Side Excluded(core::LimitOp op) { return op == core::LimitOp::kAtMost ? Plot::Side::kHigh : Plot::Side::kLow; }

std::string LimitText(const core::Limit& limit, const std::string& unit) {
  return fmt::format("{} {} {}", limit.metric, core::Name(limit.op), WithUnit(AsGiven(limit.value), unit));
}

}  // namespace

std::string FrontPlot(const Report& report) {
  const Landscape& landscape = report.landscape;
  std::vector<Point> front = Finite(landscape.front), cloud = Finite(landscape.cloud);
  Marks marks = MarksOf(report);
  std::sort(front.begin(), front.end(), [](Point a, Point b) { return std::pair(a.x, a.y) < std::pair(b.x, b.y); });

  // Every part of the front that is not far below the bulk of the space, the bulk, the marks and the budgets.
  std::vector<double> xs, ys, cloud_x, cloud_y;
  for (Point p : cloud) cloud_x.push_back(p.x), cloud_y.push_back(p.y);
  AddRange(xs, cloud_x, 0, kRightmostShown);
  AddRange(ys, cloud_y, kLowestShown, 1);
  for (const std::optional<Point>& mark : {marks.predicted, marks.measured}) {
    if (mark) xs.push_back(mark->x), ys.push_back(mark->y);
  }
  std::optional<Range> bulk = cloud.empty() ? std::nullopt : RangeOf(ys);
  for (Point p : front) {
    xs.push_back(p.x);
    if (!bulk || p.y >= bulk->low) ys.push_back(p.y);
  }
  if (xs.empty() || ys.empty()) return "";
  for (const Budget& budget : report.budgets) {
    if (budget.limit.metric == landscape.x_metric) xs.push_back(budget.limit.value);
    if (budget.limit.metric == landscape.y_metric) ys.push_back(budget.limit.value);
  }
  std::optional<Range> x_range = RangeOf(xs), y_range = RangeOf(ys);
  if (!x_range || !y_range) return "";

  Plot plot(980, 460, {Padded(*x_range, 0.03), AxisLabel(landscape.x_metric, landscape.x_unit), 10},
            {Padded(*y_range, 0.05), AxisLabel(landscape.y_metric, landscape.y_unit), 7},
            fmt::format("Predicted {} over {} of the search space, its front and the chosen network",
                        landscape.y_metric, landscape.x_metric));
  auto hidden = std::count_if(cloud.begin(), cloud.end(), [&](Point p) { return !plot.Shows(p); });
  auto hidden_front = std::count_if(front.begin(), front.end(), [&](Point p) { return !plot.Shows(p); });
  plot.Density(cloud, "cloud");
  plot.StepLine(front, "front");
  if (front.size() <= kMaxFrontDots) {
    for (Point p : front) plot.Dot(p, 2.6, "front-dot", "front: " + At(p, landscape));
  }
  for (const Budget& budget : report.budgets) {
    std::string label =
        "budget: " +
        LimitText(budget.limit, budget.limit.metric == landscape.x_metric ? landscape.x_unit : landscape.y_unit);
    if (budget.limit.metric == landscape.x_metric)
      plot.VerticalRule(budget.limit.value, label, Excluded(budget.limit.op));
    if (budget.limit.metric == landscape.y_metric)
      plot.HorizontalRule(budget.limit.value, label, Excluded(budget.limit.op));
  }
  if (marks.predicted) {
    plot.Dot(*marks.predicted, 7, "chosen-predicted", "chosen network, predicted: " + At(*marks.predicted, landscape));
  }
  if (marks.measured) {
    plot.Diamond(*marks.measured, 7, "chosen-measured", "chosen network, measured: " + At(*marks.measured, landscape));
  }

  std::string legend;
  if (marks.predicted) legend += MarkEntry(kPredictedSwatch, "chosen network, predicted", *marks.predicted, landscape);
  if (marks.measured) legend += MarkEntry(kMeasuredSwatch, "chosen network, measured", *marks.measured, landscape);
  if (!front.empty()) {
    legend += fmt::format("<li>{}front of the whole space: {} networks</li>\n", kFrontSwatch,
                          Number(static_cast<double>(front.size())));
  }
  if (!cloud.empty()) {
    std::string of = IsKnown(landscape.networks) && landscape.networks.value != static_cast<double>(cloud.size())
                         ? " of " + Number(landscape.networks)
                         : "";
    legend += fmt::format("<li>{}{}{} networks, stronger = more of them</li>\n", kCloudSwatch,
                          Number(static_cast<double>(cloud.size())), of);
  }
  std::string note;
  if (hidden + hidden_front > 0) {
    note = fmt::format("<p class=\"note\">Outside the frame: {} networks{}.</p>\n", Number(static_cast<double>(hidden)),
                       hidden_front > 0 ? fmt::format(", {} points of the front", hidden_front) : "");
  }
  auto left_out = landscape.cloud.size() - cloud.size() + landscape.front.size() - front.size();
  if (left_out > 0) {
    note += fmt::format("<p class=\"note\">Not drawn: {} points that are not finite.</p>\n",
                        Number(static_cast<double>(left_out)));
  }
  return fmt::format("{}<ul class=\"legend\">\n{}</ul>\n{}", plot.Finish(), legend, note);
}

std::string AuditPlot(const Audit& audit) {
  std::vector<double> values;
  for (const AuditedNetwork& n : audit.networks) {
    if (std::isfinite(n.predicted) && std::isfinite(n.measured))
      values.push_back(n.predicted), values.push_back(n.measured);
  }
  std::optional<Range> range = RangeOf(values);
  if (!range) return "";
  *range = Padded(*range, 0.06);
  Plot plot(480, 420, {*range, "predicted " + AxisLabel(audit.metric, audit.unit), 5},
            {*range, "measured " + AxisLabel(audit.metric, audit.unit), 6},
            fmt::format("{}: measured over predicted for {} networks", audit.metric, values.size() / 2));
  Point diagonal[] = {{range->low, range->low}, {range->high, range->high}};
  plot.Line(diagonal, "identity");
  for (const AuditedNetwork& n : audit.networks) {
    plot.Dot({n.predicted, n.measured}, 4, "audited",
             fmt::format("{}: predicted {}, measured {}", n.architecture, WithUnit(Short(n.predicted), audit.unit),
                         WithUnit(Short(n.measured), audit.unit)));
  }
  return plot.Finish();
}

namespace {

// A reading of every epoch, drawn over the epochs.
struct Curve {
  std::string name;
  bool through;  // drawn across epochs that have no reading
  Reading Epoch::*reading;
  std::string_view style;
};

std::string EpochPlot(const Training& training, std::span<const Curve> curves, const std::string& y_label,
                      const std::string& unit) {
  std::vector<double> xs, ys;
  for (const Epoch& epoch : training.epochs) xs.push_back(epoch.epoch);
  for (const Curve& curve : curves) {
    for (const Epoch& epoch : training.epochs) ys.push_back((epoch.*curve.reading).value);
  }
  std::optional<Range> x = RangeOf(xs), y = RangeOf(ys);
  if (!x || !y) return "";
  Plot plot(480, 280, {Padded(*x, 0.03), "epoch", 6}, {Padded(*y, 0.08), y_label, 5}, y_label + " by epoch");
  std::string legend, note;
  for (const Curve& curve : curves) {
    std::vector<Point> points;
    size_t missing = 0;
    std::string reason;
    const Reading* last = nullptr;
    for (const Epoch& epoch : training.epochs) {
      const Reading& reading = epoch.*curve.reading;
      if (IsKnown(reading) || !curve.through) points.push_back({static_cast<double>(epoch.epoch), reading.value});
      if (IsKnown(reading)) {
        last = &reading;
      } else if (++missing == 1) {
        reason = Reason(reading);
      }
    }
    if (!last) continue;
    plot.Line(points, fmt::format("curve {}", curve.style));
    if (points.size() <= kMaxEpochDots) {
      for (Point p : points) {
        plot.Dot(p, 2.4, fmt::format("curve-dot {}", curve.style),
                 fmt::format("epoch {}: {} {}", p.x, curve.name, WithUnit(Short(p.y), unit)));
      }
    }
    legend += fmt::format(
        "<li><svg class=\"swatch\" viewBox=\"0 0 18 12\"><path class=\"curve {}\" d=\"M1 6H17\"/></svg>"
        "{}, at last {}</li>\n",
        curve.style, Escape(curve.name), Number(*last, unit));
    if (missing > 0) {
      note += fmt::format("<p class=\"note\">{}: {} of {} epochs without ({}).</p>\n", Escape(curve.name), missing,
                          training.epochs.size(), Escape(reason));
    }
  }
  return fmt::format("<figure>{}<ul class=\"legend\">\n{}</ul>\n{}</figure>\n", plot.Finish(), legend, note);
}

}  // namespace

std::string LossPlot(const Training& training) {
  const Curve curves[] = {{"training loss", false, &Epoch::loss, "loss"}};
  return EpochPlot(training, curves, "training loss", "");
}

std::string AccuracyPlot(const Training& training) {
  const std::string& quality = training.quality;
  const Curve curves[] = {{"training " + quality, true, &Epoch::train_accuracy, "train"},
                          {"validation " + quality, true, &Epoch::validation_accuracy, "validation"}};
  return EpochPlot(training, curves, quality + " [%]", "%");
}

}  // namespace mathnas::report
