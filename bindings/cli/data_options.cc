#include "bindings/cli/data_options.h"

#include <algorithm>

#include "fmt/format.h"

namespace mathnas::cli {
namespace {

constexpr size_t kNamed = 5;  // damaged images or lines that stderr gets

}  // namespace

CLI::Option* DataOptions::AddTo(CLI::App* command, const std::string& description) {
  CLI::Option* option = command->add_option("--data", name, description);
  command->add_flag(
      "--stop-at-damage", stop_at_damage_,
      "An image file that cannot be decoded, or a damaged line, is an error (otherwise the next image takes its "
      "place, and the line is left out)");
  command->add_option("--loader-threads", threads_, "Threads that decode image files (default: as --threads)")
      ->check(CLI::Range(1, 256));
  return option;
}

void DataOptions::AddTextTo(CLI::App* command) {
  command->add_option("--source-language", text_.source_language,
                      "supertransformer: suffix of the source files of parallel:FOLDER (default: found from train.*)");
  command->add_option("--target-language", text_.target_language, "supertransformer: suffix of the target files");
  command
      ->add_option("--min-words", text_.min_words,
                   "supertransformer: of trans-de-en, pairs with at least so many words on one side")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
}

absl::StatusOr<supernet::ParallelText> DataOptions::LoadText() {
  text_.stop_at_damage = stop_at_damage_;
  text_.on_damage = [this](const supernet::DamagedLine& line) {
    if (stop_at_damage_) return;  // the error says it
    if (!damaged_.insert(line.message).second || damaged_.size() > kNamed) return;
    fmt::print(stderr, "warning: {}; the pair is left out{}\n", line.message,
               damaged_.size() == kNamed ? "; more are only counted" : "");
  };
  return supernet::LoadParallelText(name, text_);
}

supernet::ReadingOptions DataOptions::Reading(const Common& common) {
  // What lies in memory takes no time to speak of.
  const int threads = threads_ != 0 ? threads_ : in_files() ? std::min(common.thread_count(), 256) : 1;
  return {
      .threads = threads, .stop_at_damage = stop_at_damage_, .on_damage = [this](const supernet::DamagedImage& image) {
        if (stop_at_damage_) return;  // the error says it
        if (!damaged_.insert(image.message).second || damaged_.size() > kNamed) return;
        fmt::print(stderr, "warning: {}; the next image takes its place{}\n", image.message,
                   damaged_.size() == kNamed ? "; more are only counted" : "");
      }};
}

void DataOptions::Report(Answer& answer) const {
  if (!in_files()) return;
  answer.json["damaged_images"] = damaged_.size();
  if (!damaged_.empty()) answer.text += fmt::format("{} images could not be decoded\n", damaged_.size());
}

}  // namespace mathnas::cli
