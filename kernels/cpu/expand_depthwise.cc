// A 1x1 convolution and the depthwise one after it: own vector code, tile by tile of channels and row by row, so that
// the map between them stays in the first caches. What both cost apart is mostly their activations and memory.
#include <algorithm>
#include <array>
#include <list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/padded.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/vector_activation.h"
#include "kernels/cpu/zero_outputs.h"

namespace mathnas::kernels::cpu {
namespace {

enum Input : size_t { kSrc, kExpand, kExpandBias, kWeights, kBias };

// Channels that are computed together, but for the last ones of a map.
constexpr int64_t kTile = 32;

struct Layout {
  DepthwiseShape shape;
  VectorActivation inner, outer;
  int64_t images, inputs, taps;
  int64_t tiles, bands;  // of channels, and of rows
  int threads;
  int64_t scratch_floats;  // of a thread

  Layout(const ExpandDepthwise& op, const Request& r) : threads(r.threads) {
    const Shape &src = r.inputs[kSrc].shape, &dst = r.outputs[0].shape;
    shape = {.height = src[1],
             .width = src[2],
             .out_height = dst[1],
             .out_width = dst[2],
             .channels = dst[3],
             .stride = op.stride,
             .padding = op.padding,
             .kernel = static_cast<int>(r.inputs[kWeights].shape[2])};
    inner = OfVectors(op.expand_activation);
    outer = OfVectors(op.activation);
    images = src[0];
    inputs = src[3];
    taps = shape.kernel * shape.kernel;
    tiles = (shape.channels + kTile - 1) / kTile;
    // Rows are split only where there is too little else: the rows where bands meet are expanded twice.
    const int64_t items = images * tiles;
    const bool even = items % threads == 0 || items >= 8 * threads;
    bands = even ? 1 : std::min<int64_t>(threads, shape.out_height);
    scratch_floats = Padded(ExpandDepthwiseFloats(shape, kTile));
  }
  int64_t TileFloats(int64_t tile) const { return std::min(kTile, Padded(shape.channels) - tile * kTile); }
  // Floats that weights with `rows` numbers for each channel take when they are packed.
  int64_t Packed(int64_t rows) const { return rows * Padded(shape.channels); }
};

// Weights {M,rows} as {tile of channels, rows, channels of the tile}; surplus channels are 0.
void Pack(const Layout& a, int64_t rows, const float* weights, float* packed) {
  for (int64_t tile = 0; tile < a.tiles; ++tile) {
    const int64_t first = tile * kTile, floats = a.TileFloats(tile);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = first; c < first + floats; ++c) *packed++ = c < a.shape.channels ? weights[c * rows + r] : 0;
    }
  }
}

// An address for each shape of weights that has been packed, as PackedWeights wants it.
const void* ShapeId(int64_t channels, int64_t rows) {
  static std::mutex mutex;
  static std::list<std::pair<int64_t, int64_t>> seen;
  std::lock_guard lock(mutex);
  const std::pair shape = {channels, rows};
  for (const auto& known : seen) {
    if (known == shape) return &known;
  }
  return &seen.emplace_back(shape);
}

// What is packed: all inputs but the image, with their numbers for each channel.
constexpr std::array kPackedInputs = {kExpand, kExpandBias, kWeights, kBias};
int64_t RowsOf(const Layout& a, size_t input) { return input == kExpand ? a.inputs : input == kWeights ? a.taps : 1; }

class Bound : public BoundKernel {
 public:
  Bound(const VectorKernels& v, const Layout& layout) : v_(v), a_(layout) {}

  absl::Status Run() override {
    for (const auto& [input, to] : to_pack) Pack(a_, RowsOf(a_, input), sources[input], to);
    const int64_t work = a_.shape.height * a_.shape.width * kTile * (1 + a_.inputs / 8) / a_.bands;
    ParallelFor(a_.threads, a_.images * a_.bands * a_.tiles, GrainOf(work),
                [&](int thread, int64_t begin, int64_t end) {
                  for (int64_t item = begin; item < end; ++item) RunItem(item, rows + thread * a_.scratch_floats);
                });
    return absl::OkStatus();
  }

