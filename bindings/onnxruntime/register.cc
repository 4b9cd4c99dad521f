// RegisterCustomOps, which onnxruntime calls when it loads this library, and the operator mathnas.Network.
#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/onnxruntime/node.h"
#include "bindings/onnxruntime/runtime_api.h"
#include "fmt/format.h"

namespace mathnas::onnxruntime {
namespace {

constexpr const char* kDomain = "mathnas";
enum Input : size_t { kImage = 0, kBudget = 1, kInputs = 2 };
enum Output : size_t { kLogits = 0, kChoice = 1, kOutputs = 2 };

std::string_view Message(const absl::Status& status) { return {status.message().data(), status.message().size()}; }

OrtStatus* Told(const Api& api, const absl::Status& status) {
  if (status.ok()) return nullptr;
  OrtErrorCode code = kFail;
  if (absl::IsInvalidArgument(status)) code = kInvalidArgument;
  if (absl::IsNotFound(status)) code = kNoSuchFile;
  if (absl::IsUnimplemented(status)) code = kNotImplemented;
  return api.CreateStatus(code, fmt::format("{}.Network: {}", kDomain, Message(status)).c_str());
}

// An error of the runtime's own.
absl::Status Heard(const Api& api, OrtStatus* status) {
  if (status == nullptr) return absl::OkStatus();
  absl::Status heard = absl::InternalError(api.GetErrorMessage(status));
  api.ReleaseStatus(status);
  return heard;
}

// Runs `body`, which returns an absl::Status; nothing is thrown into the runtime.
template <typename Body>
OrtStatus* Call(const Api& api, const Body& body) {
  try {
    return Told(api, body());
  } catch (const std::exception& e) {
    return Told(api, absl::InternalError(e.what()));
  }
}

// ---- Attributes

class Reader {
 public:
  Reader(const Api& api, const OrtKernelInfo* info) : api_(api), info_(info) {}

  // Leaves `value` as it is where the node has no such attribute. InvalidArgument: it has another type.
  absl::Status Read(const char* name, std::string& value) const {
    std::string text(256, '\0');
    size_t size = text.size();
    OrtStatus* status = api_.KernelInfoGetAttributeString(info_, name, text.data(), &size);
    if (status != nullptr && size > text.size()) {
      api_.ReleaseStatus(status);
      text.resize(size);
      status = api_.KernelInfoGetAttributeString(info_, name, text.data(), &size);
    }
    if (Found(status)) {
      value = text.c_str();
      return absl::OkStatus();
    }
    int64_t integer = 0;
    float real = 0;
    if (Found(api_.KernelInfoGetAttributeInt64(info_, name, &integer)) ||
        Found(api_.KernelInfoGetAttributeFloat(info_, name, &real))) {
      return absl::InvalidArgumentError(fmt::format("attribute {}: a number, expected a text", name));
    }
    return absl::OkStatus();
  }
  absl::Status Read(const char* name, int64_t& value) const {
    int64_t integer = 0;
    if (Found(api_.KernelInfoGetAttributeInt64(info_, name, &integer))) {
      value = integer;
      return absl::OkStatus();
    }
    char text[1];
    size_t size = sizeof(text);
    float real = 0;
    OrtStatus* const status = api_.KernelInfoGetAttributeString(info_, name, text, &size);
    const bool is_text = Found(status) || size > sizeof(text);
    if (is_text || Found(api_.KernelInfoGetAttributeFloat(info_, name, &real))) {
      return absl::InvalidArgumentError(fmt::format("attribute {}: expected an integer", name));
    }
    return absl::OkStatus();
  }

 private:
  bool Found(OrtStatus* status) const {
    if (status == nullptr) return true;
    api_.ReleaseStatus(status);
    return false;
  }

