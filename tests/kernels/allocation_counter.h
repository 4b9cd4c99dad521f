// Counts every allocation of the process by taking the place of malloc and its relatives, and tells those that oneDNN
// makes while it executes a primitive or waits for one from all others. Link it into one test program only; sanitizers
// have an allocator of their own and do not go with it.
#ifndef MATHNAS_TESTS_KERNELS_ALLOCATION_COUNTER_H_
#define MATHNAS_TESTS_KERNELS_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace mathnas::kernels::testing {

struct Allocations {
  int64_t own = 0;      // outside of such calls, on any thread
  int64_t library = 0;  // inside of it
  int64_t live = 0;     // allocations that were not freed, of everybody
};

// Since the start of the process.
Allocations CountAllocations();

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_TESTS_KERNELS_ALLOCATION_COUNTER_H_