  std::array<const float*, 5> sources;
  std::array<const float*, 5> packed;
  std::vector<std::pair<size_t, float*>> to_pack;  // at every run: those that are not constant
  std::vector<std::shared_ptr<const Tensor>> kept;
  float* dst;
  float* rows;

 private:
  void RunItem(int64_t item, float* scratch) {
    const DepthwiseShape& s = a_.shape;
    const int64_t tile = item % a_.tiles, band = item / a_.tiles % a_.bands, image = item / a_.tiles / a_.bands;
    const int64_t channel = tile * kTile;
    v_.expand_depthwise({.shape = s,
                         .inputs = a_.inputs,
                         .inner = a_.inner,
                         .outer = a_.outer,
                         .tile = a_.TileFloats(tile),
                         .width = std::min(kTile, s.channels - channel),
                         .src = sources[kSrc] + image * s.height * s.width * a_.inputs,
                         .expand = packed[kExpand] + channel * a_.inputs,
                         .expand_bias = packed[kExpandBias] + channel,
                         .depthwise = packed[kWeights] + channel * a_.taps,
                         .depthwise_bias = packed[kBias] + channel,
                         .rows = scratch,
                         .first = s.out_height * band / a_.bands,
                         .last = s.out_height * (band + 1) / a_.bands,
                         .dst = dst + image * s.out_height * s.out_width * s.channels + channel});
  }

  const VectorKernels& v_;
  const Layout a_;
};

class ExpandDepthwiseKernel : public Kernel {
 public:
  explicit ExpandDepthwiseKernel(const Layout& layout) : a_(layout) {
    Carver book(nullptr);
    book.Take<float>(a_.threads * a_.scratch_floats);
    for (size_t input : kPackedInputs) book.Take<float>(a_.Packed(RowsOf(a_, input)));
    scratch_bytes_ = book.bytes();
  }

  std::string implementation() const override { return v_.name; }
  size_t scratch_bytes() const override { return scratch_bytes_; }
  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    auto bound = std::make_unique<Bound>(v_, a_);
    Carver scratch(buffers.scratch);
    bound->rows = scratch.Take<float>(a_.threads * a_.scratch_floats);
    bound->dst = static_cast<float*>(buffers.outputs[0]);
    for (size_t i = 0; i < bound->sources.size(); ++i) {
      bound->sources[i] = static_cast<const float*>(buffers.inputs[i].data);
    }
    for (size_t input : kPackedInputs) {
      const int64_t of_channel = RowsOf(a_, input), floats = a_.Packed(of_channel);
      float* to = scratch.Take<float>(floats);
      bound->packed[input] = to;
      if (!buffers.inputs[input].constant) {
        bound->to_pack.emplace_back(input, to);
        continue;
      }
      const float* source = bound->sources[input];
      auto kept = buffers.packed->Get(ShapeId(a_.shape.channels, of_channel), source, {DType::kF32, {floats}},
                                      [&](const TensorView& packed) {
                                        Pack(a_, of_channel, source, packed.as<float>().data());
                                        return absl::OkStatus();
                                      });
      if (!kept.ok()) return kept.status();
      bound->packed[input] = (*kept)->as<float>().data();
      bound->kept.push_back(*std::move(kept));
    }
    return bound;
  }

 private:
  const VectorKernels& v_ = Vector();
  Layout a_;
  size_t scratch_bytes_;
};

}  // namespace

KernelOr Make(const ExpandDepthwise& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  const int64_t kernel = r.inputs[kWeights].shape[2];
  if (kernel != 3 && kernel != 5 && kernel != 7) {
    return absl::UnimplementedError(fmt::format("expand_depthwise: a kernel of {}, expected 3, 5 or 7", kernel));
  }
  return std::make_shared<ExpandDepthwiseKernel>(Layout(op, r));
}

}  // namespace mathnas::kernels::cpu
