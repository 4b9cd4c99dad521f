#include "kernels/cuda/library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "fmt/format.h"

namespace mathnas::kernels::cuda {

absl::StatusOr<Library> Library::Load(std::string_view file) {
  std::vector<std::string> places;
  if (const char* folder = std::getenv("MATHNAS_CUDA_LIBRARIES"); folder != nullptr && *folder != '\0') {
    places.push_back(fmt::format("{}/{}", folder, file));
  } else {
    places = {std::string(file), fmt::format("{}/{}", MATHNAS_CUDA_LIBRARY_DIR, file)};
  }
  std::string reasons;
  for (const std::string& place : places) {
    if (void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return Library(handle, place);
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", dlerror());
  }
  return absl::NotFoundError(fmt::format("{} cannot be loaded: {}", file, reasons));
}

void* Library::Find(const char* name) {
  void* function = dlsym(handle_, name);
  if (function == nullptr && missing_.empty()) missing_ = name;
  return function;
}

absl::Status Library::status() const {
  if (missing_.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format("{} has no {}: it is too old", place_, missing_));
}

}  // namespace mathnas::kernels::cuda
