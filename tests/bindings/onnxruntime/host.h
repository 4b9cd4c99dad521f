// A host that stands in for onnxruntime: the functions that the library calls, at their places in the table, and
// everything that they hand out is counted. What is at other places ends the program. It shows what the library does
// with what it is given; that the places are right shows wheel_test.py.
#ifndef TESTS_BINDINGS_ONNXRUNTIME_HOST_H_
#define TESTS_BINDINGS_ONNXRUNTIME_HOST_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/onnxruntime/runtime_api.h"

namespace mathnas::onnxruntime {

struct OrtStatus {
  OrtErrorCode code;
  std::string text;
};
struct OrtTensorTypeAndShapeInfo {
  ElementType type;
  std::vector<int64_t> shape;
};
struct OrtValue {
  std::vector<int64_t> shape;
  std::variant<std::vector<float>, std::vector<int64_t>, std::vector<std::string>> data;
};
struct OrtCustomOpDomain {
  std::string name;
  const OrtCustomOp* op = nullptr;
};
struct OrtSessionOptions {
  std::vector<OrtCustomOpDomain*> domains;
};
struct OrtKernelInfo {
  std::map<std::string, std::variant<std::string, int64_t, float>> attributes;
};
struct OrtKernelContext {
  std::vector<std::optional<OrtValue>> inputs, outputs;  // none: an optional one that is not there
};

namespace testing {

inline std::atomic<int> statuses = 0, infos = 0;  // alive
inline uint32_t newest_version = 99;
inline bool fail_outputs = false;

inline OrtStatus* Error(OrtErrorCode code, const char* text) {
  ++statuses;
  return new OrtStatus{code, text};
}

using Function = void (*)();
template <typename F>
Function As(F* function) {
  return reinterpret_cast<Function>(function);
}

template <typename T>
OrtStatus* Attribute(const OrtKernelInfo* info, const char* name, T* value) {
  const auto found = info->attributes.find(name);
  if (found == info->attributes.end() || !std::holds_alternative<T>(found->second)) return Error(kFail, "none");
  *value = std::get<T>(found->second);
  return nullptr;
}

inline const std::array<Function, 128>& Table() {
  static const auto table = [] {
    std::array<Function, 128> t;
    t.fill(As(+[] {
      std::fprintf(stderr, "a function that the host does not have\n");
      std::abort();
    }));
    t[0] = As(+[](OrtErrorCode code, const char* text) { return Error(code, text); });
    t[2] = As(+[](const OrtStatus* status) { return status->text.c_str(); });
    t[26] = As(+[](const char* name, OrtCustomOpDomain** domain) -> OrtStatus* {
      *domain = new OrtCustomOpDomain{name};  // stays: the library says so
      return nullptr;
    });
    t[27] = As(+[](OrtCustomOpDomain* domain, const OrtCustomOp* op) -> OrtStatus* {
      domain->op = op;
      return nullptr;
    });
    t[28] = As(+[](OrtSessionOptions* options, OrtCustomOpDomain* domain) -> OrtStatus* {
      options->domains.push_back(domain);
      return nullptr;
    });
    t[51] = As(+[](OrtValue* value, void** data) -> OrtStatus* {
      if (auto* floats = std::get_if<std::vector<float>>(&value->data)) *data = floats->data();
      if (auto* integers = std::get_if<std::vector<int64_t>>(&value->data)) *data = integers->data();
      return nullptr;
    });
    t[53] = As(+[](const OrtValue* value, size_t* length) -> OrtStatus* {
      *length = 0;
      for (const auto& text : std::get<std::vector<std::string>>(value->data)) *length += text.size();
      return nullptr;
    });
    t[54] = As(+[](const OrtValue* value, void* to, size_t, size_t* begins, size_t) -> OrtStatus* {
      size_t at = 0;
      for (const auto& text : std::get<std::vector<std::string>>(value->data)) {
        *begins++ = at;
        std::memcpy(static_cast<char*>(to) + at, text.data(), text.size());
        at += text.size();
      }
      return nullptr;
    });
    t[60] = As(+[](const OrtTensorTypeAndShapeInfo* info, ElementType* type) -> OrtStatus* {
      *type = info->type;
      return nullptr;
    });
    t[61] = As(+[](const OrtTensorTypeAndShapeInfo* info, size_t* count) -> OrtStatus* {
      *count = info->shape.size();
      return nullptr;
    });
    t[62] = As(+[](const OrtTensorTypeAndShapeInfo* info, int64_t* extents, size_t count) -> OrtStatus* {
      std::copy_n(info->shape.begin(), count, extents);
      return nullptr;
    });
    t[65] = As(+[](const OrtValue* value, OrtTensorTypeAndShapeInfo** info) -> OrtStatus* {
      constexpr ElementType kTypes[] = {kFloat, kInt64, kString};
      ++infos;
      *info = new OrtTensorTypeAndShapeInfo{kTypes[value->data.index()], value->shape};
      return nullptr;
    });
    t[85] = As(+[](const OrtKernelInfo* info, const char* name, float* value) { return Attribute(info, name, value); });
    t[86] =
        As(+[](const OrtKernelInfo* info, const char* name, int64_t* value) { return Attribute(info, name, value); });
    t[87] = As(+[](const OrtKernelInfo* info, const char* name, char* text, size_t* size) -> OrtStatus* {
      std::string value;
      if (OrtStatus* status = Attribute(info, name, &value); status != nullptr) return status;
      const size_t room = std::exchange(*size, value.size() + 1);
      if (room < *size) return Error(kInvalidArgument, "too small");
      std::memcpy(text, value.c_str(), *size);
      return nullptr;
    });
    t[88] = As(+[](const OrtKernelContext* context, size_t* count) -> OrtStatus* {
      *count = context->inputs.size();
      return nullptr;
    });
    t[89] = As(+[](const OrtKernelContext* context, size_t* count) -> OrtStatus* {
      *count = context->outputs.size();
      return nullptr;
    });
    t[90] = As(+[](const OrtKernelContext* context, size_t index, const OrtValue** value) -> OrtStatus* {
      const auto& input = context->inputs.at(index);
      *value = input ? &*input : nullptr;
      return nullptr;
    });
    t[91] = As(+[](OrtKernelContext* context, size_t index, const int64_t* extents, size_t rank,
                   OrtValue** value) -> OrtStatus* {
      if (fail_outputs) return Error(kFail, "no memory for outputs");
      auto& output = context->outputs.at(index);
      *value = nullptr;
      if (!output) return nullptr;
      output->shape.assign(extents, extents + rank);
      size_t count = 1;
      for (int64_t extent : output->shape) count *= static_cast<size_t>(extent);
      std::visit([&](auto& data) { data.resize(count); }, output->data);
      *value = &*output;
      return nullptr;
    });
    t[93] = As(+[](OrtStatus* status) {
      --statuses;
      delete status;
    });
    t[99] = As(+[](OrtTensorTypeAndShapeInfo* info) {
      --infos;
      delete info;
    });
    return t;
  }();
  return table;
}

inline const OrtApiBase* Host() {
  static const OrtApiBase base = {[](uint32_t version) -> const OrtApi* {
                                    if (version > newest_version) return nullptr;
                                    return reinterpret_cast<const OrtApi*>(Table().data());
                                  },
                                  [] { return "0.0.0"; }};
  return &base;
}

}  // namespace testing
}  // namespace mathnas::onnxruntime

#endif  // TESTS_BINDINGS_ONNXRUNTIME_HOST_H_
