// Serial kernels over ranges of floats, a few of bfloat16, compiled once per instruction set and chosen at run time.
// Threads, shapes and operators are the business of the callers in kernels/cpu. Matrices are dense and row-major. Where
// nothing else is said, an output is either apart from all inputs or exactly one of them. Sums are added in an order
// that depends on the sizes and the instruction set alone.
#ifndef MATHNAS_KERNELS_CPU_VECTOR_VECTOR_KERNELS_H_
#define MATHNAS_KERNELS_CPU_VECTOR_VECTOR_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/dropout_keys.h"

namespace mathnas::kernels::cpu {

enum class VectorActivation : uint8_t { kNone, kRelu, kHardSwish, kSwish };

// Per column: y = (x - mean) * scale + shift. Subtracting the mean first keeps the digits when it is far from zero.
struct NormalizeColumns {
  const float* mean;
  const float* scale;
  const float* shift;
};

// Per column: diff_x = scale * diff_y - slope * (x - mean) - offset.
struct NormalizeBackwardColumns {
  const float* scale;
  const float* slope;
  const float* offset;
};

// Batch normalisation of elements of type T: floats, or bfloat16, which is computed with as floats and rounded once
// when it is stored. See batch_norm.inc.
template <typename T>
struct BatchNormKernels {
  // Mean of each column, and the sum of squared distances from it. Needs a row.
  void (*column_moments)(const T* x, int64_t rows, int64_t columns, double* mean, double* squares);
  // y = the activation of it; by VectorActivation, as the two of backward, which have no kSwish.
  void (*normalize[4])(const T* x, T* y, int64_t rows, int64_t columns, const NormalizeColumns& with);
  // Adds the sums of diff_y, as it flows in behind the activation, and of its product with x - mean of each column to
  // those that are there. Scale and shift of `forward` are read where there is an activation.
  void (*backward_sums[3])(const T* x, const T* diff_y, int64_t rows, int64_t columns, const NormalizeColumns& forward,
                           double* sum_diff, double* sum_diff_x);
  // The same for diff_x; the mean is that of `forward`.
  void (*backward[3])(const T* x, const T* diff_y, T* diff_x, int64_t rows, int64_t columns,
                      const NormalizeColumns& forward, const NormalizeBackwardColumns& with);

