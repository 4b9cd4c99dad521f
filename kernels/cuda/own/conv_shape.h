// The extents of a convolution (ops/conv2d.h), as own kernels get them.
#ifndef MATHNAS_KERNELS_CUDA_OWN_CONV_SHAPE_H_
#define MATHNAS_KERNELS_CUDA_OWN_CONV_SHAPE_H_

namespace mathnas::kernels::cuda {

struct ConvShape {
  long long batch;
  int height, width, in;           // of the source, and its channels
  int out_height, out_width, out;  // of the result
  int kernel_h, kernel_w, stride, padding;
  int group_in, group_out;  // channels of a group

#ifndef __CUDACC__
  int taps() const { return kernel_h * kernel_w; }
  // Elements.
  long long weights() const { return static_cast<long long>(out) * group_in * taps(); }
  long long sources() const { return batch * height * width * in; }
  long long results() const { return batch * out_height * out_width * out; }
  bool operator==(const ConvShape&) const = default;
#endif
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_CONV_SHAPE_H_
