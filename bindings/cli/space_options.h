// A search space from the command line.
#ifndef MATHNAS_BINDINGS_CLI_SPACE_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_SPACE_OPTIONS_H_

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "bindings/cli/command.h"
#include "supernet/data/image_source.h"
#include "supernet/search_space.h"
#include "supernet/supertransformer/space.h"

namespace mathnas::cli {

// What a space must fit: zero = nothing is known. A macro (SearchSpace::MacroJson, of a checkpoint) goes before the
// rest.
struct SpaceFit {
  std::string macro = {};
  int64_t classes = 0, height = 0, width = 0, input_channels = 0;
  int64_t source_vocabulary = 0, target_vocabulary = 0;

  // Images that are resized say nothing of the input of the networks: grey ones become three channels too.
  static SpaceFit Of(const supernet::ImageSource& images, bool resized) {
    if (resized) return {.classes = images.classes()};
    const supernet::ImageSize size = images.one_size().value_or(supernet::ImageSize{});
    return {
        .classes = images.classes(), .height = size.height, .width = size.width, .input_channels = images.channels()};
  }
};

// --channels, --cells and so on. Zero or empty = not given: taken from what the space must fit, or the reference's
// defaults.
struct SpaceOptions {
  std::string name;
  int64_t channels = 0, cells = 0, classes = 0, size = 0, input_channels = 0;
  double width = 0;
  std::vector<int> resolutions;
  std::string blocks;
  std::string task;
  int64_t vocabulary = 0, target_vocabulary = 0;
  std::vector<int> widths;

  // Whether its networks take images of any size, which are then brought to theirs.
  bool takes_any_size() const { return name != "nasbench201"; }
  // Whether they take tokens (SearchSpace::translates).
  bool translates() const { return name == "supertransformer"; }
  // Whether --task asks for the small configuration of a space whose networks take images.
  bool small_images() const { return name == "supervit" && task == "small"; }

  // Adds the positional SPACE and the macro parameters.
  void AddTo(CLI::App* command);
  // Adds those that choose among the networks of a trained supernet, whose weights they leave as they are.
  void AddCandidatesTo(CLI::App* command);
  // InvalidArgument names the space or the macro parameter that is not known or out of range.
  absl::StatusOr<std::shared_ptr<const supernet::SearchSpace>> Make(const SpaceFit& fit = {}) const;
  // Of supertransformer, what Make would make it of.
  absl::StatusOr<supernet::SuperTransformerMacro> TranslationMacro(const SpaceFit& fit = {}) const;

 private:
  // InvalidArgument names an option that is given and belongs to other spaces.
  absl::Status CheckOptions() const;
};

// InvalidArgument names the first of these options that is given, and says why it is of no use.
absl::Status RefuseGiven(const CLI::App& command, const std::string& why, std::initializer_list<const char*> options);

// A choice from --subnet (inline JSON or @file).
absl::StatusOr<supernet::Choice> ParseSubnet(const supernet::SearchSpace& space, const std::string& argument);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_SPACE_OPTIONS_H_
