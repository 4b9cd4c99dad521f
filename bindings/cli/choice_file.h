// Many choices in a file: FILE.u8 and FILE.u16 are matrices of unsigned integers, a row per network, little-endian; any
// other file is text, a network per line, candidate numbers apart by commas.
#ifndef MATHNAS_BINDINGS_CLI_CHOICE_FILE_H_
#define MATHNAS_BINDINGS_CLI_CHOICE_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace mathnas::cli {

// One of the two is used, row-major.
struct ChoiceFile {
  int64_t rows = 0;
  bool wide = false;
  std::vector<uint8_t> bytes;
  std::vector<uint16_t> words;
};

// The error names file and line, or the sizes.
absl::StatusOr<ChoiceFile> ReadChoices(const std::string& path, int64_t nodes);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_CHOICE_FILE_H_
