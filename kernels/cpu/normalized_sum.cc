// Batch normalisation with the sum and the activation after it: own vector code, in pieces that stay in the first
// cache, so that every tensor is read and written once. Backward takes two passes: one for sums, one to apply. T is the
// type of images, float or Bfloat16; pieces are floats.
#include <algorithm>
#include <type_traits>

#include "kernels/cpu/batch_norm_backward.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/vector_activation.h"
#include "kernels/cpu/wide_matrix.h"
#include "kernels/cpu/zero_outputs.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// Elements at a time: 16 KB of each tensor.
constexpr int64_t kPiece = 4096;

// A buffer of one piece for each thread.
class Pieces {
 public:
  Pieces(const WideMatrix& m, Carver& scratch)
      : stride_((m.PieceElements(kPiece) + 15) / 16 * 16), first_(scratch.Take<float>(stride_ * m.parts)) {}
  float* of(int64_t part) const { return first_ + part * stride_; }

 private:
  int64_t stride_;
  float* first_;
};

// Scratch of each term: a T made of a matrix and a Carver.
template <typename T>
class ForTerms {
 public:
  ForTerms(const WideMatrix& m, int32_t terms, Carver& scratch) : m_(m) {
    Carver books(nullptr);
    T(m, books);
    bytes_ = static_cast<int64_t>(books.bytes());
    first_ = scratch.Take<std::byte>(terms * bytes_);
  }
  T of(int64_t term) const {
    Carver own(first_ + term * bytes_);
    return T(m_, own);
  }

 private:
  const WideMatrix& m_;
  int64_t bytes_;
  std::byte* first_;
};

// The operands of a term, in forward and backward alike.
template <typename T>
struct Term {
  const T* x;
  const float *mean, *inv_std, *gamma, *beta;  // the last two null if not affine

  template <typename Op>
  Term(const Op& op, const Operands& o, int64_t term) {
    const size_t first = static_cast<size_t>(term) * op.inputs_per_term();
    x = o.in<T>(first), mean = o.in<float>(first + 1), inv_std = o.in<float>(first + 2);
    gamma = op.affine ? o.in<float>(first + 3) : nullptr;
    beta = op.affine ? o.in<float>(first + 4) : nullptr;
  }
  double scale(int64_t c) const { return gamma ? gamma[c] * double{inv_std[c]} : inv_std[c]; }
};

// sum = the inputs of o from `first` on, at the elements from `at` on, and before them `sum` itself if it has
// something.
template <typename T>
void AddInputs(const VectorKernels& v, const Operands& o, size_t first, bool has_sum, int64_t at, float* sum,
               int64_t n) {
  size_t i = first;
  if (!has_sum) {
    constexpr size_t kMost = 8;
    const T* terms[kMost];
    for (; i < std::min(o.inputs.size(), first + kMost); ++i) terms[i - first] = o.in<T>(i) + at;
    BatchNormOf<T>(v).add(terms, static_cast<int64_t>(i - first), sum, n);
  }
  for (; i < o.inputs.size(); ++i) BatchNormOf<T>(v).accumulate(o.in<T>(i) + at, sum, n);
}

// y = the sum, after ReLU if it has one; written over where y is not of floats.
void Finish(const VectorKernels& v, bool relu, float* sum, float* y, int64_t n) {
  if (relu) return v.relu(sum, y, n);
  const float* only = sum;
  v.add(&only, 1, y, n);
}
void Finish(const VectorKernels& v, bool relu, float* sum, Bfloat16* y, int64_t n) {
  if (relu) v.relu(sum, sum, n);
  v.narrow(sum, y, n);
}

struct SumScratch {
  ForTerms<Coefficients> coefficients;
  Pieces pieces;
  SumScratch(const WideMatrix& m, const NormalizedSum& op, Carver&& scratch)
      : coefficients(m, op.terms, scratch), pieces(m, scratch) {
    bytes = scratch.bytes();
  }
  size_t bytes;
};

