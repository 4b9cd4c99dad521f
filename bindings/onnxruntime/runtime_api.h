// What this library needs of the C interface of ONNX Runtime: opaque objects, one struct, and the places of a few
// functions in its table. Distributions have no headers of it, and so little is needed that it is declared here.
//
// The interface is stable by its own rules: OrtApi is a table of function pointers that only grows at its end, and
// everything used here is in its first part, version 1 (2019). OrtCustomOp says itself which version it is of, and the
// runtime reads no further: kVersion is the first whose kernels return statuses (onnxruntime 1.16, 2023). A runtime
// that is older has no table of that version, which is told. Numbers are those of the public header
// onnxruntime_c_api.h; scripts/check-onnxruntime runs them against the released wheel.
#ifndef MATHNAS_BINDINGS_ONNXRUNTIME_RUNTIME_API_H_
#define MATHNAS_BINDINGS_ONNXRUNTIME_RUNTIME_API_H_

#include <cstddef>
#include <cstdint>

namespace mathnas::onnxruntime {

inline constexpr uint32_t kVersion = 16, kFirstVersion = 1;

// Opaque.
struct OrtApi;
struct OrtStatus;  // null: no error
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtKernelInfo;
struct OrtKernelContext;
struct OrtValue;
struct OrtTensorTypeAndShapeInfo;

struct OrtApiBase {
  const OrtApi* (*GetApi)(uint32_t version);  // null: a version that it does not have
  const char* (*GetVersionString)();
};

enum OrtErrorCode : int { kFail = 1, kInvalidArgument = 2, kNoSuchFile = 3, kNotImplemented = 9 };
enum ElementType : int { kFloat = 1, kInt64 = 7, kString = 8 };
enum Characteristic : int { kRequired = 0, kOptional = 1 };
enum MemoryType : int { kDefaultMemory = 0 };

// An operator, as the runtime asks for it. `this_` is the struct itself.
struct OrtCustomOp {
  uint32_t version;
  void* (*CreateKernel)(const OrtCustomOp* this_, const OrtApi* api, const OrtKernelInfo* info);  // before kVersion
  const char* (*GetName)(const OrtCustomOp* this_);
  const char* (*GetExecutionProviderType)(const OrtCustomOp* this_);  // null: CPU
  ElementType (*GetInputType)(const OrtCustomOp* this_, size_t index);
  size_t (*GetInputTypeCount)(const OrtCustomOp* this_);
  ElementType (*GetOutputType)(const OrtCustomOp* this_, size_t index);
  size_t (*GetOutputTypeCount)(const OrtCustomOp* this_);
  void (*KernelCompute)(void* kernel, OrtKernelContext* context);  // before kVersion
  void (*KernelDestroy)(void* kernel);
  Characteristic (*GetInputCharacteristic)(const OrtCustomOp* this_, size_t index);
  Characteristic (*GetOutputCharacteristic)(const OrtCustomOp* this_, size_t index);
  MemoryType (*GetInputMemoryType)(const OrtCustomOp* this_, size_t index);
  int (*GetVariadicInputMinArity)(const OrtCustomOp* this_);
  int (*GetVariadicInputHomogeneity)(const OrtCustomOp* this_);
  int (*GetVariadicOutputMinArity)(const OrtCustomOp* this_);
  int (*GetVariadicOutputHomogeneity)(const OrtCustomOp* this_);
  OrtStatus* (*CreateKernelV2)(const OrtCustomOp* this_, const OrtApi* api, const OrtKernelInfo* info, void** kernel);
  OrtStatus* (*KernelComputeV2)(void* kernel, OrtKernelContext* context);
};

// Functions of OrtApi by their places. Those that return a status return null where all is well.
class Api {
 public:
  explicit Api(const OrtApi* api) : table_(reinterpret_cast<const Function*>(api)) {}

