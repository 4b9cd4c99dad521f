// mathnas_model_...: files with weights.
#include "bindings/c/model.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <span>
#include <string_view>

#include "bindings/c/hooks.h"
#include "bindings/c/status.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/training/checkpoint.h"

namespace mathnas::c {
namespace {

using supernet::SafetensorsFile;

constexpr std::string_view kNetworks = "mathnas-network/", kTranslators = "mathnas-translator/",
                           kCheckpoints = "mathnas-checkpoint/";

// Which reader a file needs, by the format in its metadata; the reader knows which versions of it there are.
absl::StatusOr<std::unique_ptr<Source>> OpenSource(SafetensorsFile file) {
  const std::string path = file.path();
  const auto found = file.metadata().find("format");
  const std::string format = found == file.metadata().end() ? "" : found->second;
  if (format.starts_with(kNetworks)) return DeployedSource(std::move(file));
  if (format.starts_with(kCheckpoints)) return CheckpointSource(file);
  if (format.starts_with(kTranslators)) {
    return absl::UnimplementedError(
        fmt::format("{}: a translator, which mathnas_translator_open opens; expected a network of images", path));
  }
  return absl::InvalidArgumentError(fmt::format("{}: format: found \"{:.100}\", expected \"{}\" or \"{}\"", path,
                                                format, deploy::kNetworkFormat, supernet::kCheckpointFormat));
}

absl::Status Open(absl::StatusOr<SafetensorsFile> file, const mathnas_model_options& options, mathnas_model* model) {
  if (!file.ok()) return file.status();
  absl::StatusOr<std::shared_ptr<kernels::Device>> device = OpenDevice(options);
  if (!device.ok()) return device.status();
  absl::StatusOr<std::unique_ptr<Source>> source = OpenSource(*std::move(file));
  if (!source.ok()) return source.status();
  return HandOut(
      std::make_unique<ModelHandle>(std::make_shared<Model>(*std::move(source), *std::move(device), options)), model);
}

// Bytes of the caller that are used where they are.
struct Borrowed {
  const mathnas_model_options options;
  bool opened = false;  // where reading fails, the caller knows that they are free

