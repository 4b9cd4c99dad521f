// A library of NVIDIA's, loaded when something of it is needed.
#ifndef MATHNAS_KERNELS_CUDA_LIBRARY_H_
#define MATHNAS_KERNELS_CUDA_LIBRARY_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::kernels::cuda {

// Stays loaded: the driver and cuDNN do not take being unloaded.
class Library {
 public:
  // From the folder that the environment variable MATHNAS_CUDA_LIBRARIES names and no other; else from the places of
  // the dynamic linker, or those of the toolkit that this was built with. NotFound names the file and what the linker
  // said.
  static absl::StatusOr<Library> Load(std::string_view file);

  template <typename Function>
  void Find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(Find(name));
  }
  // FailedPrecondition names what was not found.
  absl::Status status() const;
  const std::string& place() const { return place_; }

 private:
  Library(void* handle, std::string place) : handle_(handle), place_(std::move(place)) {}
  void* Find(const char* name);

  void* handle_;
  std::string place_;
  std::string missing_;
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_LIBRARY_H_