  // For sums of several, which are floats whatever T is.
  void (*normalize_to)(const T* x, float* y, int64_t rows, int64_t columns, const NormalizeColumns& with);
  // y = sum + what normalize gives.
  void (*normalize_add)(const T* x, const float* sum, float* y, int64_t rows, int64_t columns,
                        const NormalizeColumns& with);
  void (*add)(const T* const* x, int64_t count, float* y, int64_t n);  // as VectorKernels::add
  void (*accumulate)(const T* x, float* sum, int64_t n);
  void (*relu_backward)(const T* y, const float* diff_y, float* diff_x, int64_t n);
  void (*backward_sums_of)(const T* x, const float* diff_y, int64_t rows, int64_t columns,
                           const NormalizeColumns& forward, double* sum_diff, double* sum_diff_x);
  void (*backward_of)(const T* x, const float* diff_y, T* diff_x, int64_t rows, int64_t columns,
                      const NormalizeColumns& forward, const NormalizeBackwardColumns& with);
};

// What is known of a row of logits z after its softmax.
struct SoftmaxRow {
  double max;      // of z
  double sum_exp;  // of exp(z - max)
  double sum;      // of z
};

struct SgdCoefficients {
  float learning_rate;
  float momentum;
  float weight_decay;
  float gradient_scale;
  bool nesterov;
};

// See AdamStep: w = keep w - step m / (sqrt(v) + epsilon).
struct AdamCoefficients {
  float gradient_scale;
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
  float keep, step, epsilon;
};

// A depthwise convolution with a square kernel.
struct DepthwiseShape {
  int64_t height, width, out_height, out_width, channels;
  int64_t stride, padding;
  int kernel;  // 3, 5 or 7
};

// y{rows,columns} = a{rows,inner} b{inner,columns}, plus bias{columns} in every row if there is one, or else what was
// there with `accumulate`. Element (i,j) of a lies at
// i a_row + j a_column; rows of b and y are dense and `columns` a multiple of 16. y is apart from a and b.
struct ProductOperands {
  const float* a;
  int64_t a_row, a_column;
  const float* b;
  int64_t b_row;
  float* y;
  int64_t y_row;
  int64_t rows, inner, columns;
  bool accumulate = false;
  const float* bias = nullptr;
};

// A 1x1 convolution of an image, and a depthwise one of its result, for `tile` neighbouring channels (16 or 32), of
// which the last ones may be surplus: `width` of the results are stored. Both have an activation at their end.
struct ExpandDepthwiseOperands {
  DepthwiseShape shape;  // of the depthwise convolution; `channels` are floats from pixel to pixel of dst
  int64_t inputs;        // channels of src{height,width,inputs}
  VectorActivation inner, outer;
  int64_t tile, width;
  const float* src;
  const float *expand, *expand_bias;        // {inputs,tile}, {tile}
  const float *depthwise, *depthwise_bias;  // {kernel,kernel,tile}, {tile}
  float* rows;                              // scratch: ExpandDepthwiseFloats
  int64_t first, last;                      // rows of dst that are computed: first .. last - 1
  float* dst;                               // row 0 of {out_height,out_width,channels}, at the first of these channels
};

// Floats of scratch memory that a call needs: the rows that the kernel covers with their padding, one of zeros, one of
// results.
constexpr int64_t ExpandDepthwiseFloats(const DepthwiseShape& s, int64_t tile) {
  return ((s.kernel + 1) * (s.width + 2 * s.padding + 2 * s.stride * 4) + s.out_width + 4) * tile;
}

// A 3x3 convolution of images{height,width,inputs} with stride 1 and padding 1. Channels are multiples of 16. Its tiles
// are 2x2 pixels of the results, row by row, image by image; at odd edges a part of one.
struct WinogradShape {
  int64_t height, width, inputs, outputs;
};

// Tiles that are transformed together.
inline constexpr int64_t kWinogradTiles = 28;

// Floats of scratch memory of a thread.
constexpr int64_t WinogradFloats(const WinogradShape& s) {
  return 4 * kWinogradTiles * (s.inputs + 2 * s.outputs) + s.width * (s.inputs > s.outputs ? s.inputs : s.outputs);
}

struct WinogradOperands {
  WinogradShape shape;
  const float* src;                 // {images,height,width,inputs}
  const float* weights = nullptr;   // {16,outputs / 16,inputs,16}; of `convolve`
  const float* bias = nullptr;      // {outputs} or none; of `convolve`
  const float* diff_dst = nullptr;  // {images,height,width,outputs}; of `backward_weights`
  bool accumulate = false, relu = false;
  float* dst;           // {images,height,width,outputs}, or of `backward_weights` {16,inputs,outputs}
  float* scratch;       // WinogradFloats
  int64_t first, last;  // tiles that are computed: first .. last - 1
};

// See winograd.inc. All null where it has none.
struct WinogradKernels {
  // Outputs `output` .. + 15 of WinogradOperands::weights, from weights{outputs,inputs,3,3} with `row` floats from
  // output to output; `turned`: of the convolution that is the gradient of one with weights{inputs,outputs,3,3},
  // likewise.
  void (*weights)(const WinogradShape& shape, const float* weights, int64_t row, bool turned, int64_t output,
                  float* to);
  // dst = what was there with `accumulate` + convolution + bias, then max(0, .) with `relu`.
  void (*convolve)(const WinogradOperands& operands);
  // dst = sums over the tiles, of which `gradient` makes those of the weights.
  void (*backward_weights)(const WinogradOperands& operands);
  // Outputs `output` .. + 15 of diff_weights{outputs,inputs,3,3}, `row` floats from output to output, from the sum of
  // sums{parts,16,inputs,outputs} in the order of the parts.
  void (*gradient)(const WinogradShape& shape, const float* sums, int64_t parts, int64_t output, float* diff_weights,
                   int64_t row);
};

inline constexpr int64_t kGradientPixels = 32;  // that the unit sums over at once: a tile

// The gradient of the weights of a convolution of images{height,width,inputs} with stride 1 and padding kernel / 2, of
// an odd kernel. Images lie on a raster of lines, each image below the other: `padding` pixels right of the last of a
// line and lines below the last of an image are zeros, which are the padding on the left and above of what follows,
// too. Zeros are multiplied like all else, so what is infinite or not a number may reach the gradients of all taps.
struct ConvolutionGradientShape {
  int64_t height, width, inputs, outputs, kernel;

