// Graphs of cuDNN 9's backend API as plain values, the engine that is chosen for one, and plans that run it.
// cuDNN's plans and handles must not be shared between threads: a kernel keeps the graph and the engine, which are
// values, and everything that is bound to a queue builds its own plan of them.
#ifndef MATHNAS_KERNELS_CUDA_CUDNN_GRAPH_H_
#define MATHNAS_KERNELS_CUDA_CUDNN_GRAPH_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/cuda/cudnn_descriptor.h"
#include "kernels/tensor.h"

namespace mathnas::kernels::cuda::cudnn {

// Tensors are numbered from 0, in the order in which they are added; cuDNN knows them by that number plus 1. Sums are
// formed in float32.
struct Graph {
  // {N, C, H, W}, or {K, C/groups, kh, kw} of a filter, whose groups cuDNN sees from its extents.
  struct Tensor {
    DType type = DType::kF32;
    std::array<int64_t, 4> dims = {};
    std::array<int64_t, 4> strides = {};  // elements
    bool is_virtual = false;              // inside of the graph: in no memory
    bool operator==(const Tensor&) const = default;
  };
  enum class Direction : uint8_t { kForward, kBackwardData, kBackwardWeights };
  // x, w and y are those of the forward direction; the one that is computed is y, x or w.
  struct Convolution {
    Direction direction;
    int x, w, y;
    std::array<int64_t, 2> strides, before, after;  // of height and width; padding on both sides
    bool operator==(const Convolution&) const = default;
  };
  // y = x + b, b broadcast; or y = max(x, 0), with b = -1.
  struct Pointwise {
    enum class Mode : uint8_t { kAdd, kRelu } mode;
    int x, b, y;
    bool operator==(const Pointwise&) const = default;
  };

  int Add(Tensor tensor) {
    tensors.push_back(tensor);
    return static_cast<int>(tensors.size()) - 1;
  }
  bool operator==(const Graph&) const = default;

  std::vector<Tensor> tensors;
  absl::InlinedVector<std::variant<Convolution, Pointwise>, 3> operations;
};

// Addresses of tensors that are not virtual are multiples of this.
constexpr int64_t kAlignment = 16;
inline bool IsAligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % kAlignment == 0; }

// An engine with its knobs, as cuDNN's heuristics put them; the same numbers mean the same in every process with the
// same version of cuDNN.
struct Engine {
  int64_t index = 0;
  std::vector<std::pair<cudnnBackendKnobType_t, int64_t>> knobs;
  size_t workspace_bytes = 0;

  // "eng3_k2=4_k24=1".
  std::string name() const;
};

struct Requirements {
  bool tf32 = false;  // float32 may be multiplied with the 10 bits of TensorFloat-32
  size_t most_workspace = size_t{256} << 20;
};

// The first engine of the heuristics (mode A, then those of the fallback) whose plan cuDNN builds. Left out are engines
// that give other bits on every run, are further from exact sums than plain loops (Winograd's, Fourier transforms,
// sums in lower precision; for float32 without tf32 those on tensor cores too), that compile at run time, which takes
// seconds for each shape, or that want more workspace. Unimplemented, with what was refused, where none is left, or
// cuDNN does not take the graph.
absl::StatusOr<Engine> ChooseEngine(const Cudnn& cudnn, const Target& target, const Graph& graph,
                                    const Requirements& requirements);

// A plan of one thread.
class ExecutionPlan {
 public:
  // `engine` is what ChooseEngine gave for the graph.
  static absl::StatusOr<ExecutionPlan> Build(const Cudnn& cudnn, const Target& target, const Graph& graph,
                                             const Engine& engine);

  size_t workspace_bytes() const { return workspace_bytes_; }
  // Addresses of the tensors that are not virtual, in their order, which stay as they are.
  absl::Status Bind(absl::Span<void* const> tensors, void* workspace);
  // Enqueues on the stream of the handle.
  absl::Status Execute(cudnnHandle_t handle) const;

 private:
  explicit ExecutionPlan(const Cudnn& cudnn) : cudnn_(&cudnn) {}

  const Cudnn* cudnn_;
  std::vector<Descriptor> made_of_;  // which nobody promises that a plan copies
  Descriptor plan_;
  Descriptor pack_;
  std::vector<int64_t> ids_;
  size_t workspace_bytes_ = 0;
};

}  // namespace mathnas::kernels::cuda::cudnn

#endif  // MATHNAS_KERNELS_CUDA_CUDNN_GRAPH_H_