template <typename T>
void RunSum(const VectorKernels& v, const WideMatrix& m, const NormalizedSum& op, const Operands& o) {
  const BatchNormKernels<T>& norm = BatchNormOf<T>(v);
  const SumScratch scratch(m, op, Carver(o.scratch));
  for (int32_t t = 0; t < op.terms; ++t) {
    const Term<T> term(op, o, t);
    Coefficients coefficients = scratch.coefficients.of(t);
    for (int64_t c = 0; c < m.channels; ++c) {
      double shift = 0;  // of all terms, with the first
      for (int32_t i = 0; op.affine && t == 0 && i < op.terms; ++i) shift += Term<T>(op, o, i).beta[c];
      coefficients.Set(c, term.mean[c], term.scale(c), shift);
    }
    coefficients.Repeat(m);
  }
  const bool has_addends = o.inputs.size() > op.term_inputs();
  const bool is_simple = op.terms == 1 && !has_addends;
  const auto normalize = Of(op.activation, norm.normalize);
  m.ForAllBackwards(kPiece, [&](int part, int64_t at, int64_t rows, int64_t columns) {
    const T* x = o.in<T>(0) + at;
    T* y = o.out<T>(0) + at;
    const NormalizeColumns first = scratch.coefficients.of(0).columns();
    if (is_simple) return normalize(x, y, rows, columns, first);
    const int64_t n = rows * columns;
    float* sum = scratch.pieces.of(part);
    norm.normalize_to(x, sum, rows, columns, first);
    for (int32_t t = 1; t < op.terms; ++t) {
      norm.normalize_add(Term<T>(op, o, t).x + at, sum, sum, rows, columns, scratch.coefficients.of(t).columns());
    }
    if (has_addends) AddInputs<T>(v, o, op.term_inputs(), /*has_sum=*/true, at, sum, n);
    Finish(v, op.activation == Activation::kRelu, sum, y, n);
  });
}

struct BackwardScratch {
  ForTerms<ColumnSums> sums;
  ForTerms<Coefficients> forward;
  ForTerms<BackwardCoefficients> coefficients;
  Pieces total, inner;
  BackwardScratch(const WideMatrix& m, const NormalizedSumBackward& op, Carver&& scratch)
      : sums(m, op.terms, scratch),
        forward(m, op.terms, scratch),
        coefficients(m, op.terms, scratch),
        total(m, scratch),
        inner(m, scratch) {
    bytes = scratch.bytes();
  }
  size_t bytes;
};

template <typename T>
class BackwardRun {
 public:
  BackwardRun(const VectorKernels& v, const WideMatrix& m, const NormalizedSumBackward& op, const Operands& o)
      : v_(v), norm_(BatchNormOf<T>(v)), m_(m), op_(op), o_(o), scratch_(m, op, Carver(o.scratch)) {}

  void Run() {
    for (int32_t t = 0; t < op_.terms; ++t) SetForward(t);
    m_.ParallelRows([&](int part, int64_t begin, int64_t end) {
      Clear(part);
      const int64_t step = m_.RowsOfPiece(kPiece);
      for (int64_t row = begin; row < end; row += step) {
        AddSums(part, part, row * m_.columns, std::min(step, end - row), m_.columns);
      }
    });
    Clear(m_.parts);
    AddSums(0, m_.parts, m_.elements_before_rest(), m_.rest, m_.channels);
    for (int32_t t = 0; t < op_.terms; ++t) {
      const Term<T> term(op_, o_, t);
      const ColumnSums sums = scratch_.sums.of(t);
      AddToFirst(m_, sums);
      const size_t out = OutputOf(t);
      scratch_.coefficients.of(t).Set(m_, sums, term.inv_std, term.gamma, op_.affine ? o_.out<float>(out + 1) : nullptr,
                                      op_.affine ? o_.out<float>(out + 2) : nullptr);
    }
    m_.ForAllBackwards(kPiece, [&](int part, int64_t at, int64_t rows, int64_t columns) {
      const float* diff = FlowAgain(part, at, rows, columns);
      for (int32_t t = 0; t < op_.terms; ++t) {
        norm_.backward_of(Term<T>(op_, o_, t).x + at, diff, o_.out<T>(OutputOf(t)) + at, rows, columns,
                          scratch_.forward.of(t).columns(), scratch_.coefficients.of(t).columns());
      }
    });
  }

 private:
  size_t OutputOf(int32_t term) const { return static_cast<size_t>(term) * op_.outputs_per_term(); }
  T* Total() const { return o_.out<T>(op_.total_output()); }
  bool NeedsInner() const { return op_.activation != Activation::kNone && !op_.has_y(); }

  void SetForward(int32_t t) {
    const Term<T> term(op_, o_, t);
    Coefficients forward = scratch_.forward.of(t);
    for (int64_t c = 0; c < m_.channels; ++c) {
      forward.Set(c, term.mean[c], term.scale(c), term.beta ? term.beta[c] : 0);
    }
    forward.Repeat(m_);
  }

  void Clear(int64_t part) const {
    for (int32_t t = 0; t < op_.terms; ++t) scratch_.sums.of(t).Clear(part);
  }

  static constexpr bool kOfFloats = std::is_same_v<T, float>;

