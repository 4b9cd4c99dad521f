// The images or texts of a command, and how they are read.
#ifndef MATHNAS_BINDINGS_CLI_DATA_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_DATA_OPTIONS_H_

#include <set>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "bindings/cli/command.h"
#include "supernet/data/image_source.h"
#include "supernet/data/loader.h"
#include "supernet/text/parallel_text.h"

namespace mathnas::cli {

class DataOptions {
 public:
  std::string name;  // as given to --data

  // Adds --data and how files are read.
  CLI::Option* AddTo(CLI::App* command, const std::string& description = "The data set, as for train");

  // Adds what says how texts are read, for commands that take translation networks too.
  void AddTextTo(CLI::App* command);
  // The texts of --data. Damaged lines are counted, and the first are named on stderr.
  absl::StatusOr<supernet::ParallelText> LoadText();

  absl::StatusOr<supernet::ImageSources> Load() const { return supernet::LoadImages(name); }
  // Remembers the images that cannot be decoded, and names the first on stderr. This object must outlive the loaders.
  supernet::ReadingOptions Reading(const Common& common);
  // Adds their number to an answer about data in files.
  void Report(Answer& answer) const;

 private:
  bool in_files() const { return name.starts_with("folder:"); }

  bool stop_at_damage_ = false;
  int threads_ = 0;
  std::set<std::string> damaged_;  // by what is wrong, which names the file
  supernet::ParallelTextOptions text_ = {};
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_DATA_OPTIONS_H_
