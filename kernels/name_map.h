// Values by name, looked up by any kind of text: graphs and sets of tensors have hundreds of names, alike at their
// beginnings.
#ifndef MATHNAS_KERNELS_NAME_MAP_H_
#define MATHNAS_KERNELS_NAME_MAP_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace mathnas::kernels {

// Of std::string_view: Abseil's own may know another type of that name alone, as Debian's does.
struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};

// In no order.
template <typename T>
using NameMap = absl::flat_hash_map<std::string, T, NameHash, std::equal_to<>>;

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_NAME_MAP_H_
