// What the tests over all operators and shapes share: the seed, the command that repeats a failure, comparisons.
#ifndef MATHNAS_TESTS_KERNELS_OPERATOR_TEST_FIXTURE_H_
#define MATHNAS_TESTS_KERNELS_OPERATOR_TEST_FIXTURE_H_

#include <cerrno>
#include <cstdlib>
#include <string>

#include "absl/hash/hash.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/random.h"
#include "tests/kernels/operator_shapes.h"

namespace mathnas::kernels::testing {

// MATHNAS_TEST_SEED, or 1.
inline uint64_t TestSeed() {
  const char* text = std::getenv("MATHNAS_TEST_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

class OperatorShapeTest : public ::testing::TestWithParam<OperatorShape> {
 protected:
  const OperatorCase& entry() const { return *GetParam().entry; }
  // The same numbers for the same seed and shape, in all tests.
  Random random(uint8_t purpose = 0) const {
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: absl::Hash differs from process to process
    for (char c : GetParam().name()) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    return Random(TestSeed(), Random::Stream(purpose, hash >> 40, hash));
  }
  static std::string Repeat() {
    const ::testing::TestInfo* info = ::testing::UnitTest::GetInstance()->current_test_info();
    return fmt::format("seed {}; repeat with\n  MATHNAS_TEST_SEED={} {} --gtest_filter={}.{}", TestSeed(), TestSeed(),
                       program_invocation_name, info->test_suite_name(), info->name());
  }
};

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_TESTS_KERNELS_OPERATOR_TEST_FIXTURE_H_