  OrtStatus* CreateStatus(OrtErrorCode code, const char* text) const {
    return At<OrtStatus*(OrtErrorCode, const char*)>(0)(code, text);
  }
  const char* GetErrorMessage(const OrtStatus* status) const { return At<const char*(const OrtStatus*)>(2)(status); }
  OrtStatus* CreateCustomOpDomain(const char* name, OrtCustomOpDomain** domain) const {
    return At<OrtStatus*(const char*, OrtCustomOpDomain**)>(26)(name, domain);
  }
  OrtStatus* CustomOpDomainAdd(OrtCustomOpDomain* domain, const OrtCustomOp* op) const {
    return At<OrtStatus*(OrtCustomOpDomain*, const OrtCustomOp*)>(27)(domain, op);
  }
  OrtStatus* AddCustomOpDomain(OrtSessionOptions* options, OrtCustomOpDomain* domain) const {
    return At<OrtStatus*(OrtSessionOptions*, OrtCustomOpDomain*)>(28)(options, domain);
  }
  OrtStatus* GetTensorMutableData(OrtValue* value, void** data) const {
    return At<OrtStatus*(OrtValue*, void**)>(51)(value, data);
  }
  // Of all texts together, without zeros in between.
  OrtStatus* GetStringTensorDataLength(const OrtValue* value, size_t* length) const {
    return At<OrtStatus*(const OrtValue*, size_t*)>(53)(value, length);
  }
  OrtStatus* GetStringTensorContent(const OrtValue* value, void* texts, size_t length, size_t* begins,
                                    size_t count) const {
    return At<OrtStatus*(const OrtValue*, void*, size_t, size_t*, size_t)>(54)(value, texts, length, begins, count);
  }
  OrtStatus* GetTensorElementType(const OrtTensorTypeAndShapeInfo* info, ElementType* type) const {
    return At<OrtStatus*(const OrtTensorTypeAndShapeInfo*, ElementType*)>(60)(info, type);
  }
  OrtStatus* GetDimensionsCount(const OrtTensorTypeAndShapeInfo* info, size_t* count) const {
    return At<OrtStatus*(const OrtTensorTypeAndShapeInfo*, size_t*)>(61)(info, count);
  }
  OrtStatus* GetDimensions(const OrtTensorTypeAndShapeInfo* info, int64_t* extents, size_t count) const {
    return At<OrtStatus*(const OrtTensorTypeAndShapeInfo*, int64_t*, size_t)>(62)(info, extents, count);
  }
  OrtStatus* GetTensorTypeAndShape(const OrtValue* value, OrtTensorTypeAndShapeInfo** info) const {
    return At<OrtStatus*(const OrtValue*, OrtTensorTypeAndShapeInfo**)>(65)(value, info);
  }
  OrtStatus* KernelInfoGetAttributeFloat(const OrtKernelInfo* info, const char* name, float* value) const {
    return At<OrtStatus*(const OrtKernelInfo*, const char*, float*)>(85)(info, name, value);
  }
  OrtStatus* KernelInfoGetAttributeInt64(const OrtKernelInfo* info, const char* name, int64_t* value) const {
    return At<OrtStatus*(const OrtKernelInfo*, const char*, int64_t*)>(86)(info, name, value);
  }
  // `size`: of the text's memory, and then the bytes of the text with its zero; an error if they do not fit.
  OrtStatus* KernelInfoGetAttributeString(const OrtKernelInfo* info, const char* name, char* text, size_t* size) const {
    return At<OrtStatus*(const OrtKernelInfo*, const char*, char*, size_t*)>(87)(info, name, text, size);
  }
  OrtStatus* KernelContextGetInputCount(const OrtKernelContext* context, size_t* count) const {
    return At<OrtStatus*(const OrtKernelContext*, size_t*)>(88)(context, count);
  }
  OrtStatus* KernelContextGetOutputCount(const OrtKernelContext* context, size_t* count) const {
    return At<OrtStatus*(const OrtKernelContext*, size_t*)>(89)(context, count);
  }
  // Null: an optional input that is not there.
  OrtStatus* KernelContextGetInput(const OrtKernelContext* context, size_t index, const OrtValue** value) const {
    return At<OrtStatus*(const OrtKernelContext*, size_t, const OrtValue**)>(90)(context, index, value);
  }
  // Null: an optional output that nobody wants.
  OrtStatus* KernelContextGetOutput(OrtKernelContext* context, size_t index, const int64_t* extents, size_t rank,
                                    OrtValue** value) const {
    return At<OrtStatus*(OrtKernelContext*, size_t, const int64_t*, size_t, OrtValue**)>(91)(context, index, extents,
                                                                                             rank, value);
  }
  void ReleaseStatus(OrtStatus* status) const { At<void(OrtStatus*)>(93)(status); }
  void ReleaseTensorTypeAndShapeInfo(OrtTensorTypeAndShapeInfo* info) const {
    At<void(OrtTensorTypeAndShapeInfo*)>(99)(info);
  }

 private:
  using Function = void (*)();
  template <typename F>
  F* At(size_t place) const {
    return reinterpret_cast<F*>(table_[place]);
  }

  const Function* table_;
};

}  // namespace mathnas::onnxruntime

#endif  // MATHNAS_BINDINGS_ONNXRUNTIME_RUNTIME_API_H_
