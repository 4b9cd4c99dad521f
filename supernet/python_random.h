// CPython's random number generator: draws that must be those of a reference written in Python.
#ifndef MATHNAS_SUPERNET_PYTHON_RANDOM_H_
#define MATHNAS_SUPERNET_PYTHON_RANDOM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mathnas::supernet {

// `random.Random(seed)` for an integer seed: MT19937 (Matsumoto and Nishimura, 1998) with its init_by_array over the
// 32-bit words of the seed. The draws are those of Python 3.2 and later. Everything else takes kernels::Random.
class PythonRandom {
 public:
  explicit PythonRandom(uint64_t seed);

  // getrandbits(bits), 1 <= bits <= 64.
  uint64_t Bits(int bits);
  // _randbelow(n): uniform in 0 .. n-1, n >= 1. Draws even when n is 1.
  uint64_t Below(uint64_t n);
  // random(): uniform in [0, 1), a multiple of 2^-53.
  double Uniform();
  // choice(items) of a list that is not empty.
  template <typename T>
  const T& Choice(std::span<const T> items) {
    return items[Below(items.size())];
  }

 private:
  static constexpr size_t kWords = 624;

  void Seed(uint32_t seed);
  uint32_t Next();
  void Refill();

  std::array<uint32_t, kWords> state_;
  size_t used_ = kWords;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_PYTHON_RANDOM_H_