  constexpr int64_t padding() const { return kernel / 2; }
  constexpr int64_t line() const { return width + padding(); }
  // Tiles of pixels of the raster.
  constexpr int64_t tiles(int64_t images) const {
    return (images * (height + padding()) * line() + kGradientPixels - 1) / kGradientPixels;
  }
  constexpr int64_t input_tiles() const { return (inputs + 15) / 16; }
  constexpr int64_t output_tiles() const { return (outputs + 15) / 16; }
  constexpr int64_t sums() const { return kernel * kernel * input_tiles() * output_tiles() * 256; }
};

struct ConvolutionGradientOperands {
  ConvolutionGradientShape shape;
  int64_t images;
  const Bfloat16* src;       // {images,height,width,inputs}
  const Bfloat16* diff_dst;  // {images,height,width,outputs}
  float* sums;               // {kernel,kernel,input_tiles,output_tiles,16 outputs,16 inputs}
  void* scratch;             // gradient_bytes, on a cache line
  int64_t first, last;       // tiles of the raster that are summed: first .. last - 1, at least one
};

// {rows,columns}, or turned: {columns,rows}; `row` floats from row to row of what is in memory.
struct MatrixOfFloats {
  const float* data = nullptr;
  int64_t row;
  bool turned = false;
};

// y{rows,columns} = left{rows,inner} right{inner,columns} + bias{columns}, if there is one. Sizes are at least 1.
struct ProductOfFloats {
  int64_t rows, columns, inner;
  MatrixOfFloats left, right;
  const float* bias = nullptr;
  float* y = nullptr;
  int64_t y_row;            // floats from row to row
  void* scratch = nullptr;  // product_bytes, on a cache line
};

// Kernels of a processor's unit for products of matrices of bfloat16: Intel's AMX.
struct MatrixUnitKernels {
  const char* name;  // "vector:amx_bf16"

  // amx_gradient.inc
  size_t (*gradient_bytes)(const ConvolutionGradientShape& shape);
  void (*backward_weights)(const ConvolutionGradientOperands& operands);

  // amx_product.inc: more exact than sums of floats one after the other; what is infinite may become not a number.
  // Bytes for so many rows are enough for fewer.
  size_t (*product_bytes)(int64_t rows, int64_t inner);
  void (*multiply)(const ProductOfFloats& product);
};

// Floats that kernels take at once; behind what they read some more may have to be there.
inline constexpr int64_t kVectorFloats = 16;

struct VectorKernels {
  const char* name;  // "vector:portable", "vector:avx2", "vector:avx512"

  // elementwise.inc
  void (*relu)(const float* x, float* y, int64_t n);
  void (*relu_backward)(const float* y, const float* diff_y, float* diff_x, int64_t n);
  void (*add)(const float* const* x, int64_t count, float* y, int64_t n);  // count >= 1, added in order
  void (*scale)(float factor, const float* x, float* y, int64_t n);
  void (*fill)(float value, float* y, int64_t n);
  void (*accumulate)(const float* x, float* sum, int64_t n);
  void (*add_scaled)(float factor, const float* x, float* sum, int64_t n);  // sum += factor x

  // Of bfloat16: as those of floats of the same name, computed in float and rounded once.
  void (*widen)(const Bfloat16* x, float* y, int64_t n);
  void (*narrow)(const float* x, Bfloat16* y, int64_t n);  // to nearest even
  // y{rows,columns} = columns of a matrix with `stride` elements from row to row.
  void (*widen_columns)(const Bfloat16* x, int64_t stride, int64_t rows, int64_t columns, float* y);
  void (*relu_bfloat16)(const Bfloat16* x, Bfloat16* y, int64_t n);
  void (*hard_swish_bfloat16)(const Bfloat16* x, Bfloat16* y, int64_t n);
  void (*hard_sigmoid_bfloat16)(const Bfloat16* x, Bfloat16* y, int64_t n);
  void (*swish_bfloat16)(const Bfloat16* x, Bfloat16* y, int64_t n);
  void (*relu_backward_bfloat16)(const Bfloat16* y, const Bfloat16* diff_y, Bfloat16* diff_x, int64_t n);
  void (*hard_swish_backward_bfloat16)(const Bfloat16* x, const Bfloat16* diff_y, Bfloat16* diff_x, int64_t n);
  void (*hard_sigmoid_backward_bfloat16)(const Bfloat16* x, const Bfloat16* diff_y, Bfloat16* diff_x, int64_t n);
  void (*swish_backward_bfloat16)(const Bfloat16* x, const Bfloat16* diff_y, Bfloat16* diff_x, int64_t n);
  void (*scale_bfloat16)(float factor, const Bfloat16* x, Bfloat16* y, int64_t n);
  void (*add_bfloat16)(const Bfloat16* const* x, int64_t count, Bfloat16* y, int64_t n);
  void (*scale_columns_bfloat16)(const Bfloat16* x, const Bfloat16* scale, Bfloat16* y, int64_t rows, int64_t columns);
  void (*dot_columns_bfloat16)(const Bfloat16* a, const Bfloat16* b, int64_t stride, int64_t rows, int64_t columns,
                               Bfloat16* dot);
  void (*column_means_bfloat16)(const Bfloat16* x, int64_t stride, int64_t rows, int64_t columns, Bfloat16* mean);
  void (*broadcast_row_bfloat16)(float factor, const Bfloat16* x, Bfloat16* y, int64_t rows, int64_t columns);

