// The library sentencepiece behind a small interface, and without Abseil: the headers of the library declare a
// string_view in the namespace absl, which clashes with Debian's Abseil wherever both are included.
// Nothing throws; the library ends the process where it meets what it did not expect, so callers check before.
#ifndef MATHNAS_SUPERNET_TEXT_INTERNAL_SENTENCEPIECE_H_
#define MATHNAS_SUPERNET_TEXT_INTERNAL_SENTENCEPIECE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mathnas::supernet::text {

// Options by the names of sentencepiece's trainer. `sentences`: UTF-8, not empty, at least one that is not all space.
// The error, or "" and the model.
std::string TrainSentencePieces(std::span<const std::string> sentences,
                                const std::vector<std::pair<std::string, std::string>>& options, std::string& model);

class SentencePieces {
 public:
  SentencePieces();
  ~SentencePieces();
  // `model` as CanonicalModel (sentencepiece_model.h) writes it. The error, or "".
  std::string Load(std::string_view model);
  // `text` is valid UTF-8. The error, or "".
  std::string Encode(std::string_view text, std::vector<int>& ids) const;
  // `ids` are the model's. The error, or "".
  std::string Decode(const std::vector<int>& ids, std::string& text) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mathnas::supernet::text

#endif  // MATHNAS_SUPERNET_TEXT_INTERNAL_SENTENCEPIECE_H_