  explicit Borrowed(const mathnas_model_options& o) : options(o) {}
  ~Borrowed() {
    if (opened && options.bytes_released != nullptr) options.bytes_released(options.bytes_user);
  }
};

absl::Status OpenBytes(std::span<const std::byte> bytes, const mathnas_model_options& options, mathnas_model* model) {
  if (options.borrow != 0) {
    const auto owner = std::make_shared<Borrowed>(options);
    const absl::Status status = Open(SafetensorsFile::Read("memory", bytes, owner), options, model);
    owner->opened = status.ok();
    return status;
  }
  const auto copy =
      std::make_shared<kernels::Tensor>(kernels::DType::kU8, kernels::Shape{static_cast<int64_t>(bytes.size())});
  if (!bytes.empty()) std::memcpy(copy->data(), bytes.data(), bytes.size());
  const auto data = std::span(static_cast<const std::byte*>(copy->data()), bytes.size());
  return Open(SafetensorsFile::Read("memory", data, copy), options, model);
}

absl::StatusOr<mathnas_model_options> ReadOptions(const mathnas_model_options* from) {
  absl::StatusOr<mathnas_model_options> options = Read(from);
  if (!options.ok()) return options;
  if ((options->allocate == nullptr) != (options->release == nullptr)) {
    return absl::InvalidArgumentError("model options: expected both of allocate and release, or neither");
  }
  if (options->borrow != 0 && options->borrow != 1) {
    return absl::InvalidArgumentError(fmt::format("model options: borrow is {}, expected 0 or 1", options->borrow));
  }
  return options;
}

}  // namespace

absl::StatusOr<runtime::Supernet> Source::Supernet() const {
  return absl::FailedPreconditionError("the model is one network, expected a supernet");
}

absl::StatusOr<std::shared_ptr<kernels::Device>> OpenDevice(const mathnas_model_options& options) {
  if (options.parallel_for != nullptr) {
    if (options.device == MATHNAS_CUDA) {
      return absl::InvalidArgumentError("parallel_for: expected null on MATHNAS_CUDA, whose runs are not divided");
    }
    if (auto s = CheckThreads(options.threads); !s.ok()) return s;
    mathnas_model_options one = options;
    one.parallel_for = nullptr;
    one.threads = 1;
    return OpenDevice(one);
  }
  if (options.device == MATHNAS_CPU) return kernels::CpuDevice(options.threads);
  if (options.device != MATHNAS_REFERENCE && options.device != MATHNAS_CUDA) {
    return absl::InvalidArgumentError(fmt::format(
        "device {}: expected MATHNAS_CPU ({}), MATHNAS_REFERENCE ({}) or MATHNAS_CUDA ({})", options.device,
        static_cast<int>(MATHNAS_CPU), static_cast<int>(MATHNAS_REFERENCE), static_cast<int>(MATHNAS_CUDA)));
  }
  if (options.threads != 1) {
    return absl::InvalidArgumentError(
        fmt::format("threads {}: expected 1 on MATHNAS_REFERENCE and MATHNAS_CUDA", options.threads));
  }
  if (options.device == MATHNAS_CUDA) return kernels::CudaDevice();
  return kernels::ReferenceDevice(kernels::DType::kF32);
}

void Log(const mathnas_model_options& options, int32_t level, const std::string& text) {
  if (options.log != nullptr) options.log(options.log_user, level, text.c_str());
}

absl::StatusOr<mathnas_tensor> Describe(const deploy::DeployedNetwork& network, const std::string& name,
                                        const kernels::TensorDesc& desc) {
  mathnas_tensor tensor = StructOf<mathnas_tensor>::Defaults();
  if (desc.shape.size() > std::size(tensor.shape)) {
    return absl::UnimplementedError(
        fmt::format("\"{}\" has {} extents, expected at most {}", name, desc.shape.size(), std::size(tensor.shape)));
  }
  tensor.type = MATHNAS_F32;
  tensor.rank = static_cast<int32_t>(desc.shape.size());
  std::copy(desc.shape.begin(), desc.shape.end(), tensor.shape);
  tensor.bytes = desc.bytes();
  tensor.name = name.c_str();
  if (&name == &network.input) {
    tensor.normalised_channels = static_cast<uint32_t>(network.normalisation.mean.size());
    if (tensor.normalised_channels > 0) {
      tensor.mean = network.normalisation.mean.data();
      tensor.deviation = network.normalisation.stddev.data();
    }
  }
  return tensor;
}

namespace {

// The named tensor of the file's graph, for one image.
absl::StatusOr<mathnas_tensor> DescribeOne(const deploy::DeployedNetwork& network, const std::string& name) {
  kernels::TensorDesc desc = network.graph.desc(network.graph.Find(name));
  desc.shape[0] = 1;
  return Describe(network, name, desc);
}

}  // namespace

absl::StatusOr<mathnas_tensor> DescribeInput(const deploy::DeployedNetwork& network) {
  return DescribeOne(network, network.input);
}
absl::StatusOr<mathnas_tensor> DescribeOutput(const deploy::DeployedNetwork& network) {
  return DescribeOne(network, network.output);
}

absl::StatusOr<PlanPtr> Model::MakePlan(const mathnas_plan_options& options) {
  const absl::StatusOr<std::string> name = source_->Name(options);
  if (!name.ok()) return name.status();
  const std::lock_guard lock(mutex_);
  std::erase_if(plans_, [](const auto& p) { return p.second.expired(); });
  std::erase_if(networks_, [](const auto& n) { return n.second.expired(); });
  const std::pair key(*name, options.batch);
  if (const auto found = plans_.find(key); found != plans_.end()) {
    if (PlanPtr plan = found->second.lock()) return plan;
  }
  NetworkPtr network = networks_[*name].lock();
  if (network == nullptr) {
    absl::StatusOr<NetworkPtr> made = source_->Make(*name);
    if (!made.ok()) return made.status();
    network = *std::move(made);
    networks_[*name] = network;
    if (const std::string warning = source_->warning(); !warning.empty()) Log(options_, MATHNAS_LOG_WARNING, warning);
  }
  absl::StatusOr<PlanPtr> plan = PreparePlan(std::move(network), device_, options_, options.batch);
  if (plan.ok()) plans_[key] = *plan;
  return plan;
}

}  // namespace mathnas::c