  // dropout.inc
  // y[j] = factor * x[j], or 0 where the DropoutMask of these keys drops index + j. In place, too.
  void (*dropout)(const DropoutKeys& keys, uint32_t index, float factor, const float* x, float* y, int64_t n);

  // activation.inc
  void (*hard_swish)(const float* x, float* y, int64_t n);
  void (*hard_swish_backward)(const float* x, const float* diff_y, float* diff_x, int64_t n);
  void (*hard_sigmoid)(const float* x, float* y, int64_t n);
  void (*hard_sigmoid_backward)(const float* x, const float* diff_y, float* diff_x, int64_t n);
  void (*swish)(const float* x, float* y, int64_t n);
  void (*swish_backward)(const float* x, const float* diff_y, float* diff_x, int64_t n);

  // batch_norm.inc
  BatchNormKernels<float> batch_norm;
  BatchNormKernels<Bfloat16> batch_norm_bfloat16;
  // Merges the moments of `other_rows` further rows into those of `rows` rows.
  void (*merge_moments)(double* mean, double* squares, int64_t rows, const double* other_mean,
                        const double* other_squares, int64_t other_rows, int64_t columns);

  // layer_norm.inc; a group is {rows, columns}, the columns are channels
  // Mean of n values, and the sum of squared distances from it.
  void (*moments)(const float* x, int64_t n, double* mean, double* squares);
  // y = (x - mean) inv_std gamma + beta.
  void (*normalize_group)(const float* x, float* y, int64_t rows, int64_t columns, float mean, float inv_std,
                          const float* gamma, const float* beta);
  // With h = (x - mean) inv_std: adds the sums of diff_y h and of diff_y to those of each channel, and sets sum_g and
  // sum_gh to the sums of gamma diff_y and of gamma diff_y h over the group.
  void (*normalize_group_backward_sums)(const float* x, const float* diff_y, int64_t rows, int64_t columns, float mean,
                                        float inv_std, const float* gamma, float* diff_gamma, float* diff_beta,
                                        double* sum_g, double* sum_gh);
  // diff_x = inv_std (gamma diff_y - mean_g - h mean_gh).
  void (*normalize_group_backward)(const float* x, const float* diff_y, float* diff_x, int64_t rows, int64_t columns,
                                   float mean, float inv_std, const float* gamma, float mean_g, float mean_gh);

  // product.inc
  void (*multiply)(const ProductOperands& operands);
  // to{size, rows rounded up to 16} = factor * from{rows, size}^T, with `stride` floats from row to row of `from`; what
  // is added is 0.
  void (*transpose)(const float* from, int64_t stride, int64_t rows, int64_t size, float factor, float* to);

  // window.inc; a window is height x width floats of a matrix whose rows are `stride` floats apart. kVectorFloats more
  // must be there behind the window, and behind the row that is added.
  //
  // row = the window's rows one after the other, and 0 from there to `padded`.
  void (*take_window)(const float* window, int64_t stride, int64_t height, int64_t width, float* row, int64_t padded);
  // window += row{height * width}.
  void (*add_to_window)(const float* row, int64_t height, int64_t width, float* window, int64_t stride);

