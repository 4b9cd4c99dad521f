#include "mathnas/report/stack_drawing.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "mathnas/report/markup.h"

namespace mathnas::report {
namespace {

constexpr size_t kMaxStacks = 4, kMaxLayers = 48;
// Pixels.
constexpr double kBoxWidth = 260, kBoxHeight = 30, kStep = 42;  // of a layer, and from one to the next
constexpr double kGap = 90;                                     // between stacks, which lines cross
constexpr double kTitle = 34, kMargin = 6;

double Left(size_t stack) { return kMargin + static_cast<double>(stack) * (kBoxWidth + kGap); }

}  // namespace

std::string DrawStacks(std::span<const Stack> stacks) {
  size_t highest = 0;
  for (const Stack& stack : stacks) highest = std::max(highest, stack.layers.size());
  if (highest == 0 || highest > kMaxLayers || stacks.size() > kMaxStacks) return "";
  // The middle of a layer; all stacks stand on the same ground.
  const auto middle = [&](size_t layer) {
    return kTitle + kBoxHeight / 2 + kStep * static_cast<double>(highest - 1 - layer);
  };
  const double width = Left(stacks.size() - 1) + kBoxWidth + kMargin;
  const double height = middle(0) + kBoxHeight / 2 + kMargin;

  std::string lines, boxes;
  for (size_t s = 0; s < stacks.size(); ++s) {
    const double left = Left(s);
    boxes += fmt::format("<text class=\"stack-label\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", left,
                         middle(std::max<size_t>(stacks[s].layers.size(), 1) - 1) - kBoxHeight / 2 - 10,
                         Escape(stacks[s].title));
    for (size_t i = 0; i < stacks[s].layers.size(); ++i) {
      const StackLayer& layer = stacks[s].layers[i];
      const double top = middle(i) - kBoxHeight / 2, size = std::isfinite(layer.size) ? layer.size : 0;
      boxes += fmt::format(
          "<rect class=\"layer\" x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{2}\" height=\"{3}\" rx=\"5\"/>"
          "<rect class=\"layer-size\" x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{4:.1f}\" height=\"{3}\" rx=\"5\"/>"
          "<text class=\"layer-label\" x=\"{5:.1f}\" y=\"{6:.1f}\">{7}: {8}</text>\n",
          left, top, kBoxWidth, kBoxHeight, kBoxWidth * std::clamp(size, 0.0, 1.0), left + 9, middle(i) + 4.5,
          Escape(layer.name), Escape(layer.text));
      const size_t layers = stacks[0].layers.size();
      const size_t sources = s == 0 ? 0 : std::min(layers, static_cast<size_t>(std::max(layer.sources, 0)));
      for (size_t source = layers - sources; source < layers; ++source) {
        const double from = Left(0) + kBoxWidth, bend = (left - from) / 2;
        lines += fmt::format(
            "<path class=\"source\" d=\"M{0:.1f} {1:.1f}C{2:.1f} {1:.1f} {2:.1f} {3:.1f} {4:.1f} "
            "{3:.1f}\"/>\n",
            from, middle(source), from + bend, middle(i), left);
      }
    }
  }
  return fmt::format(
      "<svg class=\"stacks\" viewBox=\"0 0 {0:.0f} {1:.0f}\" style=\"max-width:{0:.0f}px\" role=\"img\" "
      "aria-label=\"The layers of the chosen network\">\n{2}{3}</svg>\n",
      width, height, lines, boxes);
}

}  // namespace mathnas::report
