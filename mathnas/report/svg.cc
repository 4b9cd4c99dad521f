#include "mathnas/report/svg.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "fmt/format.h"
#include "mathnas/report/markup.h"
#include "mathnas/report/numbers.h"

namespace mathnas::report {
namespace {

constexpr double kLargest = 1e100;     // beyond that nothing can be drawn to scale
constexpr double kFarOutside = 1e4;    // pixels; keeps coordinates short
constexpr double kDensityCell = 5;     // pixels
constexpr double kTickLabelWidth = 7;  // pixels for one digit

double Along(Range range, double from, double to, double value) {
  return std::clamp(from + (value - range.low) / (range.high - range.low) * (to - from), -kFarOutside, kFarOutside);
}

Ticks TicksOf(const Plot::Axis& axis) {
  return axis.logarithmic ? PowersOfTen(axis.range) : RoundTicks(axis.range, axis.ticks);
}

double Along(const Plot::Axis& axis, double from, double to, double value) {
  if (!axis.logarithmic) return Along(axis.range, from, to, value);
  return Along(Range{std::log10(axis.range.low), std::log10(axis.range.high)}, from, to, std::log10(value));
}

bool Drawable(Point p) { return std::abs(p.x) < kLargest && std::abs(p.y) < kLargest; }

}  // namespace

std::optional<Range> RangeOf(std::span<const double> values) {
  std::optional<Range> range;
  for (double value : values) {
    if (!(std::abs(value) < kLargest)) continue;
    if (!range) range = Range{value, value};
    range->low = std::min(range->low, value);
    range->high = std::max(range->high, value);
  }
  return range;
}

Range Padded(Range range, double fraction) {
  double length = range.high - range.low;
  double magnitude = std::max(std::abs(range.low), std::abs(range.high));
  double margin = length > 1e-9 * magnitude ? fraction * length : std::max(0.05 * magnitude, 1e-6);
  return {range.low - margin, range.high + margin};
}

Ticks RoundTicks(Range range, int count) {
  double raw = (range.high - range.low) / std::max(count, 1);
  double power = std::pow(10, std::floor(std::log10(raw)));
  double step = power;
  for (double factor : {2.0, 5.0, 10.0}) {
    if (raw > 1.25 * step) step = factor * power;
  }
  int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 12);
  Ticks ticks;
  double first = std::ceil(range.low / step - 1e-9);
  for (double i = first; i * step <= range.high + 1e-9 * step && ticks.positions.size() < 100; ++i) {
    double position = i == 0 ? 0 : i * step;
    ticks.positions.push_back(position);
    bool long_form = std::abs(range.high) >= 1e7 || std::abs(range.low) >= 1e7 || step < 1e-6;
    ticks.labels.push_back(long_form   ? fmt::format("{:.3g}", position)
                           : step >= 1 ? Short(std::round(position))
                                       : fmt::format("{:.{}f}", position, decimals));
  }
  return ticks;
}

Ticks PowersOfTen(Range range) {
  Ticks ticks;
  for (double power = std::ceil(std::log10(range.low) - 1e-9); power <= std::log10(range.high) + 1e-9; ++power) {
    ticks.positions.push_back(std::pow(10, power));
    ticks.labels.push_back(fmt::format("{:.6g}", ticks.positions.back()));
  }
  return ticks;
}

Plot::Plot(double width, double height, Axis x, Axis y, std::string_view description)
    : width_(width),
      height_(height),
      right_(width - 16),
      top_(12),
      bottom_(height - 46),
      x_(std::move(x)),
      y_(std::move(y)),
      description_(description) {
  size_t digits = 0;
  for (const std::string& label : TicksOf(y_).labels) digits = std::max(digits, label.size());
  left_ = 34 + kTickLabelWidth * static_cast<double>(digits);
}

double Plot::X(double value) const { return Along(x_, left_, right_, value); }
double Plot::Y(double value) const { return Along(y_, bottom_, top_, value); }

bool Plot::Shows(Point at) const {
  return at.x >= x_.range.low && at.x <= x_.range.high && at.y >= y_.range.low && at.y <= y_.range.high;
}

void Plot::Line(std::span<const Point> points, std::string_view style) {
  std::string path;
  bool pen_down = false;
  for (const Point& p : points) {
    if (Drawable(p)) path += fmt::format("{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', X(p.x), Y(p.y));
    pen_down = Drawable(p);
  }
  if (!path.empty()) data_ += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", style, path);
}

void Plot::StepLine(std::span<const Point> points, std::string_view style) {
  std::string path;
  for (const Point& p : points) {
    if (!Drawable(p)) continue;
    path +=
        path.empty() ? fmt::format("M{:.1f} {:.1f}", X(p.x), Y(p.y)) : fmt::format("H{:.1f}V{:.1f}", X(p.x), Y(p.y));
  }
  if (!path.empty()) data_ += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", style, path);
}

void Plot::Dot(Point at, double radius, std::string_view style, std::string_view tooltip) {
  if (!Drawable(at) || !Shows(at)) return;
  data_ += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}</title></circle>\n", style,
                       X(at.x), Y(at.y), radius, Escape(tooltip));
}

