// A small plotting kit: axes with ticks, points, lines and densities as inline SVG. Colours come from the style sheet
// of the page through classes, so that one drawing serves light and dark.
#ifndef MATHNAS_REPORT_SVG_H_
#define MATHNAS_REPORT_SVG_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mathnas/report/report.h"

namespace mathnas::report {

struct Range {
  double low = 0;
  double high = 1;
};

// The smallest range with all finite values; nullopt if there are none.
std::optional<Range> RangeOf(std::span<const double> values);
// Wider by `fraction` of its length on both sides; never empty.
Range Padded(Range range, double fraction);

// Round positions within the range, about `count` of them, and their labels with equally many decimals.
struct Ticks {
  std::vector<double> positions;
  std::vector<std::string> labels;
};
Ticks RoundTicks(Range range, int count);
// Powers of ten within a positive range.
Ticks PowersOfTen(Range range);

// Text and attributes in what follows are escaped here; classes are names of the style sheet.
class Plot {
 public:
  struct Axis {
    Range range;
    std::string label;
    int ticks = 6;
    bool logarithmic = false;  // of a positive range, with ticks at powers of ten
  };
  // `description` is for those who cannot see the picture.
  Plot(double width, double height, Axis x, Axis y, std::string_view description);

  // All data is clipped at the frame, and left out where it is not finite.
  void Line(std::span<const Point> points, std::string_view style);      // broken where a point is not finite
  void StepLine(std::span<const Point> points, std::string_view style);  // y changes at the x of each point
  void Dot(Point at, double radius, std::string_view style, std::string_view tooltip);
  void Diamond(Point at, double radius, std::string_view style, std::string_view tooltip);
  // Points by the number that falls into each of many small squares; the more, the more opaque.
  void Density(std::span<const Point> points, std::string_view style);
  // A line across the whole frame with a label; the side that `excludes` is shaded.
  enum class Side { kNone, kLow, kHigh };
  void VerticalRule(double x, std::string_view label, Side excludes);
  void HorizontalRule(double y, std::string_view label, Side excludes);

  bool Shows(Point at) const;
  std::string Finish() const;

 private:
  double X(double value) const;
  double Y(double value) const;

  double width_, height_;
  double left_, right_, top_, bottom_;
  Axis x_, y_;
  std::string description_;
  std::string shades_, data_, rules_;
};

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_SVG_H_
