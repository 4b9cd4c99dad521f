// Descriptors of cuDNN 9's backend API that free themselves, and what plans are made for: a device, or a description of
// one.
#ifndef MATHNAS_KERNELS_CUDA_CUDNN_DESCRIPTOR_H_
#define MATHNAS_KERNELS_CUDA_CUDNN_DESCRIPTOR_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/cuda/libraries.h"

namespace mathnas::kernels::cuda::cudnn {

// Errors of all calls are cuDNN's: Unimplemented for what it does not support.
class Descriptor {
 public:
  Descriptor() = default;
  static absl::StatusOr<Descriptor> Create(const Cudnn& cudnn, cudnnBackendDescriptorType_t type);
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept
      : cudnn_(other.cudnn_), descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(cudnn_, other.cudnn_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  // Attributes are set in a chain that ends with Finalize, which gives the first error.
  template <typename T>
  Descriptor& Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, absl::Span<const T> values) {
    return SetBytes(name, type, static_cast<int64_t>(values.size()), values.data());
  }
  template <typename T>
  Descriptor& Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    return SetBytes(name, type, 1, &value);
  }
  Descriptor& Set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return SetBytes(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.descriptor_);
  }
  Descriptor& Set(cudnnBackendAttributeName_t name, absl::Span<const Descriptor> values);
  absl::Status Finalize();

  template <typename T>
  absl::StatusOr<T> Get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    T value = {};
    if (auto s = GetBytes(name, type, 1, &value).status(); !s.ok()) return s;
    return value;
  }
  // All values, of which there are at most so many.
  template <typename T>
  absl::StatusOr<std::vector<T>> GetAll(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                        int64_t most) const {
    std::vector<T> values(static_cast<size_t>(most));
    auto count = GetBytes(name, type, most, values.data());
    if (!count.ok()) return count.status();
    values.resize(static_cast<size_t>(std::min(*count, most)));
    return values;
  }
  // Descriptors that cuDNN made, of a type.
  absl::StatusOr<std::vector<Descriptor>> GetAll(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                                 int64_t most) const;

  cudnnBackendDescriptor_t get() const { return descriptor_; }

 private:
  Descriptor& SetBytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                       const void* values);
  absl::StatusOr<int64_t> GetBytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t most,
                                   void* values) const;

  const Cudnn* cudnn_ = nullptr;
  cudnnBackendDescriptor_t descriptor_ = nullptr;
  absl::Status status_;
};

// What a plan is made for.
class Target {
 public:
  // The device of a handle.
  explicit Target(cudnnHandle_t handle) : handle_(handle) {}
  // A device that need not be here, by its properties as JSON: plans for it can be built, with no driver, but not run.
  // cuDNN 9.8 or newer.
  static absl::StatusOr<Target> Described(const Cudnn& cudnn, std::string_view json);
  // The properties of the device, or what describes it, as JSON that Described takes.
  absl::StatusOr<std::string> Json(const Cudnn& cudnn) const;

  // Null: described.
  cudnnHandle_t handle() const { return handle_; }
  const Descriptor& properties() const { return properties_; }

 private:
  cudnnHandle_t handle_;
  Descriptor properties_;
};

}  // namespace mathnas::kernels::cuda::cudnn

#endif  // MATHNAS_KERNELS_CUDA_CUDNN_DESCRIPTOR_H_