void Plot::Diamond(Point at, double radius, std::string_view style, std::string_view tooltip) {
  if (!Drawable(at) || !Shows(at)) return;
  data_ +=
      fmt::format("<path class=\"{0}\" d=\"M{1:.1f} {2:.1f}l{3} {3}l-{3} {3}l-{3} -{3}z\"><title>{4}</title></path>\n",
                  style, X(at.x), Y(at.y) - radius, radius, Escape(tooltip));
}

void Plot::Density(std::span<const Point> points, std::string_view style) {
  std::map<std::pair<int, int>, int64_t> cells;
  int64_t most = 0;
  for (const Point& p : points) {
    if (!Drawable(p) || !Shows(p)) continue;
    std::pair cell(static_cast<int>((Y(p.y) - top_) / kDensityCell), static_cast<int>((X(p.x) - left_) / kDensityCell));
    most = std::max(most, ++cells[cell]);
  }
  constexpr int kLevels = 6;
  std::string paths[kLevels];
  for (const auto& [cell, count] : cells) {
    double share = most > 1 ? std::log(static_cast<double>(count)) / std::log(static_cast<double>(most)) : 0;
    int level = std::min(static_cast<int>(share * kLevels), kLevels - 1);
    fmt::format_to(std::back_inserter(paths[level]), "M{:.4g} {:.4g}h{w}v{w}h-{w}z", left_ + cell.second * kDensityCell,
                   top_ + cell.first * kDensityCell, fmt::arg("w", kDensityCell));
  }
  for (int level = 0; level < kLevels; ++level) {
    if (paths[level].empty()) continue;
    data_ += fmt::format("<path class=\"{}\" fill-opacity=\"{:.2f}\" d=\"{}\"/>\n", style, 0.12 + 0.13 * level,
                         paths[level]);
  }
}

void Plot::VerticalRule(double x, std::string_view label, Side excludes) {
  if (!(x >= x_.range.low && x <= x_.range.high)) return;
  double at = X(x);
  if (excludes != Side::kNone) {
    double from = excludes == Side::kLow ? left_ : at;
    double to = excludes == Side::kLow ? at : right_;
    shades_ += fmt::format("<rect class=\"shade\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
                           from, top_, to - from, bottom_ - top_);
  }
  rules_ += fmt::format("<path class=\"rule\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>\n", at, top_, bottom_);
  bool room_left = at - left_ > (right_ - left_) / 2;
  rules_ += fmt::format("<text class=\"rule-label\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                        at + (room_left ? -6 : 6), bottom_ - 8, room_left ? "end" : "start", Escape(label));
}

void Plot::HorizontalRule(double y, std::string_view label, Side excludes) {
  if (!(y >= y_.range.low && y <= y_.range.high)) return;
  double at = Y(y);
  if (excludes != Side::kNone) {
    double from = excludes == Side::kHigh ? top_ : at;
    double to = excludes == Side::kHigh ? at : bottom_;
    shades_ += fmt::format("<rect class=\"shade\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
                           left_, from, right_ - left_, to - from);
  }
  rules_ += fmt::format("<path class=\"rule\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", left_, at, right_);
  rules_ += fmt::format("<text class=\"rule-label\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
                        right_ - 6, at + (at - top_ > 24 ? -6 : 16), Escape(label));
}

std::string Plot::Finish() const {
  std::string grid;
  Ticks x = TicksOf(x_), y = TicksOf(y_);
  for (size_t i = 0; i < x.positions.size(); ++i) {
    double at = X(x.positions[i]);
    grid += fmt::format(
        "<path class=\"grid\" d=\"M{0:.1f} {1:.1f}V{2:.1f}\"/>"
        "<text class=\"tick\" x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4}</text>\n",
        at, top_, bottom_, bottom_ + 17, x.labels[i]);
  }
  for (size_t i = 0; i < y.positions.size(); ++i) {
    double at = Y(y.positions[i]);
    grid += fmt::format(
        "<path class=\"grid\" d=\"M{1:.1f} {0:.1f}H{2:.1f}\"/>"
        "<text class=\"tick\" x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
        at, left_, right_, left_ - 7, at + 4, y.labels[i]);
  }
  double middle = (top_ + bottom_) / 2;
  std::string labels = fmt::format(
      "<text class=\"axis-label\" x=\"{0:.1f}\" y=\"{1:.1f}\" text-anchor=\"middle\">{2}</text>\n"
      "<text class=\"axis-label\" x=\"14\" y=\"{3:.1f}\" text-anchor=\"middle\" "
      "transform=\"rotate(-90 14 {3:.1f})\">{4}</text>\n",
      (left_ + right_) / 2, height_ - 8, Escape(x_.label), middle, Escape(y_.label));
  // The inner drawing has the coordinates of the outer one and ends at the frame.
  return fmt::format(
      "<svg class=\"plot\" viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"{2}\">\n{3}{4}{5}"
      "<svg x=\"{6:.1f}\" y=\"{7:.1f}\" width=\"{8:.1f}\" height=\"{9:.1f}\" "
      "viewBox=\"{6:.1f} {7:.1f} {8:.1f} {9:.1f}\">\n{10}</svg>\n{11}"
      "<path class=\"axis\" d=\"M{6:.1f} {7:.1f}V{12:.1f}H{13:.1f}\"/>\n</svg>\n",
      width_, height_, Escape(description_), shades_, grid, labels, left_, top_, right_ - left_, bottom_ - top_, data_,
      rules_, bottom_, right_);
}

}  // namespace mathnas::report
