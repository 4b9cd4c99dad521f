// Descriptors of the emulated cuDNN: attributes as they were set, and what finalising checks of them.
#ifndef MATHNAS_KERNELS_CUDA_EMULATION_CUDNN_DESCRIPTORS_H_
#define MATHNAS_KERNELS_CUDA_EMULATION_CUDNN_DESCRIPTORS_H_

#include <cudnn.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mathnas::kernels::cuda::emulation {

// What a descriptor holds. Those that are set as attributes of others are shared with them.
struct Content {
  struct Attribute {
    cudnnBackendAttributeType_t type;
    int64_t count = 0;
    std::vector<char> bytes;
    std::vector<std::shared_ptr<const Content>> descriptors;
  };
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Attribute> attributes;

  bool Has(cudnnBackendAttributeName_t name) const { return attributes.count(name) != 0; }
  // Values of an attribute, none if it was not set.
  template <typename T>
  std::vector<T> All(cudnnBackendAttributeName_t name) const {
    const auto found = attributes.find(name);
    if (found == attributes.end()) return {};
    std::vector<T> values(found->second.bytes.size() / sizeof(T));
    std::memcpy(values.data(), found->second.bytes.data(), values.size() * sizeof(T));
    return values;
  }
  template <typename T>
  T One(cudnnBackendAttributeName_t name, T otherwise = {}) const {
    const auto found = attributes.find(name);
    if (found != attributes.end()) std::memcpy(&otherwise, found->second.bytes.data(), sizeof(T));
    return otherwise;
  }
  // Null if it was not set.
  std::shared_ptr<const Content> Descriptor(cudnnBackendAttributeName_t name) const {
    const auto found = attributes.find(name);
    return found == attributes.end() || found->second.descriptors.empty() ? nullptr : found->second.descriptors[0];
  }
};

size_t SizeOf(cudnnBackendAttributeType_t type);

// As cuDNN, where this backend came across it; `message` says what is wrong.
cudnnStatus_t Check(const Content& content, std::string& message);

// Whether cuDNN 9.19 has compiled engines for the graph: operands and results of one type, float32, bfloat16 or
// float16, and after the convolution nothing, a bias, or a bias and ReLU.
bool HasEngine(const Content& graph);

// The attributes of a convolution's operands, by direction.
struct ConvolutionNames {
  cudnnBackendAttributeName_t geometry, x, w, y, alpha, beta;
};
// Null for other operations.
const ConvolutionNames* NamesOf(cudnnBackendDescriptorType_t operation);

}  // namespace mathnas::kernels::cuda::emulation

#endif  // MATHNAS_KERNELS_CUDA_EMULATION_CUDNN_DESCRIPTORS_H_
