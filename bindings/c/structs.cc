#include "bindings/c/structs.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "bindings/c/status.h"
#include "fmt/format.h"

namespace mathnas::c {
namespace {

// No struct will ever be as large: a size beyond is no size, and reading so far would leave what the caller has.
constexpr size_t kLargest = 4096;

// The size that a struct of the caller says it has.
absl::StatusOr<size_t> SizeOf(const void* s, size_t first, const char* name) {
  if (s == nullptr) return Null(name, "the address of a struct");
  uint32_t size = 0;
  std::memcpy(&size, s, sizeof(size));
  if (size < first || size > kLargest || size % 8 != 0) {
    return absl::InvalidArgumentError(
        fmt::format("{}: struct_size is {}, expected {} or what a later version has; its init function sets it", name,
                    size, first));
  }
  return size;
}

// Zero but for its size.
template <typename T>
T Sized() {
  static_assert(sizeof(T) >= StructOf<T>::kFirstSize && sizeof(T) % 8 == 0);
  T s{};
  s.struct_size = sizeof(T);
  return s;
}

}  // namespace

absl::Status CopyIn(const void* from, void* to, size_t known, size_t first, const char* name) {
  const absl::StatusOr<size_t> size = SizeOf(from, first, name);
  if (!size.ok()) return size.status();
  const auto* bytes = static_cast<const uint8_t*>(from);
  for (size_t i = known; i < *size; ++i) {
    if (bytes[i] != 0) {
      return absl::InvalidArgumentError(
          fmt::format("{}: byte {} of {} is set, but this version of the library knows {}: it is older than the header "
                      "of the program",
                      name, i, *size, known));
    }
  }
  std::memcpy(to, from, std::min(*size, known));
  return absl::OkStatus();
}

absl::Status CopyOut(const void* from, void* to, size_t known, size_t first, const char* name) {
  const absl::StatusOr<size_t> size = SizeOf(to, first, name);
  if (!size.ok()) return size.status();
  constexpr size_t kOwn = sizeof(uint32_t);  // struct_size stays as the caller has it
  auto* bytes = static_cast<uint8_t*>(to);
  std::memcpy(bytes + kOwn, static_cast<const uint8_t*>(from) + kOwn, std::min(*size, known) - kOwn);
  if (*size > known) std::memset(bytes + known, 0, *size - known);
  return absl::OkStatus();
}

mathnas_model_options StructOf<mathnas_model_options>::Defaults() {
  auto options = Sized<mathnas_model_options>();
  options.threads = 1;
  return options;
}

mathnas_tensor StructOf<mathnas_tensor>::Defaults() { return Sized<mathnas_tensor>(); }

mathnas_plan_options StructOf<mathnas_plan_options>::Defaults() {
  auto options = Sized<mathnas_plan_options>();
  options.batch = 1;
  return options;
}

mathnas_plan_memory StructOf<mathnas_plan_memory>::Defaults() { return Sized<mathnas_plan_memory>(); }
mathnas_context_options StructOf<mathnas_context_options>::Defaults() { return Sized<mathnas_context_options>(); }
mathnas_bindings StructOf<mathnas_bindings>::Defaults() { return Sized<mathnas_bindings>(); }

mathnas_search_options StructOf<mathnas_search_options>::Defaults() {
  auto options = Sized<mathnas_search_options>();
  options.top = 1;
  options.objective = "accuracy";
  options.estimator = "eq6";
  options.flops_fixed = "exclude";
  options.time_limit = std::numeric_limits<double>::infinity();
  return options;
}

mathnas_result_summary StructOf<mathnas_result_summary>::Defaults() { return Sized<mathnas_result_summary>(); }
mathnas_network StructOf<mathnas_network>::Defaults() { return Sized<mathnas_network>(); }

mathnas_predictor_options StructOf<mathnas_predictor_options>::Defaults() {
  auto options = Sized<mathnas_predictor_options>();
  options.estimator = "eq6";
  options.flops_fixed = "exclude";
  return options;
}

mathnas_predictions StructOf<mathnas_predictions>::Defaults() {
  auto predictions = Sized<mathnas_predictions>();
  predictions.threads = 1;
  predictions.value_type = MATHNAS_F64;
  predictions.choice_type = MATHNAS_U8;
  return predictions;
}

mathnas_server_options StructOf<mathnas_server_options>::Defaults() {
  auto options = Sized<mathnas_server_options>();
  options.lanes = 1;
  options.batch = 1;
  options.prepared = 8;
  options.background = 1;
  options.calibration_batches = 20;
  options.calibration_batch = 128;
  options.follow_warmup = 5;
  options.follow_window = 20;
  options.follow_over = 0.05;
  options.follow_under = 0.15;
  options.follow_margin = 0.02;
  options.follow_dwell = 1;
  options.follow_longest_patience = 64;
  return options;
}

mathnas_served StructOf<mathnas_served>::Defaults() { return Sized<mathnas_served>(); }
mathnas_decision StructOf<mathnas_decision>::Defaults() { return Sized<mathnas_decision>(); }
mathnas_subnet StructOf<mathnas_subnet>::Defaults() { return Sized<mathnas_subnet>(); }
mathnas_server_statistics StructOf<mathnas_server_statistics>::Defaults() { return Sized<mathnas_server_statistics>(); }

absl::StatusOr<std::string> Text(const char* text, std::string_view name) {
  if (text == nullptr) return Null(name, "a text");
  return std::string(text);
}

absl::StatusOr<std::vector<std::string>> Texts(const char* const* texts, size_t count, std::string_view name) {
  if (texts == nullptr && count > 0) return Null(name, fmt::format("a list of {} texts", count));
  std::vector<std::string> list;
  for (size_t i = 0; i < count; ++i) {
    absl::StatusOr<std::string> text = Text(texts[i], fmt::format("{}[{}]", name, i));
    if (!text.ok()) return text.status();
    list.push_back(*std::move(text));
  }
  return list;
}

absl::Status Prepare(const void* defaults, void* to, size_t size, size_t known, size_t first, const char* name) {
  if (to == nullptr) return Null(name, "the address of a struct");
  const auto size32 = static_cast<uint32_t>(std::min<size_t>(size, UINT32_MAX));
  if (const auto checked = SizeOf(&size32, first, name); !checked.ok()) return checked.status();
  std::memset(to, 0, size);
  std::memcpy(to, defaults, std::min(size, known));
  std::memcpy(to, &size32, sizeof(size32));
  return absl::OkStatus();
}

namespace {

template <typename T>
mathnas_status Init(T* s, size_t size) {
  return Call([&] {
    const T defaults = StructOf<T>::Defaults();
    return Prepare(&defaults, s, size, sizeof(T), StructOf<T>::kFirstSize, StructOf<T>::kName);
  });
}

}  // namespace
}  // namespace mathnas::c

