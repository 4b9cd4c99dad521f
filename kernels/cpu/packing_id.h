// What PackedWeights (packed_weights.h) tells the ways of packing apart by, for code that has no object of each.
#ifndef MATHNAS_KERNELS_CPU_PACKING_ID_H_
#define MATHNAS_KERNELS_CPU_PACKING_ID_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace mathnas::kernels::cpu {

// An address for `way` with the numbers that it depends on, the same one every time. Thread-safe.
const void* PackingId(std::string_view way, const std::array<int64_t, 4>& numbers);

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_PACKING_ID_H_