  // What flows in behind the activation, of a piece: in the total output if that is of floats, or in a buffer of the
  // thread, or one of the inputs as it is.
  const float* Flow(int64_t thread, int64_t at, int64_t rows, int64_t columns) const {
    const int64_t n = rows * columns;
    const size_t first = op_.first_flow();
    float* flow = scratch_.total.of(thread);
    const float* sum = flow;
    if constexpr (kOfFloats) {
      if (op_.has_total) flow = Total() + at;
      sum = o_.in<float>(first) + at;
    }
    if (!kOfFloats || o_.inputs.size() > first + 1) {
      AddInputs<T>(v_, o_, first, /*has_sum=*/false, at, flow, n);
      sum = flow;
    }
    if (op_.has_y()) {
      norm_.relu_backward(o_.in<T>(first - 1) + at, sum, flow, n);
    } else if (NeedsInner()) {
      float* inner = scratch_.inner.of(thread);
      norm_.normalize_to(o_.in<T>(0) + at, inner, rows, columns, scratch_.forward.of(0).columns());
      const auto backward = op_.activation == Activation::kSwish       ? v_.swish_backward
                            : op_.activation == Activation::kHardSwish ? v_.hard_swish_backward
                                                                       : v_.relu_backward;
      backward(inner, sum, flow, n);
    } else if (op_.has_total && sum != flow) {
      v_.add(&sum, 1, flow, n);
    } else {
      return sum;
    }
    return flow;
  }

  // The same in the second pass, after which the total output has it. A total of bfloat16 is rounded, and may lie where
  // the first of the tensors that flow in does: it is written now, and they are added once more.
  const float* FlowAgain(int64_t thread, int64_t at, int64_t rows, int64_t columns) const {
    if constexpr (kOfFloats) {
      return op_.has_total ? Total() + at : Flow(thread, at, rows, columns);
    } else {
      const float* flow = Flow(thread, at, rows, columns);
      if (op_.has_total) v_.narrow(flow, Total() + at, rows * columns);
      return flow;
    }
  }

  void AddSums(int64_t thread, int64_t part, int64_t at, int64_t rows, int64_t columns) const {
    const float* diff = Flow(thread, at, rows, columns);
    for (int32_t t = 0; t < op_.terms; ++t) {
      const ColumnSums sums = scratch_.sums.of(t);
      norm_.backward_sums_of(Term<T>(op_, o_, t).x + at, diff, rows, columns, scratch_.forward.of(t).columns(),
                             sums.first_of(part), sums.second_of(part));
    }
  }

  const VectorKernels& v_;
  const BatchNormKernels<T>& norm_;
  const WideMatrix& m_;
  const NormalizedSumBackward& op_;
  const Operands& o_;
  BackwardScratch scratch_;
};

template <typename T>
void RunBackward(const VectorKernels& v, const WideMatrix& m, const NormalizedSumBackward& op, const Operands& o) {
  BackwardRun<T>(v, m, op, o).Run();
}

// One term, one flow and an activation other than Swish.
template <typename T>
void RunLoneBackward(const VectorKernels& v, const WideMatrix& m, const NormalizedSumBackward& op, const Operands& o) {
  const Term<T> term(op, o, 0);
  const size_t flow = op.first_flow();
  const BatchNormGradient<T> gradient = {.x = term.x,
                                         .diff_y = o.in<T>(flow),
                                         .mean = term.mean,
                                         .inv_std = term.inv_std,
                                         .gamma = term.gamma,
                                         .beta = term.beta,
                                         .diff_x = o.out<T>(0),
                                         .diff_gamma = op.affine ? o.out<float>(1) : nullptr,
                                         .diff_beta = op.affine ? o.out<float>(2) : nullptr};
  gradient.Run(v, m, op.activation, o.scratch);
}

}  // namespace

KernelOr Make(const NormalizedSum& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const WideMatrix m(r.inputs[0], r.threads);
  const auto run = IsBfloat16(r.inputs[0]) ? RunSum<Bfloat16> : RunSum<float>;
  return MakeFunctionKernel(v.name, SumScratch(m, op, Carver(nullptr)).bytes,
                            [&v, m, op, run](const Operands& o) { run(v, m, op, o); });
}

KernelOr Make(const NormalizedSumBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const WideMatrix m(r.inputs[0], r.threads);
  const bool is_lone = op.terms == 1 && !op.has_total && r.inputs.size() == op.first_flow() + 1;
  if (is_lone && op.activation != Activation::kSwish) {
    const auto run = IsBfloat16(r.inputs[0]) ? RunLoneBackward<Bfloat16> : RunLoneBackward<float>;
    return MakeFunctionKernel(v.name, BatchNormGradientScratch(m),
                              [&v, m, op, run](const Operands& o) { run(v, m, op, o); });
  }
  const auto run = IsBfloat16(r.inputs[0]) ? RunBackward<Bfloat16> : RunBackward<float>;
  return MakeFunctionKernel(v.name, BackwardScratch(m, op, Carver(nullptr)).bytes,
                            [&v, m, op, run](const Operands& o) { run(v, m, op, o); });
}

}  // namespace mathnas::kernels::cpu
