// What a model holds: weights, and the networks and plans that were made of them.
#ifndef MATHNAS_BINDINGS_C_MODEL_H_
#define MATHNAS_BINDINGS_C_MODEL_H_

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bindings/c/handles.h"
#include "bindings/c/mathnas.h"
#include "bindings/c/structs.h"
#include "kernels/device.h"
#include "kernels/divided_batch.h"
#include "mathnas/deploy/network_file.h"
#include "mathnas/runtime/prepared_subnet.h"
#include "supernet/safetensors.h"
#include "supernet/search_space.h"

namespace mathnas::c {

using NetworkPtr = std::shared_ptr<const deploy::DeployedNetwork>;

// Where networks come from, by kind of file. Thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual int32_t kind() const = 0;
  virtual const std::string& information() const = 0;
  // Which network the options ask for, in one form for all that mean the same; "" where there is one only.
  // InvalidArgument: none of the model's.
  virtual absl::StatusOr<std::string> Name(const mathnas_plan_options& options) const = 0;
  // The network of that name, of any batch size.
  virtual absl::StatusOr<NetworkPtr> Make(const std::string& name) const = 0;
  // What describes the model: the only network, or that of the base choice.
  virtual NetworkPtr example() const = 0;
  // All networks of the model at once. FailedPrecondition: it is one network.
  virtual absl::StatusOr<runtime::Supernet> Supernet() const;
  // Something that a user should know of each network; or "".
  virtual std::string warning() const { return ""; }
};
absl::StatusOr<std::unique_ptr<Source>> DeployedSource(supernet::SafetensorsFile file);
absl::StatusOr<std::unique_ptr<Source>> CheckpointSource(const supernet::SafetensorsFile& file);

// A network prepared for a batch. Immutable.
struct Plan {
  NetworkPtr network;
  std::shared_ptr<kernels::Device> device;
  mathnas_model_options hooks;
  std::shared_ptr<const kernels::DividedPlan> plan;
  // Never run: keep the packed weights while no context does.
  std::vector<std::unique_ptr<const kernels::Context>> keepers;
  std::vector<float> pixel_values;  // deploy::PixelValues
  size_t weight_bytes = 0;
  std::string description;

  int64_t batch() const { return plan->batch(); }
};
using PlanPtr = std::shared_ptr<const Plan>;
// A context's own input and output, where they are not those of its only part.
struct OwnMemory {
  size_t input_bytes = 0, output_bytes = 0;  // multiples of the alignment
};
OwnMemory OwnMemoryOf(const Plan& plan);
// Of each context, a multiple of the alignment: its own memory, then its arena.
size_t WorkspaceBytes(const Plan& plan);
absl::StatusOr<PlanPtr> PreparePlan(NetworkPtr network, std::shared_ptr<kernels::Device> device,
                                    const mathnas_model_options& hooks, int64_t batch);

// Thread-safe.
class Model {
 public:
  Model(std::unique_ptr<Source> source, std::shared_ptr<kernels::Device> device, const mathnas_model_options& options)
      : source_(std::move(source)), device_(std::move(device)), options_(options) {}

  const Source& source() const { return *source_; }
  const std::shared_ptr<kernels::Device>& device() const { return device_; }
  const mathnas_model_options& options() const { return options_; }
  absl::StatusOr<PlanPtr> MakePlan(const mathnas_plan_options& options);

 private:
  std::unique_ptr<Source> source_;
  std::shared_ptr<kernels::Device> device_;
  mathnas_model_options options_;
  std::mutex mutex_;
  // What is in use, so that it is made once: networks by name, plans by name and batch.
  std::map<std::string, std::weak_ptr<const deploy::DeployedNetwork>> networks_;
  std::map<std::pair<std::string, int64_t>, std::weak_ptr<const Plan>> plans_;
};

// Of the options: MATHNAS_CPU with its threads, or one where parallel_for has them, MATHNAS_REFERENCE or MATHNAS_CUDA.
absl::StatusOr<std::shared_ptr<kernels::Device>> OpenDevice(const mathnas_model_options& options);
void Log(const mathnas_model_options& options, int32_t level, const std::string& text);

// An input or output for the caller; texts and arrays are the network's.
absl::StatusOr<mathnas_tensor> Describe(const deploy::DeployedNetwork& network, const std::string& name,
                                        const kernels::TensorDesc& desc);
// Tensors of the network, for a batch of one.
absl::StatusOr<mathnas_tensor> DescribeInput(const deploy::DeployedNetwork& network);
absl::StatusOr<mathnas_tensor> DescribeOutput(const deploy::DeployedNetwork& network);

struct ModelHandle : Object {
  static constexpr Kind kKind = Kind::kModel;
  static constexpr const char* kName = "model";
  explicit ModelHandle(std::shared_ptr<Model> m) : Object(kKind), model(std::move(m)) {}
  std::shared_ptr<Model> model;
};

struct PlanHandle : Object {
  static constexpr Kind kKind = Kind::kPlan;
  static constexpr const char* kName = "plan";
  explicit PlanHandle(PlanPtr p) : Object(kKind), plan(std::move(p)) {}
  PlanPtr plan;
};

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_MODEL_H_