  // pool.inc
  // mean[j] of columns j of a matrix with `stride` floats from row to row. Needs a row.
  void (*column_means)(const float* x, int64_t stride, int64_t rows, int64_t columns, float* mean);
  // y = factor * x in every row.
  void (*broadcast_row)(float factor, const float* x, float* y, int64_t rows, int64_t columns);

  // columns.inc
  // y[.,j] = x[.,j] scale[j].
  void (*scale_columns)(const float* x, const float* scale, float* y, int64_t rows, int64_t columns);
  // dot[j] = sum over rows of a[.,j] b[.,j], both with `stride` floats from row to row.
  void (*dot_columns)(const float* a, const float* b, int64_t stride, int64_t rows, int64_t columns, float* dot);
  // y{rows,columns} += a{rows,inner} b{inner,columns}; y is apart from a and b. For small ones.
  void (*add_product)(const float* a, const float* b, float* y, int64_t rows, int64_t inner, int64_t columns);

  // depthwise.inc
  // sums[tap][.] = sum over images and pixels of src times diff_dst, for `width` (16, 8 or 1) neighbouring channels,
  // which src and diff_dst begin with. Taps row by row.
  void (*depthwise_backward_weights)(const DepthwiseShape& shape, const float* src, const float* diff_dst,
                                     int64_t images, int64_t width, float* sums);

  // expand_depthwise.inc
  void (*expand_depthwise)(const ExpandDepthwiseOperands& operands);

  // winograd.inc
  WinogradKernels winograd;

  // softmax.inc
  // Softmax of each row, and one SoftmaxRow for each.
  void (*softmax)(const float* z, float* probabilities, SoftmaxRow* info, int64_t rows, int64_t columns);
  // Softmax of each row in place, rows `stride` floats apart, and log sum exp of each. A row of nothing but -infinity
  // becomes zeros.
  void (*softmax_rows)(float* z, int64_t stride, int64_t rows, int64_t columns, float* log_sums);
  // z = exp(z - log_sum) where z <= log_sum but for rounding.
  void (*exp_rows)(float* z, int64_t stride, int64_t rows, int64_t columns, const float* log_sums);
  // dz = p (dp - offset), in place of dp.
  void (*subtract_multiply)(float offset, const float* p, float* dp, int64_t n);
  // dz = p (dp - sum p dp) of each row, in place of dp.
  void (*softmax_backward_rows)(const float* p, float* dp, int64_t stride, int64_t rows, int64_t columns);
  // Sum of a b.
  double (*dot)(const float* a, const float* b, int64_t n);
  // y = factor * (x - offset).
  void (*shift_scale)(float offset, float factor, const float* x, float* y, int64_t n);

  // adam.inc: see AdamStep. The four do not overlap.
  void (*adam)(const AdamCoefficients& with, float* weights, float* gradient, float* m, float* v, int64_t n);

  // sgd.inc: see SgdStep. `buffer` may be null when momentum is 0. The three do not overlap.
  void (*sgd)(const SgdCoefficients& with, float* weights, float* gradient, float* buffer, bool first, int64_t n);

  // peak.inc
  // x = factor x + factor, `rounds` times for each of many x, whose sums are the 16 of `result`. Returns how many
  // multiply-adds that is.
  int64_t (*multiply_adds)(int64_t rounds, float factor, float* result);
};

// Those of elements of type T.
template <typename T>
const BatchNormKernels<T>& BatchNormOf(const VectorKernels& v);
template <>
inline const BatchNormKernels<float>& BatchNormOf<float>(const VectorKernels& v) {
  return v.batch_norm;
}
template <>
inline const BatchNormKernels<Bfloat16>& BatchNormOf<Bfloat16>(const VectorKernels& v) {
  return v.batch_norm_bfloat16;
}

// The best table that this machine can run. The environment variable MATHNAS_ISA (portable, avx2, avx512), read once,
// sets an upper limit.
const VectorKernels& Vector();
// Null where the machine has none, the system does not allow it, or MATHNAS_ISA sets a limit.
const MatrixUnitKernels* MatrixUnit();

namespace portable {
extern const VectorKernels kVectorKernels;
}
namespace avx2 {
extern const VectorKernels kVectorKernels;
}
namespace avx512 {
extern const VectorKernels kVectorKernels;
}
namespace amx {
extern const MatrixUnitKernels kMatrixUnitKernels;
}

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_VECTOR_VECTOR_KERNELS_H_