  const Api& api_;
  const OrtKernelInfo* info_;
};

absl::StatusOr<Attributes> ReadAttributes(const Api& api, const OrtKernelInfo* info) {
  Attributes a;
  const Reader reader(api, info);
  const std::pair<const char*, std::string*> texts[] = {{"file", &a.file},           {"subnet", &a.subnet},
                                                        {"table", &a.table},         {"budget", &a.budget},
                                                        {"objective", &a.objective}, {"estimator", &a.estimator},
                                                        {"blocks", &a.blocks},       {"statistics", &a.statistics},
                                                        {"follow", &a.follow},       {"calibration", &a.calibration},
                                                        {"layout", &a.layout}};
  for (const auto& [name, value] : texts) {
    if (auto s = reader.Read(name, *value); !s.ok()) return s;
  }
  const std::pair<const char*, int64_t*> numbers[] = {{"threads", &a.threads},       {"lanes", &a.lanes},
                                                      {"batch", &a.batch},           {"prepared", &a.prepared},
                                                      {"image_side", &a.image_side}, {"wait", &a.wait}};
  for (const auto& [name, value] : numbers) {
    if (auto s = reader.Read(name, *value); !s.ok()) return s;
  }
  return a;
}

// ---- Runs

struct Kernel {
  Api api;
  std::unique_ptr<Node> node;
};

std::string ShapeText(const std::vector<int64_t>& shape) { return fmt::format("{{{}}}", fmt::join(shape, ",")); }

// Element type and extents of a tensor.
absl::Status Describe(const Api& api, const OrtValue* value, ElementType& type, std::vector<int64_t>& shape) {
  OrtTensorTypeAndShapeInfo* info = nullptr;
  if (auto s = Heard(api, api.GetTensorTypeAndShape(value, &info)); !s.ok()) return s;
  size_t rank = 0;
  absl::Status s = Heard(api, api.GetTensorElementType(info, &type));
  if (s.ok()) s = Heard(api, api.GetDimensionsCount(info, &rank));
  shape.resize(rank);
  if (s.ok()) s = Heard(api, api.GetDimensions(info, shape.data(), rank));
  api.ReleaseTensorTypeAndShapeInfo(info);
  return s;
}

// The limits of the optional input; "" where there are none.
absl::StatusOr<std::string> BudgetOf(const Api& api, const OrtKernelContext* context) {
  size_t inputs = 0;
  if (auto s = Heard(api, api.KernelContextGetInputCount(context, &inputs)); !s.ok()) return s;
  const OrtValue* value = nullptr;
  if (inputs > kBudget) {
    if (auto s = Heard(api, api.KernelContextGetInput(context, kBudget, &value)); !s.ok()) return s;
  }
  if (value == nullptr) return "";
  ElementType type = kString;
  std::vector<int64_t> shape;
  size_t length = 0, count = 1;
  if (auto s = Describe(api, value, type, shape); !s.ok()) return s;
  for (int64_t extent : shape) count *= static_cast<size_t>(extent);
  if (count == 0) return "";
  if (auto s = Heard(api, api.GetStringTensorDataLength(value, &length)); !s.ok()) return s;
  std::string texts(length, '\0');
  std::vector<size_t> begins(count);
  if (auto s = Heard(api, api.GetStringTensorContent(value, texts.data(), length, begins.data(), count)); !s.ok()) {
    return s;
  }
  begins.push_back(length);
  std::string budget;
  for (size_t i = 0; i < count; ++i) {
    if (begins[i] == begins[i + 1]) continue;
    if (!budget.empty()) budget += ';';
    budget.append(texts, begins[i], begins[i + 1] - begins[i]);
  }
  return budget;
}

absl::Status WriteChoice(const Api& api, OrtKernelContext* context, const std::vector<int64_t>& choice) {
  size_t outputs = 0;
  if (auto s = Heard(api, api.KernelContextGetOutputCount(context, &outputs)); !s.ok()) return s;
  if (outputs <= kChoice) return absl::OkStatus();
  const auto count = static_cast<int64_t>(choice.size());
  OrtValue* value = nullptr;
  if (auto s = Heard(api, api.KernelContextGetOutput(context, kChoice, &count, 1, &value)); !s.ok()) return s;
  if (value == nullptr || choice.empty()) return absl::OkStatus();
  void* data = nullptr;
  if (auto s = Heard(api, api.GetTensorMutableData(value, &data)); !s.ok()) return s;
  std::copy(choice.begin(), choice.end(), static_cast<int64_t*>(data));
  return absl::OkStatus();
}

absl::Status Compute(Kernel& kernel, OrtKernelContext* context) {
  const Api& api = kernel.api;
  Node& node = *kernel.node;
  const OrtValue* image = nullptr;
  ElementType type = kFloat;
  std::vector<int64_t> shape;
  if (auto s = Heard(api, api.KernelContextGetInput(context, kImage, &image)); !s.ok()) return s;
  if (auto s = Describe(api, image, type, shape); !s.ok()) return s;
  std::vector<int64_t> expected = node.image();
  if (shape.size() != 4 || !std::equal(expected.begin(), expected.end(), shape.begin() + 1)) {
    return absl::InvalidArgumentError(
        fmt::format("input image: {}, expected {{N,{}}}", ShapeText(shape), fmt::join(expected, ",")));
  }
  const auto budget = BudgetOf(api, context);
  if (!budget.ok()) return budget.status();
  if (!budget->empty()) {
    if (auto s = node.SetBudget(*budget); !s.ok()) return s;
  }
  std::vector<int64_t> answer = {shape[0]}, choice;
  answer.insert(answer.end(), node.row().begin(), node.row().end());
  OrtValue* logits = nullptr;
  if (auto s = Heard(api, api.KernelContextGetOutput(context, kLogits, answer.data(), answer.size(), &logits));
      !s.ok()) {
    return s;
  }
  void *from = nullptr, *to = nullptr;
  // The interface has no other way to read a tensor; nothing is written to it.
  if (auto s = Heard(api, api.GetTensorMutableData(const_cast<OrtValue*>(image), &from)); !s.ok()) return s;
  if (auto s = Heard(api, api.GetTensorMutableData(logits, &to)); !s.ok()) return s;
  if (auto s = node.Run(static_cast<const float*>(from), shape[0], static_cast<float*>(to), choice); !s.ok()) return s;
  return WriteChoice(api, context, choice);
}

// ---- The operator

OrtStatus* CreateKernel(const OrtCustomOp*, const OrtApi* table, const OrtKernelInfo* info, void** kernel) {
  const Api api(table);
  return Call(api, [&]() -> absl::Status {
    const auto attributes = ReadAttributes(api, info);
    if (!attributes.ok()) return attributes.status();
    auto node = Node::Open(*attributes);
    if (!node.ok()) return node.status();
    *kernel = new Kernel{api, *std::move(node)};
    return absl::OkStatus();
  });
}

OrtStatus* ComputeKernel(void* kernel, OrtKernelContext* context) {
  Kernel& k = *static_cast<Kernel*>(kernel);
  return Call(k.api, [&] { return Compute(k, context); });
}

constexpr OrtCustomOp kNetwork = {
    .version = kVersion,
    .CreateKernel = nullptr,
    .GetName = [](const OrtCustomOp*) { return "Network"; },
    .GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; },
    .GetInputType = [](const OrtCustomOp*, size_t index) { return index == kBudget ? kString : kFloat; },
    .GetInputTypeCount = [](const OrtCustomOp*) -> size_t { return kInputs; },
    .GetOutputType = [](const OrtCustomOp*, size_t index) { return index == kChoice ? kInt64 : kFloat; },
    .GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return kOutputs; },
    .KernelCompute = nullptr,
    .KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); },
    .GetInputCharacteristic = [](const OrtCustomOp*, size_t i) { return i == kImage ? kRequired : kOptional; },
    .GetOutputCharacteristic = [](const OrtCustomOp*, size_t i) { return i == kLogits ? kRequired : kOptional; },
    .GetInputMemoryType = [](const OrtCustomOp*, size_t) { return kDefaultMemory; },
    .GetVariadicInputMinArity = [](const OrtCustomOp*) { return 1; },
    .GetVariadicInputHomogeneity = [](const OrtCustomOp*) { return 1; },
    .GetVariadicOutputMinArity = [](const OrtCustomOp*) { return 1; },
    .GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 1; },
    .CreateKernelV2 = CreateKernel,
    .KernelComputeV2 = ComputeKernel,
};

