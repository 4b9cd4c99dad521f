// A search space from the command line.
#ifndef MATHNAS_BINDINGS_CLI_SPACE_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_SPACE_OPTIONS_H_

#include <memory>
#include <string>

#include "bindings/cli/command.h"
#include "supernet/data/dataset.h"
#include "supernet/nasbench201/space.h"

namespace mathnas::cli {

// --channels, --cells and so on. Zero = not given: taken from data, a checkpoint, or the reference's defaults.
struct SpaceOptions {
  std::string name;
  int64_t channels = 0, cells = 0, classes = 0, size = 0, input_channels = 0;

  // Adds the positional SPACE and the macro parameters.
  void AddTo(CLI::App* command);
  // The space, with what was not given from `defaults`.
  absl::StatusOr<std::shared_ptr<const supernet::SearchSpace>> Make(supernet::NasBench201Macro defaults = {}) const;
  // Defaults that fit a data set.
  static supernet::NasBench201Macro Fitting(const supernet::ImageDataset& data);
};

// A choice from --subnet (inline JSON or @file).
absl::StatusOr<supernet::Choice> ParseSubnet(const supernet::SearchSpace& space, const std::string& argument);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_SPACE_OPTIONS_H_
