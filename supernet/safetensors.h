// safetensors files in and out: eight bytes of header length (little endian), a JSON header with the type, shape and
// place of every tensor, then the bytes of the tensors without gaps. Names are those of the reference state dicts, so
// a converted checkpoint loads as it is.
#ifndef MATHNAS_SUPERNET_SAFETENSORS_H_
#define MATHNAS_SUPERNET_SAFETENSORS_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"

namespace mathnas::supernet {

// A dense row-major tensor that can only be read.
struct ConstTensorView {
  kernels::TensorDesc desc;
  const void* data = nullptr;

  // Elements as T. The type must be the tensor's own.
  template <typename T>
  std::span<const T> as() const {
    return {static_cast<const T*>(data), static_cast<size_t>(desc.elements())};
  }
  // For functions that take a TensorView and only read it: writing to a mapped file faults.
  kernels::TensorView read_only() const { return {desc, const_cast<void*>(data)}; }
};

using Metadata = std::map<std::string, std::string>;

// Whether the entry "format" is `format`, which is a kind of file and its version ("mathnas-network/1").
// InvalidArgument: missing, or another kind; Unimplemented: another version of the same. Both say what was found.
absl::Status CheckFormat(const Metadata& metadata, std::string_view format);

// A file mapped into memory. Opening checks everything: a file that opens has no tensor outside of it, no two that
// overlap, no gap, and only element types of kernels/tensor.h. The mapping belongs to this object and is shared with
// every other process that maps the file; replacing the file (AtomicWriteFile) leaves it intact, but a program that
// shortens the file in place makes reads fault, as with every mapping.
class SafetensorsFile {
 public:
  // Errors name the file, the tensor and field, and what was expected: InvalidArgument for a file that breaks a rule
  // of the format or holds another element type (F16, F8_E4M3, ...), the system's own otherwise. Limits beyond the
  // format's: a header of at most 100 MB, at most 32 extents in a shape.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);
  // The same of a file in memory, which `owner` frees, at least as long as this object lives; `name` is what errors
  // call it.
  static absl::StatusOr<SafetensorsFile> Read(std::string name, std::span<const std::byte> bytes,
                                              std::shared_ptr<const void> owner);
  SafetensorsFile(SafetensorsFile&& other) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&& other) noexcept;
  ~SafetensorsFile();

  const std::string& path() const { return path_; }
  // In the order of their bytes in the file.
  const std::vector<std::string>& names() const { return names_; }
  const Metadata& metadata() const { return metadata_; }
  bool contains(std::string_view name) const { return tensors_.contains(name); }

  // A view into the mapping, or into a copy where the file holds the tensor misaligned for its element type (made once,
  // when the file is opened). Aligned to the element size, to no more. Valid as long as this object, also when moved.
  // NotFound names file and tensor.
  absl::StatusOr<ConstTensorView> Get(std::string_view name) const;
  // The same, but any other type or shape than `desc` is an InvalidArgument.
  absl::StatusOr<ConstTensorView> Get(std::string_view name, const kernels::TensorDesc& desc) const;
  // A copy that owns its memory.
  absl::StatusOr<kernels::Tensor> Load(std::string_view name) const;
  // Copies of all tensors, in the order of names().
  kernels::TensorMap LoadAll() const;

 private:
  SafetensorsFile() = default;
  // Of path_, which holds these bytes.
  absl::Status Index(std::span<const std::byte> file);
  void Unmap();

  std::string path_;
  void* map_ = nullptr;
  size_t map_bytes_ = 0;
  std::shared_ptr<const void> owner_;  // of bytes that are not mapped
  Metadata metadata_;
  std::vector<std::string> names_;
  std::map<std::string, ConstTensorView, std::less<>> tensors_;
  std::vector<kernels::Tensor> aligned_copies_;
};

struct NamedTensor {
  std::string name;
  ConstTensorView view;

  NamedTensor(std::string n, ConstTensorView v) : name(std::move(n)), view(std::move(v)) {}
  NamedTensor(std::string n, const kernels::TensorView& v) : name(std::move(n)), view{v.desc, v.data} {}
};

// Writes the file as AtomicWriteFile does: complete or not at all. Tensors are sorted by the size of their elements,
// largest first, then by name, and the header is padded with spaces to eight bytes, so that every tensor can be used
// from a mapping; the same tensors give the same bytes. InvalidArgument: a name twice, a name or a metadata string that
// is not UTF-8, the name "__metadata__".
absl::Status WriteSafetensors(const std::string& path, std::span<const NamedTensor> tensors,
                              const Metadata& metadata = {});
absl::Status WriteSafetensors(const std::string& path, const kernels::TensorMap& tensors,
                              const Metadata& metadata = {});

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_SAFETENSORS_H_
