// Sentences as they come in, one a line, and as networks are given them.
#ifndef MATHNAS_SUPERNET_TEXT_SENTENCES_H_
#define MATHNAS_SUPERNET_TEXT_SENTENCES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::supernet {

// What is kept of a line: trimmed, with one space for tabs and runs of spaces. InvalidArgument, and nothing useful in
// `clean`: empty, no valid UTF-8, a control character (NUL and all others of C0 and C1 but the tab, and DEL), or more
// words than `max_positions`, of which the end of the sentence is one.
absl::Status CleanSentence(std::string_view line, int64_t max_positions, std::string& clean);

// The sentences of a text of one language, entry i of line i + 1: lines end with \n, a \r before it is dropped, as is a
// byte order mark; the last line may do without. InvalidArgument names `path` and the first line that is damaged, or
// says that there is none.
absl::StatusOr<std::vector<std::string>> ParseSentences(std::string_view text, const std::string& path,
                                                        int64_t max_positions);
// The same of a file, plain or gzip, of at most 256 MiB of text.
absl::StatusOr<std::vector<std::string>> LoadSentences(const std::string& path, int64_t max_positions);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TEXT_SENTENCES_H_
