// Decoding token by token with kept keys and values (spec/search-spaces.md 4.2, 4.7): the same logits as of whole rows,
// for the work of one token.
#ifndef MATHNAS_SUPERNET_TRANSLATION_INCREMENTAL_DECODER_H_
#define MATHNAS_SUPERNET_TRANSLATION_INCREMENTAL_DECODER_H_

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/plan.h"
#include "kernels/step_times.h"
#include "supernet/supertransformer/space.h"

namespace mathnas::supernet {

// Not thread-safe; the device's threads do the work.
class IncrementalDecoder {
 public:
  // `own_weights` of the network must outlive the decoder and not change; `choice` must be of the space of `macro`.
  IncrementalDecoder(const SuperTransformerMacro& macro, const Choice& choice, const kernels::TensorMap& own_weights,
                     std::shared_ptr<kernels::Device> device);

  // Encodes sources, each of 1 to kMaxTokens tokens and as many of its vocabulary; `beams` rows will be decoded of
  // each, row n * beams + r of source n. InvalidArgument names the source and its token.
  absl::Status Start(std::span<const std::vector<int32_t>> sources, int64_t beams);
  // Takes the last token of every row, the first time kEos, and computes what is probable to come next. OutOfRange
  // after kMaxTokens.
  absl::Status Step(std::span<const int32_t> tokens);
  // {rows, words} of the last step, valid until the next.
  kernels::TensorView logits() const { return logits_; }
  kernels::TensorView probabilities() const { return probabilities_; }
  // From now on row i goes on from what row parents[i] of the same source was.
  void Reorder(std::span<const int32_t> parents);

  int64_t rows() const { return sources_ * beams_; }
  int64_t steps() const { return steps_; }  // since Start
  // Activations, scratch memory and caches of the shapes that are prepared, without weights.
  int64_t memory_bytes() const;
  // Takes the times of what Step runs from now on; null: of nothing. They must outlive the decoder.
  void CollectTimes(kernels::StepTimes* times) { times_ = times; }

 private:
  // Prepared for one shape.
  struct Encoder {
    int64_t sources, length;
    std::unique_ptr<kernels::Context> context;
  };
  struct Decoder {
    int64_t sources, beams, length, capacity;
    kernels::TensorMap caches;
    std::unique_ptr<kernels::Context> context;
  };

  absl::StatusOr<Encoder*> PrepareEncoder(int64_t sources, int64_t length);
  absl::StatusOr<Decoder*> PrepareDecoder(int64_t capacity);
  // Makes `decoder_` one of this capacity that knows the memory, and the caches so far.
  absl::Status SwitchTo(int64_t capacity);

  SuperTransformerMacro macro_;
  supertransformer::Architecture architecture_;
  const kernels::TensorMap& weights_;
  std::shared_ptr<kernels::Device> device_;
  std::list<Encoder> encoders_;  // most recently used first
  std::list<Decoder> decoders_;
  Encoder* encoder_ = nullptr;
  Decoder* decoder_ = nullptr;
  int64_t sources_ = 0, beams_ = 0, length_ = 0, steps_ = 0;
  kernels::TensorView logits_, probabilities_;
  std::vector<float> reordered_;
  kernels::StepTimes* times_ = nullptr;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRANSLATION_INCREMENTAL_DECODER_H_
