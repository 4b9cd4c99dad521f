#include "kernels/cuda/cudnn_descriptor.h"

#include <algorithm>
#include <string>

#include "fmt/format.h"

namespace mathnas::kernels::cuda::cudnn {

absl::StatusOr<Descriptor> Descriptor::Create(const Cudnn& cudnn, cudnnBackendDescriptorType_t type) {
  Descriptor made;
  made.cudnn_ = &cudnn;
  const cudnnStatus_t status = cudnn.BackendCreateDescriptor(type, &made.descriptor_);
  if (auto s = ToStatus(cudnn, status, "cudnnBackendCreateDescriptor"); !s.ok()) return s;
  return made;
}

Descriptor::~Descriptor() {
  if (descriptor_ != nullptr) cudnn_->BackendDestroyDescriptor(descriptor_);
}

Descriptor& Descriptor::Set(cudnnBackendAttributeName_t name, absl::Span<const Descriptor> values) {
  std::vector<cudnnBackendDescriptor_t> descriptors;
  for (const Descriptor& value : values) descriptors.push_back(value.descriptor_);
  return SetBytes(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(descriptors.size()), descriptors.data());
}

Descriptor& Descriptor::SetBytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                                 const void* values) {
  if (!status_.ok()) return *this;
  const cudnnStatus_t status = cudnn_->BackendSetAttribute(descriptor_, name, type, count, values);
  if (status != CUDNN_STATUS_SUCCESS) {
    status_ = ToStatus(*cudnn_, status, fmt::format("cudnnBackendSetAttribute {}", static_cast<int>(name)));
  }
  return *this;
}

absl::Status Descriptor::Finalize() {
  if (!status_.ok()) return status_;
  return ToStatus(*cudnn_, cudnn_->BackendFinalize(descriptor_), "cudnnBackendFinalize");
}

absl::StatusOr<int64_t> Descriptor::GetBytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                             int64_t most, void* values) const {
  int64_t count = 0;
  const cudnnStatus_t status = cudnn_->BackendGetAttribute(descriptor_, name, type, most, &count, values);
  if (status != CUDNN_STATUS_SUCCESS) {
    return ToStatus(*cudnn_, status, fmt::format("cudnnBackendGetAttribute {}", static_cast<int>(name)));
  }
  return count;
}

absl::StatusOr<std::vector<Descriptor>> Descriptor::GetAll(cudnnBackendAttributeName_t name,
                                                           cudnnBackendDescriptorType_t type, int64_t most) const {
  std::vector<Descriptor> made;
  std::vector<cudnnBackendDescriptor_t> descriptors;
  for (int64_t i = 0; i < most; ++i) {
    auto descriptor = Create(*cudnn_, type);
    if (!descriptor.ok()) return descriptor.status();
    descriptors.push_back(descriptor->descriptor_);
    made.push_back(*std::move(descriptor));
  }
  auto count = GetBytes(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, descriptors.data());
  if (!count.ok()) return count.status();
  made.resize(static_cast<size_t>(std::min(*count, most)));
  return made;
}

absl::StatusOr<Target> Target::Described(const Cudnn& cudnn, std::string_view json) {
  auto properties = Descriptor::Create(cudnn, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  if (!properties.ok()) return properties.status();
  const std::string text(json);  // with a zero at its end, which counts
  properties->Set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                  absl::Span<const char>(text.c_str(), text.size() + 1));
  if (auto s = properties->Finalize(); !s.ok()) return s;
  Target target(nullptr);
  target.properties_ = *std::move(properties);
  return target;
}

absl::StatusOr<std::string> Target::Json(const Cudnn& cudnn) const {
  constexpr int64_t kMost = 65536;  // about 1000 are enough
  Descriptor of_handle;
  if (handle_ != nullptr) {
    auto made = Descriptor::Create(cudnn, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    if (!made.ok()) return made.status();
    made->Set(CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, handle_);
    if (auto s = made->Finalize(); !s.ok()) return s;
    of_handle = *std::move(made);
  }
  const Descriptor& properties = handle_ != nullptr ? of_handle : properties_;
  auto text = properties.GetAll<char>(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, kMost);
  if (!text.ok()) return text.status();
  return std::string(text->begin(), std::find(text->begin(), text->end(), '\0'));
}

}  // namespace mathnas::kernels::cuda::cudnn
