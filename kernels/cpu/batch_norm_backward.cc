#include "kernels/cpu/batch_norm_backward.h"

#include <cstdint>

#include "kernels/cpu/vector_activation.h"

namespace mathnas::kernels::cpu {
namespace {

struct Scratch {
  ColumnSums sums;
  Coefficients forward;
  BackwardCoefficients coefficients;
  size_t bytes;

  Scratch(const WideMatrix& m, Carver&& carver)
      : sums(m, carver), forward(m, carver), coefficients(m, carver), bytes(carver.bytes()) {}
};

}  // namespace

size_t BatchNormGradientScratch(const WideMatrix& m) { return Scratch(m, Carver(nullptr)).bytes; }

template <typename T>
void BatchNormGradient<T>::Run(const VectorKernels& v, const WideMatrix& m, Activation activation, void* memory) const {
  Scratch scratch(m, Carver(memory));
  for (int64_t c = 0; c < m.channels; ++c) {
    scratch.forward.Set(c, mean[c], gamma ? gamma[c] * double{inv_std[c]} : inv_std[c], beta ? beta[c] : 0);
  }
  scratch.forward.Repeat(m);
  const NormalizeColumns forward = scratch.forward.columns();
  const auto backward_sums = Of(activation, BatchNormOf<T>(v).backward_sums);
  const auto add = [&](int64_t part, int64_t at, int64_t rows, int64_t columns) {
    scratch.sums.Clear(part);
    backward_sums(x + at, diff_y + at, rows, columns, forward, scratch.sums.first_of(part),
                  scratch.sums.second_of(part));
  };
  m.ParallelRows([&](int part, int64_t begin, int64_t end) { add(part, begin * m.columns, end - begin, m.columns); });
  add(m.parts, m.elements_before_rest(), m.rest, m.channels);
  AddToFirst(m, scratch.sums);
  scratch.coefficients.Set(m, scratch.sums, inv_std, gamma, diff_gamma, diff_beta);

  constexpr int64_t kPiece = 16384;  // elements that a thread takes at a time
  const auto backward = Of(activation, BatchNormOf<T>(v).backward);
  m.ForAllBackwards(kPiece, [&](int, int64_t at, int64_t rows, int64_t columns) {
    backward(x + at, diff_y + at, diff_x + at, rows, columns, forward, scratch.coefficients.columns());
  });
}

template struct BatchNormGradient<float>;
template struct BatchNormGradient<Bfloat16>;

}  // namespace mathnas::kernels::cpu
