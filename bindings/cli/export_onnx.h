// mathnas export --format onnx.
#ifndef MATHNAS_BINDINGS_CLI_EXPORT_ONNX_H_
#define MATHNAS_BINDINGS_CLI_EXPORT_ONNX_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "bindings/cli/command.h"
#include "bindings/cli/deploy_image.h"
#include "bindings/cli/space_options.h"

namespace mathnas::cli {

// Which network, and how it becomes a file.
struct OnnxExport {
  std::string network;  // a deployed one
  std::string checkpoint, subnet;
  SpaceOptions space;
  ImageDeployment image;
  std::string batch_norm = "fold";
  int64_t batch = 0, image_size = 0;
  std::optional<int> beam;
  CLI::App* command = nullptr;

  void AddTo(CLI::App* to);
};

absl::StatusOr<Answer> ExportOnnx(const Common& common, OnnxExport& o, const std::string& out);
// InvalidArgument names an option of these that is given, for other formats.
absl::Status RefuseOnnxOptions(const OnnxExport& o, const std::string& format);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_EXPORT_ONNX_H_
