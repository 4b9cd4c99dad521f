// Layer normalisation: own vector code. Threads share the groups.
#include <cmath>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/zero_outputs.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// Rows whose contributions to the gradients of gamma and beta are added in float before they go on in double.
constexpr int64_t kRowsPerBlock = 64;

struct Groups {
  int64_t count, elements, rows, channels;
  int threads;

  Groups(const TensorDesc& x, int32_t axes, const Request& r)
      : count(x.elements() / LayerNormGroup(x.shape, axes)),
        elements(LayerNormGroup(x.shape, axes)),
        rows(elements / x.shape.back()),
        channels(x.shape.back()),
        threads(r.threads) {}

  template <typename Body>
  int Parallel(const Body& body) const {
    return ParallelFor(threads, count, GrainOf(elements), body);
  }
};

// Gradients of gamma and beta: of the rows of a block in float, then in double, for each thread.
struct BackwardScratch {
  float *block_gamma, *block_beta;
  double *gamma, *beta;
  size_t bytes;

  BackwardScratch(const Groups& g, Carver scratch)
      : block_gamma(scratch.Take<float>(g.threads * g.channels)),
        block_beta(scratch.Take<float>(g.threads * g.channels)),
        gamma(scratch.Take<double>(g.threads * g.channels)),
        beta(scratch.Take<double>(g.threads * g.channels)),
        bytes(scratch.bytes()) {}
};

// Adds a block to the sums and empties it.
void MoveBlock(float* block, double* sums, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    sums[c] += block[c];
    block[c] = 0;
  }
}

void RunBackward(const VectorKernels& v, const Groups& g, const Operands& o) {
  const BackwardScratch scratch(g, Carver(o.scratch));
  const int parts = g.Parallel([&](int thread, int64_t begin, int64_t end) {
    const int64_t at = thread * g.channels;
    float *block_gamma = scratch.block_gamma + at, *block_beta = scratch.block_beta + at;
    double *sum_gamma = scratch.gamma + at, *sum_beta = scratch.beta + at;
    for (int64_t c = 0; c < g.channels; ++c) {
      block_gamma[c] = block_beta[c] = 0;
      sum_gamma[c] = sum_beta[c] = 0;
    }
    const float* gamma = o.in<float>(4);
    int64_t in_block = 0;
    for (int64_t k = begin; k < end; ++k) {
      const float *x = o.in<float>(0) + k * g.elements, *diff_y = o.in<float>(1) + k * g.elements;
      const float mean = o.in<float>(2)[k], inv_std = o.in<float>(3)[k];
      double total_g = 0, total_gh = 0;
      for (int64_t row = 0; row < g.rows; row += kRowsPerBlock) {
        const int64_t rows = std::min(kRowsPerBlock, g.rows - row);
        double sum_g, sum_gh;
        v.normalize_group_backward_sums(x + row * g.channels, diff_y + row * g.channels, rows, g.channels, mean,
                                        inv_std, gamma, block_gamma, block_beta, &sum_g, &sum_gh);
        total_g += sum_g;
        total_gh += sum_gh;
        in_block += rows;
        if (in_block >= kRowsPerBlock) {
          MoveBlock(block_gamma, sum_gamma, g.channels);
          MoveBlock(block_beta, sum_beta, g.channels);
          in_block = 0;
        }
      }
      v.normalize_group_backward(x, diff_y, o.out<float>(0) + k * g.elements, g.rows, g.channels, mean, inv_std, gamma,
                                 static_cast<float>(total_g / static_cast<double>(g.elements)),
                                 static_cast<float>(total_gh / static_cast<double>(g.elements)));
    }
    MoveBlock(block_gamma, sum_gamma, g.channels);
    MoveBlock(block_beta, sum_beta, g.channels);
  });
  for (int64_t c = 0; c < g.channels; ++c) {
    double sum_gamma = 0, sum_beta = 0;
    for (int part = 0; part < parts; ++part) {
      sum_gamma += scratch.gamma[part * g.channels + c];
      sum_beta += scratch.beta[part * g.channels + c];
    }
    o.out<float>(1)[c] = static_cast<float>(sum_gamma);
    o.out<float>(2)[c] = static_cast<float>(sum_beta);
  }
}

}  // namespace

KernelOr Make(const LayerNorm& op, const Request& r) {
  const VectorKernels& v = Vector();
  const Groups g(r.inputs[0], op.axes, r);
  return MakeFunctionKernel(v.name, 0, [&v, g, epsilon = op.epsilon](const Operands& o) {
    g.Parallel([&](int, int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const float* x = o.in<float>(0) + k * g.elements;
        double mean, squares;
        v.moments(x, g.elements, &mean, &squares);
        const double inv_std = 1 / std::sqrt(squares / static_cast<double>(g.elements) + epsilon);
        o.out<float>(1)[k] = static_cast<float>(mean);
        o.out<float>(2)[k] = static_cast<float>(inv_std);
        v.normalize_group(x, o.out<float>(0) + k * g.elements, g.rows, g.channels, static_cast<float>(mean),
                          static_cast<float>(inv_std), o.in<float>(1), o.in<float>(2));
      }
    });
  });
}

KernelOr Make(const LayerNormBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const Groups g(r.inputs[0], op.axes, r);
  return MakeFunctionKernel(v.name, BackwardScratch(g, Carver(nullptr)).bytes,
                            [&v, g](const Operands& o) { RunBackward(v, g, o); });
}

}  // namespace mathnas::kernels::cpu
