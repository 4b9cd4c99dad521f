// What fuzz targets say when something is wrong.
#ifndef MATHNAS_TESTS_FUZZ_CHECK_H_
#define MATHNAS_TESTS_FUZZ_CHECK_H_

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace mathnas::fuzz {

// Ends the program; libFuzzer and the driver then keep the input.
inline void Check(bool right, std::string_view what) {
  if (right) return;
  std::fprintf(stderr, "FAILED: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace mathnas::fuzz

#endif  // MATHNAS_TESTS_FUZZ_CHECK_H_
