// The scale of the loss in training with gradients in float16, whose least is 2^-24 and largest 65504: what flows back
// is multiplied by it, and the optimiser divides (Micikevicius et al., Mixed Precision Training, 2018, sections 3.2 and
// 4).
#ifndef MATHNAS_SUPERNET_TRAINING_LOSS_SCALE_H_
#define MATHNAS_SUPERNET_TRAINING_LOSS_SCALE_H_

#include <algorithm>
#include <cstdint>

namespace mathnas::supernet {

struct LossScale {
  // Beyond kLargest nothing is gained: gradients of 2^-48 are there.
  static constexpr double kFirst = 0x1p16, kLargest = 0x1p24;
  static constexpr int64_t kInterval = 2000;

  double value = kFirst;  // a power of two, so that no digit is lost
  int64_t updates = 0;    // since the value changed

  // After the gradients of an update. Where one was not finite, the next scale is half of this one; after kInterval
  // updates in a row it is twice of it.
  void Count(bool finite) {
    if (!finite) {
      *this = {value / 2, 0};
    } else if (++updates == kInterval) {
      *this = {std::min(value * 2, kLargest), 0};
    }
  }
  bool operator==(const LossScale&) const = default;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_LOSS_SCALE_H_
