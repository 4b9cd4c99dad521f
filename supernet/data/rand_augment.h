// RandAugment (Cubuk et al., 2020) in the form of timm's "rand-n1-m1-mstd0.5-inc1" (spec/search-spaces.md 5.8): of
// fifteen operations on pixels some are drawn, and each is done with a probability and a magnitude that varies.
#ifndef MATHNAS_SUPERNET_DATA_RAND_AUGMENT_H_
#define MATHNAS_SUPERNET_DATA_RAND_AUGMENT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/data/pixel_operations.h"

namespace mathnas::supernet {

struct RandAugmentOptions {
  int layers = 0;            // operations of an image, one after the other, drawn with replacement; 0: none
  double magnitude = 10;     // 0: nothing happens (but for the operations without an argument) .. 10
  double deviation = 0;      // standard deviation of the magnitude, which is cut to 0 .. 10
  double probability = 0.5;  // that an operation which was drawn is done

  bool operator==(const RandAugmentOptions&) const = default;
};

// "none", or timm's text: "rand" and parts that begin with '-', each at most once: n LAYERS (1 to 10, default 2), m
// MAGNITUDE (0 to 10, default 10), mstd DEVIATION (0 to 100, default 0), p PROBABILITY (default 0.5), and inc1, which
// must be there: the operations are those that do more the larger the magnitude is. InvalidArgument says what was
// expected.
absl::StatusOr<RandAugmentOptions> ParseRandAugment(std::string_view text);
// The text that ParseRandAugment reads.
std::string ToString(const RandAugmentOptions& options);
// InvalidArgument names the option that is out of range.
absl::Status Check(const RandAugmentOptions& options);

// What was drawn for one image: operations and their arguments.
struct PixelOperationDraw {
  PixelOperation operation = PixelOperation::kInvert;
  double argument = 0;
};

// The argument of an operation at a magnitude 0 .. 10; of those with two directions the other one if `negative`.
double ArgumentOf(PixelOperation operation, double magnitude, bool negative);

// Depends on (seed, epoch, index) alone. 0 <= epoch < 2^24, 0 <= index < 2^32.
std::vector<PixelOperationDraw> DrawRandAugment(const RandAugmentOptions& options, uint64_t seed, int64_t epoch,
                                                int64_t index);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_RAND_AUGMENT_H_
