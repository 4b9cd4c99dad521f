#include "supernet/safetensors.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <utility>

#include "fmt/format.h"
#include "kernels/internal/bounded_json.h"
#include "kernels/internal/json_text.h"
#include "nlohmann/json.hpp"
#include "supernet/atomic_file.h"
#include "supernet/input_file.h"
#include "supernet/safetensors_header.h"

namespace mathnas::supernet {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors holds little-endian values");

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

using kernels::internal::JsonText;
using kernels::internal::ParseJson;
using nlohmann::json;

// A JSON string; InvalidArgument when the text is not UTF-8.
absl::StatusOr<std::string> Quote(const std::string& text, std::string_view path, std::string_view what) {
  std::string quoted = JsonText(text);
  const json back = ParseJson(quoted);
  if (!back.is_string() || back.get_ref<const std::string&>() != text) {
    return absl::InvalidArgumentError(fmt::format("{}: {} {}: expected UTF-8", path, what, quoted));
  }
  return quoted;
}

// The header of `tensors`, which are in the order of their bytes; padded.
absl::StatusOr<std::string> Header(const std::string& path, std::span<const NamedTensor* const> tensors,
                                   const Metadata& metadata) {
  std::string header = "{";
  auto separate = [&] {
    if (header.back() != '{') header += ',';
  };
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      absl::StatusOr<std::string> k = Quote(key, path, "metadata key");
      absl::StatusOr<std::string> v = Quote(value, path, "metadata value");
      if (!k.ok()) return k.status();
      if (!v.ok()) return v.status();
      separate();
      header += *k + ":" + *v;
    }
    header += '}';
  }
  uint64_t at = 0;
  for (const NamedTensor* t : tensors) {
    absl::StatusOr<std::string> name = Quote(t->name, path, "tensor name");
    if (!name.ok()) return name.status();
    separate();
    const uint64_t end = at + t->view.desc.bytes();
    const json shape(std::vector<int64_t>(t->view.desc.shape.begin(), t->view.desc.shape.end()));
    header += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}", *name,
                          kernels::Name(t->view.desc.dtype), JsonText(shape), at, end);
    at = end;
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  if (header.size() > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(
        fmt::format("{}: header of {} bytes, expected at most {}", path, header.size(), kMaxHeaderBytes));
  }
  return header;
}

}  // namespace

absl::Status CheckFormat(const Metadata& metadata, std::string_view format) {
  const auto entry = metadata.find("format");
  if (entry == metadata.end()) {
    return absl::InvalidArgumentError(fmt::format("format: missing in the metadata, expected \"{}\"", format));
  }
  if (entry->second == format) return absl::OkStatus();
  const std::string found = kernels::internal::Shortened(entry->second);
  const std::string_view kind = format.substr(0, format.find('/') + 1);
  if (entry->second.starts_with(kind)) {
    return absl::UnimplementedError(
        fmt::format("format: found {}, but this version of the library reads \"{}\"", found, format));
  }
  return absl::InvalidArgumentError(fmt::format("format: found {}, expected \"{}\"", found, format));
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  absl::StatusOr<InputFile> input = InputFile::Open(path);
  if (!input.ok()) return input.status();
  const uint64_t size = static_cast<uint64_t>(input->size());
  SafetensorsFile file;
  file.path_ = path;
  if (size > 0) {  // nothing cannot be mapped
    void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, input->descriptor(), 0);
    if (map == MAP_FAILED) return absl::ErrnoToStatus(errno, fmt::format("{}: cannot be mapped into memory", path));
    file.map_ = map;
    file.map_bytes_ = size;
  }
  if (auto s = file.Index({static_cast<const std::byte*>(file.map_), size}); !s.ok()) return s;
  return file;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Read(std::string name, std::span<const std::byte> bytes,
                                                      std::shared_ptr<const void> owner) {
  SafetensorsFile file;
  file.path_ = std::move(name);
  file.owner_ = std::move(owner);
  if (auto s = file.Index(bytes); !s.ok()) return s;
  return file;
}

absl::Status SafetensorsFile::Index(std::span<const std::byte> file) {
  auto fail = [&](std::string_view what) { return absl::InvalidArgumentError(fmt::format("{}: {}", path_, what)); };
  const uint64_t size = file.size();
  if (size < kLengthBytes) return fail(fmt::format("{} bytes long, expected at least {}", size, kLengthBytes));
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), kLengthBytes);
  if (header_bytes > kMaxHeaderBytes) {
    return fail(fmt::format("header length {}, expected at most {}", header_bytes, kMaxHeaderBytes));
  }
  if (header_bytes > size - kLengthBytes) {
    return fail(
        fmt::format("header length {}, expected at most {}, the rest of the file", header_bytes, size - kLengthBytes));
  }
  const uint64_t data_start = kLengthBytes + header_bytes;
  absl::StatusOr<SafetensorsHeader> header = ParseSafetensorsHeader(
      path_, {reinterpret_cast<const char*>(file.data()) + kLengthBytes, header_bytes}, size - data_start);
  if (!header.ok()) return header.status();

  metadata_ = std::move(header->metadata);
  for (TensorEntry& t : header->tensors) {
    ConstTensorView view{t.desc, file.data() + data_start + t.begin};
    if (reinterpret_cast<uintptr_t>(view.data) % kernels::SizeOf(t.desc.dtype) != 0) {
      kernels::Tensor copy(t.desc);
      std::memcpy(copy.data(), view.data, t.desc.bytes());
      view.data = copy.data();
      aligned_copies_.push_back(std::move(copy));
    }
    names_.push_back(t.name);
    tensors_.emplace(std::move(t.name), std::move(view));
  }
  return absl::OkStatus();
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept { *this = std::move(other); }

SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&& other) noexcept {
  if (this == &other) return *this;
  Unmap();
  path_ = std::move(other.path_);
  map_ = std::exchange(other.map_, nullptr);
  map_bytes_ = std::exchange(other.map_bytes_, 0);
  owner_ = std::move(other.owner_);
  metadata_ = std::move(other.metadata_);
  names_ = std::move(other.names_);
  tensors_ = std::move(other.tensors_);
  aligned_copies_ = std::move(other.aligned_copies_);
  return *this;
}

SafetensorsFile::~SafetensorsFile() { Unmap(); }

void SafetensorsFile::Unmap() {
  if (map_ != nullptr) munmap(std::exchange(map_, nullptr), map_bytes_);
}

absl::StatusOr<ConstTensorView> SafetensorsFile::Get(std::string_view name) const {
  auto it = tensors_.find(name);
  if (it == tensors_.end()) return absl::NotFoundError(fmt::format("{}: tensor \"{}\": not found", path_, name));
  return it->second;
}

absl::StatusOr<ConstTensorView> SafetensorsFile::Get(std::string_view name, const kernels::TensorDesc& desc) const {
  absl::StatusOr<ConstTensorView> view = Get(name);
  if (!view.ok() || view->desc == desc) return view;
  return absl::InvalidArgumentError(fmt::format("{}: tensor \"{}\": is {} {}, expected {} {}", path_, name,
                                                kernels::Name(view->desc.dtype), kernels::ToString(view->desc.shape),
                                                kernels::Name(desc.dtype), kernels::ToString(desc.shape)));
}

absl::StatusOr<kernels::Tensor> SafetensorsFile::Load(std::string_view name) const {
  absl::StatusOr<ConstTensorView> view = Get(name);
  if (!view.ok()) return view.status();
  kernels::Tensor tensor(view->desc);
  if (view->desc.bytes() > 0) std::memcpy(tensor.data(), view->data, view->desc.bytes());
  return tensor;
}

kernels::TensorMap SafetensorsFile::LoadAll() const {
  kernels::TensorMap map;
  for (const std::string& name : names_) map.Put(name, *Load(name));
  return map;
}

absl::Status WriteSafetensors(const std::string& path, std::span<const NamedTensor> tensors, const Metadata& metadata) {
  std::vector<const NamedTensor*> order;
  order.reserve(tensors.size());
  for (const NamedTensor& t : tensors) {
    if (t.name == "__metadata__") {
      return absl::InvalidArgumentError(fmt::format("{}: tensor name \"__metadata__\" is reserved", path));
    }
    order.push_back(&t);
  }
  auto key = [](const NamedTensor* t) {
    return std::tuple<ptrdiff_t, std::string_view>(-static_cast<ptrdiff_t>(kernels::SizeOf(t->view.desc.dtype)),
                                                   t->name);
  };
  std::sort(order.begin(), order.end(), [&](auto* a, auto* b) { return key(a) < key(b); });

  std::vector<std::string_view> names;
  for (const NamedTensor* t : order) names.push_back(t->name);
  std::sort(names.begin(), names.end());
  if (auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return absl::InvalidArgumentError(fmt::format("{}: tensor name \"{}\": expected every name once", path, *twice));
  }

  absl::StatusOr<std::string> header = Header(path, order, metadata);
  if (!header.ok()) return header.status();
  const uint64_t header_bytes = header->size();
  std::vector<std::string_view> parts = {{reinterpret_cast<const char*>(&header_bytes), kLengthBytes}, *header};
  for (const NamedTensor* t : order) {
    parts.emplace_back(static_cast<const char*>(t->view.data), t->view.desc.bytes());
  }
  return AtomicWriteFile(path, parts);
}

absl::Status WriteSafetensors(const std::string& path, const kernels::TensorMap& tensors, const Metadata& metadata) {
  std::vector<NamedTensor> list;
  list.reserve(tensors.size());
  for (const kernels::TensorMap::Entry& e : tensors.entries()) list.emplace_back(e.name, e.tensor.view());
  return WriteSafetensors(path, list, metadata);
}

}  // namespace mathnas::supernet