using mathnas::c::Init;

mathnas_status mathnas_model_options_init(mathnas_model_options* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_tensor_init(mathnas_tensor* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_plan_options_init(mathnas_plan_options* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_plan_memory_init(mathnas_plan_memory* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_context_options_init(mathnas_context_options* s, size_t struct_size) {
  return Init(s, struct_size);
}
mathnas_status mathnas_bindings_init(mathnas_bindings* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_search_options_init(mathnas_search_options* s, size_t struct_size) {
  return Init(s, struct_size);
}
mathnas_status mathnas_result_summary_init(mathnas_result_summary* s, size_t struct_size) {
  return Init(s, struct_size);
}
mathnas_status mathnas_network_init(mathnas_network* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_predictor_options_init(mathnas_predictor_options* s, size_t struct_size) {
  return Init(s, struct_size);
}
mathnas_status mathnas_predictions_init(mathnas_predictions* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_server_options_init(mathnas_server_options* s, size_t struct_size) {
  return Init(s, struct_size);
}
mathnas_status mathnas_served_init(mathnas_served* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_decision_init(mathnas_decision* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_subnet_init(mathnas_subnet* s, size_t struct_size) { return Init(s, struct_size); }
mathnas_status mathnas_server_statistics_init(mathnas_server_statistics* s, size_t struct_size) {
  return Init(s, struct_size);
}
