#include "tests/kernels/operator_shapes.h"

#include <fstream>
#include <utility>

#include "fmt/format.h"
#include "kernels/ops/element_types.h"
#include "kernels/status.h"

namespace mathnas::kernels::testing {

absl::StatusOr<std::vector<ShapeLine>> ReadShapes(std::string_view name, std::string_view keys) {
  const std::string path = fmt::format("{}/{}.txt", MATHNAS_TEST_SHAPES, name);
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(fmt::format("{}: cannot be read", path));
  std::vector<ShapeLine> lines;
  std::string text;
  for (int number = 1; std::getline(file, text); ++number) {
    text = text.substr(0, text.find('#'));
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto line = ShapeLine::Parse(text, keys);
    if (!line.ok()) return Annotate(line.status(), fmt::format("{}:{}", path, number));
    lines.push_back(*std::move(line));
  }
  return lines;
}

std::vector<OperatorShape> AllOperatorShapes() {
  std::vector<OperatorShape> shapes;
  for (const OperatorCase& entry : OperatorCases()) {
    auto lines = ReadShapes(entry.shapes, entry.keys);
    if (!lines.ok()) continue;
    for (ShapeLine& line : *lines) {
      for (const char* type : {" bfloat16", " float16"}) {
        if (!TakesLow(entry.build(line).op)) continue;
        auto low = ShapeLine::Parse(line.text() + type, KeysOf(entry));
        if (low.ok()) shapes.push_back({&entry, *std::move(low)});
      }
      shapes.push_back({&entry, std::move(line)});
    }
  }
  return shapes;
}

std::vector<OperatorShape> DifferentiableShapes() {
  std::vector<OperatorShape> shapes = AllOperatorShapes();
  std::erase_if(shapes, [](const OperatorShape& s) {
    return s.problem().compute != DType::kF32 || s.entry->gradient_step == 0 ||
           (s.entry->has_gradient != nullptr && !s.entry->has_gradient(s.problem().op));
  });
  return shapes;
}

}  // namespace mathnas::kernels::testing
