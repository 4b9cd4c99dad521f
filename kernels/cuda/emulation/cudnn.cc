// The entry points of cuDNN: graphs of the backend API, with the checks that they meet there, computed on the host.
#include <cudnn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "kernels/cuda/emulation/cudnn_compute.h"
#include "kernels/cuda/emulation/cudnn_descriptors.h"
#include "kernels/cuda/emulation/emulation.h"

// What the handle of cuDNN is here.
struct cudnnContext {
  CUstream stream = nullptr;
};

namespace {

using mathnas::kernels::cuda::emulation::Check;
using mathnas::kernels::cuda::emulation::Compute;
using mathnas::kernels::cuda::emulation::Content;
using mathnas::kernels::cuda::emulation::HasEngine;
using mathnas::kernels::cuda::emulation::NamesOf;
using mathnas::kernels::cuda::emulation::SizeOf;
using ContentPtr = std::shared_ptr<const Content>;

// What a descriptor is here. Finalised contents do not change.
struct Descriptor {
  std::shared_ptr<Content> content;
};

thread_local std::string last_error;

cudnnStatus_t Fail(cudnnStatus_t status, const char* text) {
  last_error = text;
  return status;
}

// Two engines: one that must not be used, which heuristics prefer, and one that only runs with a certain knob.
constexpr int64_t kGood = 3, kNondeterministic = 7;
constexpr int64_t kKnob = 5;
constexpr int64_t kWorkspaceBytes = 1000;

template <typename T>
void Put(Content& content, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, T value) {
  Content::Attribute& a = content.attributes[name];
  a.type = type;
  a.count = 1;
  a.bytes.resize(sizeof(T));
  std::memcpy(a.bytes.data(), &value, sizeof(T));
}
void Put(Content& content, cudnnBackendAttributeName_t name, ContentPtr value) {
  Content::Attribute& a = content.attributes[name];
  a.type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
  ++a.count;
  a.descriptors.push_back(std::move(value));
}

std::shared_ptr<Content> New(cudnnBackendDescriptorType_t type) {
  auto content = std::make_shared<Content>();
  content->type = type;
  return content;
}

ContentPtr Configuration(const ContentPtr& graph, int64_t index) {
  auto engine = New(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  Put(*engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
  Put(*engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, index);
  if (index == kNondeterministic) {
    Put(*engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
  }
  engine->finalized = true;
  auto knob = New(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
  Put(*knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, CUDNN_KNOB_TYPE_TILE_SIZE);
  Put(*knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, kKnob);
  knob->finalized = true;
  auto configuration = New(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  Put(*configuration, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  Put(*configuration, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, knob);
  configuration->finalized = true;
  return configuration;
}

// The engine of a plan runs if it is one, with its knob.
cudnnStatus_t CheckPlan(const Content& plan) {
  const ContentPtr configuration = plan.Descriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  const ContentPtr engine = configuration->Descriptor(CUDNN_ATTR_ENGINECFG_ENGINE);
  const ContentPtr knob = configuration->Descriptor(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES);
  if (engine->One<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX) != kGood || knob == nullptr ||
      knob->One<int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE) != kKnob ||
      !HasEngine(*engine->Descriptor(CUDNN_ATTR_ENGINE_OPERATION_GRAPH))) {
    return Fail(CUDNN_STATUS_NOT_SUPPORTED, "not an engine for this graph, or not with these knobs");
  }
  return CUDNN_STATUS_SUCCESS;
}

// The tensors of a graph that are in memory, by number.
std::map<int64_t, ContentPtr> TensorsOf(const Content& graph) {
  std::map<int64_t, ContentPtr> tensors;
  for (const auto& op : graph.attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors) {
    for (const auto& [name, attribute] : op->attributes) {
      for (const ContentPtr& t : attribute.descriptors) {
        if (t->type != CUDNN_BACKEND_TENSOR_DESCRIPTOR || t->One<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL)) continue;
        tensors[t->One<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)] = t;
      }
    }
  }
  return tensors;
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() {
  const int claimed = mathnas_cuda_emulation_settings()->cudnn;
  return claimed != 0 ? static_cast<size_t>(claimed) : CUDNN_VERSION;
}
const char* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : "error of the emulated cuDNN";
}
void cudnnGetLastErrorString(char* message, size_t size) {
  std::snprintf(message, size, "%s", last_error.c_str());
  last_error.clear();
}
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  *descriptor = new Descriptor{New(type)};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete static_cast<Descriptor*>(descriptor);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  Content& content = *static_cast<Descriptor*>(descriptor)->content;
  if (content.finalized) return Fail(CUDNN_STATUS_BAD_PARAM, "a finalised descriptor does not change");
  if (count < 1 || values == nullptr) return Fail(CUDNN_STATUS_BAD_PARAM, "an attribute without values");
  Content::Attribute a = {.type = type, .count = count, .bytes = {}, .descriptors = {}};
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    for (int64_t i = 0; i < count; ++i) {
      const auto* inner = static_cast<const Descriptor*>(static_cast<const cudnnBackendDescriptor_t*>(values)[i]);
      if (inner == nullptr) return Fail(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "no descriptor");
      a.descriptors.push_back(inner->content);
    }
  } else {
    const auto* bytes = static_cast<const char*>(values);
    a.bytes.assign(bytes, bytes + static_cast<size_t>(count) * SizeOf(type));
  }
  content.attributes[name] = std::move(a);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  Content& content = *static_cast<Descriptor*>(descriptor)->content;
  if (auto s = Check(content, last_error); s != CUDNN_STATUS_SUCCESS) return s;
  if (content.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    if (auto s = CheckPlan(content); s != CUDNN_STATUS_SUCCESS) return s;
    Put(content, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, kWorkspaceBytes);
  }
  if (content.type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) {
    const ContentPtr graph = content.Descriptor(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    if (HasEngine(*graph) && mathnas_cuda_emulation_settings()->cudnn_engines > 0) {
      for (int64_t index : {kNondeterministic, kGood}) {
        Put(content, CUDNN_ATTR_ENGINEHEUR_RESULTS, Configuration(graph, index));
      }
    }
  }
  content.finalized = true;
  return CUDNN_STATUS_SUCCESS;
}

// What was not set has no values; it is no error.
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t most, int64_t* count, void* values) {
  const Content& content = *static_cast<Descriptor*>(descriptor)->content;
  if (!content.finalized) return Fail(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "not finalised");
  *count = 0;
  const auto found = content.attributes.find(name);
  if (found == content.attributes.end()) return CUDNN_STATUS_SUCCESS;
  const Content::Attribute& a = found->second;
  if (a.type != type) return Fail(CUDNN_STATUS_BAD_PARAM, "an attribute of another type");
  *count = a.count;
  const int64_t written = std::min(most, a.count);
  if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    std::memcpy(values, a.bytes.data(), static_cast<size_t>(written) * SizeOf(type));
    return CUDNN_STATUS_SUCCESS;
  }
  for (int64_t i = 0; i < written; ++i) {
    auto* to = static_cast<Descriptor*>(static_cast<cudnnBackendDescriptor_t*>(values)[i]);
    to->content = std::make_shared<Content>(*a.descriptors[static_cast<size_t>(i)]);
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  const Content& p = *static_cast<Descriptor*>(plan)->content;
  const Content& v = *static_cast<Descriptor*>(pack)->content;
  if (!p.finalized || !v.finalized) return Fail(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "not finalised");
  // A plan belongs to the thread whose handle it was built with.
  if (p.One<cudnnHandle_t>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE) != handle) {
    return Fail(CUDNN_STATUS_BAD_PARAM, "the plan of another handle");
  }
  const ContentPtr graph = p.Descriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
                               ->Descriptor(CUDNN_ATTR_ENGINECFG_ENGINE)
                               ->Descriptor(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
  const auto ids = v.All<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = v.All<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  std::map<int64_t, void*> memory;
  for (size_t i = 0; i < std::min(ids.size(), pointers.size()); ++i) memory[ids[i]] = pointers[i];
  for (const auto& [id, tensor] : TensorsOf(*graph)) {
    const auto found = memory.find(id);
    if (found == memory.end()) return Fail(CUDNN_STATUS_BAD_PARAM, "a tensor without an address");
    const auto alignment = static_cast<uintptr_t>(tensor->One<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT));
    if (reinterpret_cast<uintptr_t>(found->second) % alignment != 0) {
      return Fail(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "an address that is not aligned");
    }
  }
  void* workspace = v.One<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  if (workspace == nullptr) return Fail(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "no workspace");
  mathnas::kernels::cuda::emulation::Enqueue(handle->stream, [=] {
    // Everything in it is lost.
    std::memset(workspace, 0xFF, kWorkspaceBytes);
    Compute(*graph, memory);
    std::memset(workspace, 0xFF, kWorkspaceBytes);
  });
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
