#include "bindings/cli/space_options.h"

#include "fmt/format.h"

namespace mathnas::cli {

void SpaceOptions::AddTo(CLI::App* command) {
  command->add_option("space", name, "The search space: nasbench201")->required();
  command->add_option("--channels", channels, "Channels of the first stage (default 16)")->check(CLI::Range(1, 4096));
  command->add_option("--cells", cells, "Cells per stage (default 5)")->check(CLI::Range(1, 100));
  command->add_option("--classes", classes, "Classes (default: of the data, else 10)");
  command->add_option("--size", size, "Height and width of the input (default: of the data, else 32)");
  command->add_option("--input-channels", input_channels, "Channels of the input (default: of the data, else 3)");
}

absl::StatusOr<std::shared_ptr<const supernet::SearchSpace>> SpaceOptions::Make(
    supernet::NasBench201Macro macro) const {
  if (name != "nasbench201") {
    return absl::InvalidArgumentError(fmt::format("space \"{:.100}\": expected nasbench201", name));
  }
  const std::pair<int64_t, int64_t*> given[] = {{channels, &macro.channels}, {cells, &macro.cells},
                                                {classes, &macro.classes},   {size, &macro.height},
                                                {size, &macro.width},        {input_channels, &macro.input_channels}};
  for (const auto& [value, field] : given) {
    if (value != 0) *field = value;
  }
  return supernet::NasBench201(macro);
}

supernet::NasBench201Macro SpaceOptions::Fitting(const supernet::ImageDataset& data) {
  return {.classes = data.classes, .height = data.height, .width = data.width, .input_channels = data.channels};
}

absl::StatusOr<supernet::Choice> ParseSubnet(const supernet::SearchSpace& space, const std::string& argument) {
  auto text = InlineOrFile(argument);
  if (!text.ok()) return text.status();
  return space.ParseSubnet(*text);
}

}  // namespace mathnas::cli