// The domain of every runtime in the process: sessions refer to it, and nobody says when the last of them ends, so it
// stays.
absl::StatusOr<OrtCustomOpDomain*> DomainOf(const Api& api, const OrtApi* table) {
  static std::mutex mutex;
  static std::vector<std::pair<const OrtApi*, OrtCustomOpDomain*>> domains;
  const std::lock_guard lock(mutex);
  for (const auto& [of, domain] : domains) {
    if (of == table) return domain;
  }
  OrtCustomOpDomain* domain = nullptr;
  if (auto s = Heard(api, api.CreateCustomOpDomain(kDomain, &domain)); !s.ok()) return s;
  if (auto s = Heard(api, api.CustomOpDomainAdd(domain, &kNetwork)); !s.ok()) return s;
  domains.emplace_back(table, domain);
  return domain;
}

}  // namespace
}  // namespace mathnas::onnxruntime

extern "C" __attribute__((visibility("default"))) mathnas::onnxruntime::OrtStatus* RegisterCustomOps(
    mathnas::onnxruntime::OrtSessionOptions* options, const mathnas::onnxruntime::OrtApiBase* base) {
  using namespace mathnas::onnxruntime;  // NOLINT: what follows is the interface, and nothing else
  const OrtApi* table = base->GetApi(kVersion);
  if (table == nullptr) {
    return Api(base->GetApi(kFirstVersion))
        .CreateStatus(kNotImplemented, fmt::format("mathnas.Network: onnxruntime {}, expected 1.{} or newer",
                                                   base->GetVersionString(), kVersion)
                                           .c_str());
  }
  const Api api(table);
  return Call(api, [&]() -> absl::Status {
    const auto domain = DomainOf(api, table);
    if (!domain.ok()) return domain.status();
    return Heard(api, api.AddCustomOpDomain(options, *domain));
  });
}
