// The seam to oneDNN: factories shaped like version 3 that map down to version 2 (2.6 and newer). The only file that
// looks at DNNL_VERSION_MAJOR. Factories throw dnnl::error, as oneDNN does; Guard turns that into a status at the edge.
#ifndef MATHNAS_KERNELS_CPU_ONEDNN_H_
#define MATHNAS_KERNELS_CPU_ONEDNN_H_

#include <omp.h>

#include <string>
#include <type_traits>

#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "kernels/ops/conv2d.h"
#include "oneapi/dnnl/dnnl.hpp"

namespace mathnas::kernels::cpu::onednn {

using Md = dnnl::memory::desc;
using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;

inline constexpr bool kVersion3 = DNNL_VERSION_MAJOR >= 3;

// One CPU engine for the process; engines are thread-safe.
inline const dnnl::engine& Engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// One stream for each thread: a CPU stream holds no state, but is not promised to be thread-safe.
inline dnnl::stream& Stream() {
  thread_local dnnl::stream stream(Engine());
  return stream;
}

// oneDNN reads the number of threads from OpenMP, both when a primitive is made and when it runs.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) {
    if (threads != before_) omp_set_num_threads(threads);
  }
  ~ThreadScope() { omp_set_num_threads(before_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

// Runs `make` with this number of threads; a failure of oneDNN becomes a status.
template <typename Make>
auto Guard(int threads, const Make& make) -> decltype(make()) {
  ThreadScope scope(threads);
  try {
    return make();
  } catch (const dnnl::error& e) {
    const std::string text = fmt::format("oneDNN: {} (status {})", e.what(), static_cast<int>(e.status));
    if (e.status == dnnl_unimplemented) return absl::UnimplementedError(text);
    return absl::InternalError(text);
  }
}

// Whether the library has its fast kernels for bfloat16 on this processor, and may use them. Instruction sets are bits
// that include those of what they extend.
inline bool HasBfloat16() {
  constexpr auto kNeeded = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  static const auto effective = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  return (effective & kNeeded) == kNeeded;
}

inline dnnl::memory::data_type TypeOf(DType type) {
  return type == DType::kBf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}
inline Md Dense(const Dims& dims, Tag tag, DType type = DType::kF32) { return Md(dims, TypeOf(type), tag); }
inline Md Strided(const Dims& dims, const Dims& strides, DType type = DType::kF32) {
  return Md(dims, TypeOf(type), strides);
}
// Whatever layout the primitive likes best.
inline Md Any(const Dims& dims, DType type = DType::kF32) { return Dense(dims, Tag::any, type); }

inline void AppendEltwise(dnnl::post_ops& post_ops, dnnl::algorithm algorithm, float alpha, float beta) {
#if DNNL_VERSION_MAJOR >= 3
  post_ops.append_eltwise(algorithm, alpha, beta);
#else
  post_ops.append_eltwise(1.f, algorithm, alpha, beta);
#endif
}

// Scratch memory is ours (the library's own ties a primitive to its thread); post-ops in this order: sum, activation.
inline dnnl::primitive_attr Attributes(bool add_to_dst = false, Activation activation = Activation::kNone) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops post_ops;
  if (add_to_dst) post_ops.append_sum(1.f);
  if (activation == Activation::kRelu) AppendEltwise(post_ops, dnnl::algorithm::eltwise_relu, 0.f, 0.f);
  if (activation == Activation::kHardSwish) {
#if DNNL_VERSION_MAJOR >= 3
    AppendEltwise(post_ops, dnnl::algorithm::eltwise_hardswish, 1.f / 6, 0.5f);
#else
    AppendEltwise(post_ops, dnnl::algorithm::eltwise_hardswish, 0.f, 0.f);
#endif
  }
  if (activation == Activation::kSwish) AppendEltwise(post_ops, dnnl::algorithm::eltwise_swish, 1.f, 0.f);
  attributes.set_post_ops(post_ops);
  return attributes;
}

struct Window {
  Dims strides;
  Dims padding_left;
  Dims padding_right;
};

// A zero memory descriptor as bias means none.
inline dnnl::convolution_forward::primitive_desc ConvolutionForward(const Md& src, const Md& weights, const Md& bias,
                                                                    const Md& dst, const Window& w,
                                                                    const dnnl::primitive_attr& attributes) {
  constexpr auto kProp = dnnl::prop_kind::forward_training;
  constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {Engine(), kProp, kAlgorithm, src, weights, bias, dst, w.strides, w.padding_left, w.padding_right, attributes};
#else
  return {
      {kProp, kAlgorithm, src, weights, bias, dst, w.strides, w.padding_left, w.padding_right}, attributes, Engine()};
#endif
}

inline dnnl::convolution_backward_data::primitive_desc ConvolutionBackwardData(const Md& diff_src, const Md& weights,
                                                                               const Md& diff_dst, const Window& w) {
  const auto hint = ConvolutionForward(diff_src, weights, Md(), diff_dst, w, Attributes());
  constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {Engine(),  kAlgorithm,     diff_src,        weights, diff_dst,
          w.strides, w.padding_left, w.padding_right, hint,    Attributes()};
#else
  return {{kAlgorithm, diff_src, weights, diff_dst, w.strides, w.padding_left, w.padding_right},
          Attributes(),
          Engine(),
          hint};
#endif
}

// `weights` are those of the forward pass, which may be of another type than their gradient.
inline dnnl::convolution_backward_weights::primitive_desc ConvolutionBackwardWeights(const Md& src, const Md& weights,
                                                                                     const Md& diff_weights,
                                                                                     const Md& diff_bias,
                                                                                     const Md& diff_dst,
                                                                                     const Window& w) {
  const auto hint = ConvolutionForward(src, weights, diff_bias, diff_dst, w, Attributes());
  constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {Engine(),       kAlgorithm,      src,  diff_weights, diff_bias, diff_dst, w.strides,
          w.padding_left, w.padding_right, hint, Attributes()};
#else
  return {{kAlgorithm, src, diff_weights, diff_bias, diff_dst, w.strides, w.padding_left, w.padding_right},
          Attributes(),
          Engine(),
          hint};
#endif
}

inline dnnl::algorithm AveragePooling(bool include_padding) {
  return include_padding ? dnnl::algorithm::pooling_avg_include_padding : dnnl::algorithm::pooling_avg_exclude_padding;
}

inline dnnl::pooling_forward::primitive_desc AvgPoolForward(const Md& src, const Md& dst, const Dims& kernel,
                                                            const Window& w, bool include_padding) {
  constexpr auto kProp = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  return {Engine(),
          kProp,
          AveragePooling(include_padding),
          src,
          dst,
          w.strides,
          kernel,
          Dims(kernel.size(), 0),
          w.padding_left,
          w.padding_right,
          Attributes()};
#else
  return {{kProp, AveragePooling(include_padding), src, dst, w.strides, kernel, w.padding_left, w.padding_right},
          Attributes(),
          Engine()};
#endif
}

inline dnnl::pooling_backward::primitive_desc AvgPoolBackward(const Md& diff_src, const Md& diff_dst,
                                                              const Dims& kernel, const Window& w,
                                                              bool include_padding) {
  const auto hint = AvgPoolForward(diff_src, diff_dst, kernel, w, include_padding);
#if DNNL_VERSION_MAJOR >= 3
  return {Engine(),    AveragePooling(include_padding), diff_src,       diff_dst,        w.strides,
          kernel,      Dims(kernel.size(), 0),          w.padding_left, w.padding_right, hint,
          Attributes()};
#else
  return {{AveragePooling(include_padding), diff_src, diff_dst, w.strides, kernel, w.padding_left, w.padding_right},
          Attributes(),
          Engine(),
          hint};
#endif
}

// dst{M,N} = src{M,K} * weights{K,N} [+ bias{1,N}].
inline dnnl::matmul::primitive_desc Matmul(const Md& src, const Md& weights, const Md& bias, const Md& dst) {
#if DNNL_VERSION_MAJOR >= 3
  return {Engine(), src, weights, bias, dst, Attributes()};
#else
  return {{src, weights, bias, dst}, Attributes(), Engine()};
#endif
}

// diff_src{N,I} of a linear layer, from weights{O,I} and diff_dst{N,O}.
inline dnnl::inner_product_backward_data::primitive_desc LinearBackwardData(const Md& diff_src, const Md& weights,
                                                                            const Md& diff_dst) {
  constexpr auto kProp = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::inner_product_forward::primitive_desc hint(Engine(), kProp, diff_src, weights, diff_dst, Attributes());
  return {Engine(), diff_src, weights, diff_dst, hint, Attributes()};
#else
  const dnnl::inner_product_forward::primitive_desc hint({kProp, diff_src, weights, diff_dst}, Attributes(), Engine());
  return {{diff_src, weights, diff_dst}, Attributes(), Engine(), hint};
#endif
}

// diff_weights{O,I} and diff_bias{O} of a linear layer, from src{N,I} and diff_dst{N,O}; `weights` are those of the
// forward pass, which may be of another type than their gradient.
inline dnnl::inner_product_backward_weights::primitive_desc LinearBackwardWeights(const Md& src, const Md& weights,
                                                                                  const Md& diff_weights,
                                                                                  const Md& diff_bias,
                                                                                  const Md& diff_dst) {
  constexpr auto kProp = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::inner_product_forward::primitive_desc hint(Engine(), kProp, src, weights, diff_bias, diff_dst,
                                                         Attributes());
  return {Engine(), src, diff_weights, diff_bias, diff_dst, hint, Attributes()};
#else
  const dnnl::inner_product_forward::primitive_desc hint({kProp, src, weights, diff_bias, diff_dst}, Attributes(),
                                                         Engine());
  return {{src, diff_weights, diff_bias, diff_dst}, Attributes(), Engine(), hint};
#endif
}

inline dnnl::reorder::primitive_desc Reorder(const Md& from, const Md& to) {
  return {Engine(), from, Engine(), to, Attributes()};
}

}  // namespace mathnas::kernels::cpu::onednn

#endif  // MATHNAS_KERNELS_CPU_ONEDNN_H_
