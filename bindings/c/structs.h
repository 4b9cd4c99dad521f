// Structs that cross the border: their sizes, so that programs and libraries of different age understand each other.
#ifndef MATHNAS_BINDINGS_C_STRUCTS_H_
#define MATHNAS_BINDINGS_C_STRUCTS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bindings/c/mathnas.h"

namespace mathnas::c {

// What a struct is called, its size when it was first published (which never changes, while fields are added), and its
// defaults, struct_size included.
template <typename T>
struct StructOf;

template <>
struct StructOf<mathnas_model_options> {
  static constexpr const char* kName = "model options";
  static constexpr size_t kFirstSize = 72;
  static mathnas_model_options Defaults();
};
template <>
struct StructOf<mathnas_tensor> {
  static constexpr const char* kName = "tensor";
  static constexpr size_t kFirstSize = 112;
  static mathnas_tensor Defaults();
};
template <>
struct StructOf<mathnas_plan_options> {
  static constexpr const char* kName = "plan options";
  static constexpr size_t kFirstSize = 32;
  static mathnas_plan_options Defaults();
};
template <>
struct StructOf<mathnas_plan_memory> {
  static constexpr const char* kName = "plan memory";
  static constexpr size_t kFirstSize = 32;
  static mathnas_plan_memory Defaults();
};
template <>
struct StructOf<mathnas_context_options> {
  static constexpr const char* kName = "context options";
  static constexpr size_t kFirstSize = 24;
  static mathnas_context_options Defaults();
};
template <>
struct StructOf<mathnas_bindings> {
  static constexpr const char* kName = "bindings";
  static constexpr size_t kFirstSize = 48;
  static mathnas_bindings Defaults();
};
template <>
struct StructOf<mathnas_search_options> {
  static constexpr const char* kName = "search options";
  static constexpr size_t kFirstSize = 96;
  static mathnas_search_options Defaults();
};
template <>
struct StructOf<mathnas_result_summary> {
  static constexpr const char* kName = "result summary";
  static constexpr size_t kFirstSize = 56;
  static mathnas_result_summary Defaults();
};
template <>
struct StructOf<mathnas_network> {
  static constexpr const char* kName = "network";
  static constexpr size_t kFirstSize = 32;
  static mathnas_network Defaults();
};
template <>
struct StructOf<mathnas_predictor_options> {
  static constexpr const char* kName = "predictor options";
  static constexpr size_t kFirstSize = 40;
  static mathnas_predictor_options Defaults();
};
template <>
struct StructOf<mathnas_predictions> {
  static constexpr const char* kName = "predictions";
  static constexpr size_t kFirstSize = 72;
  static mathnas_predictions Defaults();
};
template <>
struct StructOf<mathnas_server_options> {
  static constexpr const char* kName = "server options";
  static constexpr size_t kFirstSize = 224;
  static mathnas_server_options Defaults();
};
template <>
struct StructOf<mathnas_served> {
  static constexpr const char* kName = "served";
  static constexpr size_t kFirstSize = 16;
  static mathnas_served Defaults();
};
template <>
struct StructOf<mathnas_decision> {
  static constexpr const char* kName = "decision";
  static constexpr size_t kFirstSize = 24;
  static mathnas_decision Defaults();
};
template <>
struct StructOf<mathnas_subnet> {
  static constexpr const char* kName = "subnet";
  static constexpr size_t kFirstSize = 48;
  static mathnas_subnet Defaults();
};
template <>
struct StructOf<mathnas_server_statistics> {
  static constexpr const char* kName = "server statistics";
  static constexpr size_t kFirstSize = 400;
  static mathnas_server_statistics Defaults();
};

// The bytes of Read and Write, for structs of any type. `known` is the size that this library knows.
absl::Status CopyIn(const void* from, void* to, size_t known, size_t first, const char* name);
absl::Status CopyOut(const void* from, void* to, size_t known, size_t first, const char* name);

// Of a struct of the caller's, which is to be `size` bytes long.
absl::Status Prepare(const void* defaults, void* to, size_t size, size_t known, size_t first, const char* name);

// A struct of the caller; the defaults if it is null, and of fields that it is too old to have. InvalidArgument: a size
// that no version had, or something that this version does not know.
template <typename T>
absl::StatusOr<T> Read(const T* from) {
  T to = StructOf<T>::Defaults();
  if (from == nullptr) return to;
  if (auto s = CopyIn(from, &to, sizeof(T), StructOf<T>::kFirstSize, StructOf<T>::kName); !s.ok()) return s;
  to.struct_size = sizeof(T);
  return to;
}

// Fills as much of a struct of the caller as it has; what this library does not know becomes zero.
template <typename T>
absl::Status Write(const T& from, T* to) {
  return CopyOut(&from, to, sizeof(T), StructOf<T>::kFirstSize, StructOf<T>::kName);
}

// A text of the caller. InvalidArgument: null.
absl::StatusOr<std::string> Text(const char* text, std::string_view name);
// A list of texts of the caller, which may be null if there are none.
absl::StatusOr<std::vector<std::string>> Texts(const char* const* texts, size_t count, std::string_view name);

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_STRUCTS_H_