using namespace mathnas::c;  // NOLINT: what follows is the interface, and nothing else

mathnas_status mathnas_model_open(const char* path, const mathnas_model_options* options, mathnas_model* model) {
  return Call([&]() -> absl::Status {
    if (model == nullptr) return Null("model", "the address of a handle");
    *model = nullptr;
    const auto name = Text(path, "path");
    if (!name.ok()) return name.status();
    const auto known = ReadOptions(options);
    if (!known.ok()) return known.status();
    return Open(SafetensorsFile::Open(*name), *known, model);
  });
}

mathnas_status mathnas_model_read(const void* bytes, size_t size, const mathnas_model_options* options,
                                  mathnas_model* model) {
  return Call([&]() -> absl::Status {
    if (model == nullptr) return Null("model", "the address of a handle");
    *model = nullptr;
    if (bytes == nullptr) return Null("bytes", "those of a file");
    const auto known = ReadOptions(options);
    if (!known.ok()) return known.status();
    if (size > size_t{1} << 46) return absl::InvalidArgumentError(fmt::format("size {}: expected that of bytes", size));
    return OpenBytes({static_cast<const std::byte*>(bytes), size}, *known, model);
  });
}

mathnas_status mathnas_model_destroy(mathnas_model model) {
  return Call([&] { return Destroy<ModelHandle>(model); });
}

mathnas_status mathnas_model_kind(mathnas_model model, int32_t* kind) {
  return Call([&]() -> absl::Status {
    const Pinned<ModelHandle> pinned(model);
    if (!pinned.ok()) return pinned.status();
    if (kind == nullptr) return Null("kind", "an address");
    *kind = pinned->model->source().kind();
    return absl::OkStatus();
  });
}

mathnas_status mathnas_model_input(mathnas_model model, mathnas_tensor* tensor) {
  return Call([&]() -> absl::Status {
    const Pinned<ModelHandle> pinned(model);
    if (!pinned.ok()) return pinned.status();
    const auto described = DescribeInput(*pinned->model->source().example());
    if (!described.ok()) return described.status();
    return Write(*described, tensor);
  });
}

mathnas_status mathnas_model_output(mathnas_model model, mathnas_tensor* tensor) {
  return Call([&]() -> absl::Status {
    const Pinned<ModelHandle> pinned(model);
    if (!pinned.ok()) return pinned.status();
    const auto described = DescribeOutput(*pinned->model->source().example());
    if (!described.ok()) return described.status();
    return Write(*described, tensor);
  });
}

mathnas_status mathnas_model_class_count(mathnas_model model, uint32_t* count) {
  return Call([&]() -> absl::Status {
    const Pinned<ModelHandle> pinned(model);
    if (!pinned.ok()) return pinned.status();
    if (count == nullptr) return Null("count", "an address");
    *count = static_cast<uint32_t>(pinned->model->source().example()->class_names.size());
    return absl::OkStatus();
  });
}

mathnas_status mathnas_model_class_name(mathnas_model model, uint32_t index, const char** name) {
  return Call([&]() -> absl::Status {
    const Pinned<ModelHandle> pinned(model);
    if (!pinned.ok()) return pinned.status();
    if (name == nullptr) return Null("name", "an address");
    *name = nullptr;
    const auto& names = pinned->model->source().example()->class_names;
    if (index >= names.size()) {
      return absl::InvalidArgumentError(fmt::format("class {}: the model has names of {}", index, names.size()));
    }
    *name = names[index].c_str();
    return absl::OkStatus();
  });
}

mathnas_status mathnas_model_information(mathnas_model model, const char** json) {
  return Call([&]() -> absl::Status {
    const Pinned<ModelHandle> pinned(model);
    if (!pinned.ok()) return pinned.status();
    if (json == nullptr) return Null("json", "an address");
    *json = pinned->model->source().information().c_str();
    return absl::OkStatus();
  });
}
