#include "supernet/text/internal/sentencepiece.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <exception>
#include <unordered_map>

namespace mathnas::supernet::text {
namespace {

// Runs `call` (which returns a status of the library); what its parts throw becomes text as well.
template <typename Call>
std::string ErrorOf(Call call) {
  try {
    const sentencepiece::util::Status status = call();
    if (status.ok()) return "";
    const std::string text = status.ToString();
    return text.empty() ? "failed" : text;
  } catch (const std::exception& e) {
    return *e.what() == '\0' ? "failed" : e.what();
  } catch (...) {
    return "failed";
  }
}

class Sentences : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(std::span<const std::string> sentences) : sentences_(sentences) {}
  bool done() const override { return at_ == sentences_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return sentences_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::span<const std::string> sentences_;
  size_t at_ = 0;
};

// The library logs to stderr from the first call on; the one way to stop it that its headers offer is an option of the
// trainer, which here trains on nothing and fails.
void Silence() {
  [[maybe_unused]] static const bool silent = [] {
    std::string model;
    Sentences none({});
    const std::unordered_map<std::string, std::string> level = {{"minloglevel", "3"}};
    return !ErrorOf([&] { return sentencepiece::SentencePieceTrainer::Train(level, &none, &model); }).empty();
  }();
}

}  // namespace

std::string TrainSentencePieces(std::span<const std::string> sentences,
                                const std::vector<std::pair<std::string, std::string>>& options, std::string& model) {
  Silence();
  const std::unordered_map<std::string, std::string> map(options.begin(), options.end());
  Sentences iterator(sentences);
  return ErrorOf([&] { return sentencepiece::SentencePieceTrainer::Train(map, &iterator, &model); });
}

struct SentencePieces::State {
  sentencepiece::SentencePieceProcessor processor;
};

SentencePieces::SentencePieces() {
  Silence();
  state_ = std::make_unique<State>();
}

SentencePieces::~SentencePieces() = default;

std::string SentencePieces::Load(std::string_view model) {
  return ErrorOf([&] { return state_->processor.LoadFromSerializedProto(model); });
}

std::string SentencePieces::Encode(std::string_view text, std::vector<int>& ids) const {
  return ErrorOf([&] { return state_->processor.Encode(text, &ids); });
}

std::string SentencePieces::Decode(const std::vector<int>& ids, std::string& text) const {
  return ErrorOf([&] { return state_->processor.Decode(ids, &text); });
}

}  // namespace mathnas::supernet::text
