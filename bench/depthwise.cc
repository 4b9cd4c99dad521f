// bench_depthwise: the gradient of depthwise kernels by our kernel and by oneDNN, in turns, one JSON object a line.
// oneDNN gets what is best for it: NHWC, weights in its own layout, its scratchpad made beforehand.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <unordered_map>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "fmt/format.h"
#include "kernels/cpu/onednn.h"
#include "kernels/device.h"
#include "kernels/random.h"

namespace {

using namespace mathnas::kernels;  // the parts measured
using Clock = std::chrono::steady_clock;

struct Layer {
  int64_t batch = 8, channels = 144, size = 56;
  int kernel = 5, stride = 1;
  int64_t out_size() const { return (size - 1) / stride + 1; }
};

Tensor Filled(Shape shape, uint64_t seed) {
  Tensor tensor(DType::kF32, std::move(shape));
  Random random(seed);
  for (float& v : tensor.as<float>()) v = static_cast<float>(random.Normal());
  return tensor;
}

// oneDNN's primitive with its operands; `src` and `diff_dst` must outlive it.
class OneDnn {
 public:
  OneDnn(const Layer& l, const Tensor& src, const Tensor& diff_dst) {
    using namespace cpu::onednn;
    const Md src_md = Dense({l.batch, l.channels, l.size, l.size}, Tag::nhwc);
    const Md dst_md = Dense({l.batch, l.channels, l.out_size(), l.out_size()}, Tag::nhwc);
    const Md weights_md = Any({l.channels, 1, 1, l.kernel, l.kernel});
    const int64_t left = l.kernel / 2, right = (l.out_size() - 1) * l.stride + l.kernel - l.size - left;
    const auto pd = ConvolutionBackwardWeights(src_md, weights_md, weights_md, Md(), dst_md,
                                               Window{{l.stride, l.stride}, {left, left}, {right, right}});
    name = pd.impl_info_str();
    primitive_ = dnnl::primitive(pd.get());
    diff_weights_ = dnnl::memory(pd.diff_weights_desc(), Engine());
    arguments_ = {{DNNL_ARG_SRC, dnnl::memory(src_md, Engine(), src.data())},
                  {DNNL_ARG_DIFF_DST, dnnl::memory(dst_md, Engine(), diff_dst.data())},
                  {DNNL_ARG_DIFF_WEIGHTS, diff_weights_},
                  {DNNL_ARG_SCRATCHPAD, dnnl::memory(pd.scratchpad_desc(), Engine())}};
    plain_ = dnnl::memory(Dense({l.channels, 1, 1, l.kernel, l.kernel}, Tag::goihw), Engine());
  }
  void Run() {
    primitive_.execute(cpu::onednn::Stream(), arguments_);
    cpu::onednn::Stream().wait();
  }
  // Of the last run, in the order of channels and taps.
  std::vector<float> Result() {
    dnnl::reorder(diff_weights_, plain_).execute(cpu::onednn::Stream(), diff_weights_, plain_);
    cpu::onednn::Stream().wait();
    const auto* from = static_cast<const float*>(plain_.get_data_handle());
    return {from, from + plain_.get_desc().get_size() / sizeof(float)};
  }
  std::string name;

 private:
  dnnl::primitive primitive_;
  dnnl::memory diff_weights_, plain_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

double LowerQuartile(std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  return ms[ms.size() / 4];
}

absl::Status Run(const Layer& l, int threads, int rounds) {
  const Tensor src = Filled({l.batch, l.size, l.size, l.channels}, 1);
  const Tensor diff_dst = Filled({l.batch, l.out_size(), l.out_size(), l.channels}, 2);
  Tensor diff_weights(DType::kF32, {l.channels, 1, l.kernel, l.kernel});
  auto device = CpuDevice(threads);
  if (!device.ok()) return device.status();
  const Conv2dBackwardWeights op = {.stride = l.stride,
                                    .padding = l.kernel / 2,
                                    .groups = static_cast<int32_t>(l.channels),
                                    .kernel_h = l.kernel,
                                    .kernel_w = l.kernel};
  auto kernel = (*device)->Prepare(op, {src.desc(), diff_dst.desc()}, {diff_weights.desc()});
  if (!kernel.ok()) return kernel.status();
  Tensor scratch(DType::kU8, {static_cast<int64_t>((*kernel)->scratch_bytes())});
  const KernelBuffers::Operand inputs[] = {{src.data(), false}, {diff_dst.data(), false}};
  void* const outputs[] = {diff_weights.data()};
  auto bound = (*kernel)->Bind({inputs, outputs, scratch.data(), nullptr});
  if (!bound.ok()) return bound.status();

  return cpu::onednn::Guard(threads, [&]() -> absl::Status {
    OneDnn peer(l, src, diff_dst);
    std::vector<double> ours, theirs;
    for (int round = -2; round < rounds; ++round) {
      const auto start = Clock::now();
      if (auto s = (*bound)->Run(); !s.ok()) return s;
      const auto between = Clock::now();
      peer.Run();
      const auto end = Clock::now();
      if (round < 0) continue;
      ours.push_back(std::chrono::duration<double, std::milli>(between - start).count());
      theirs.push_back(std::chrono::duration<double, std::milli>(end - between).count());
    }
    double size = 0, difference = 0;
    const std::vector<float> result = peer.Result();
    for (size_t i = 0; i < result.size(); ++i) {
      size = std::max<double>(size, std::abs(result[i]));
      difference = std::max<double>(difference, std::abs(result[i] - diff_weights.as<float>()[i]));
    }
    if (!(difference <= 1e-4 * size)) return absl::InternalError(fmt::format("they differ by {}", difference));
    const double a = LowerQuartile(ours), b = LowerQuartile(theirs);
    fmt::print(
        "{{\"batch\": {}, \"channels\": {}, \"size\": {}, \"kernel\": {}, \"stride\": {}, \"threads\": {}, "
        "\"ours\": \"{}\", \"onednn\": \"{}\", \"ours_ms\": {:.3f}, \"onednn_ms\": {:.3f}, \"onednn_by_ours\": "
        "{:.2f}}}\n",
        l.batch, l.channels, l.size, l.kernel, l.stride, threads, (*kernel)->implementation(), peer.name, a, b, b / a);
    return absl::OkStatus();
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Gradient of depthwise kernels: our kernel and oneDNN's");
  Layer layer;
  std::vector<int> kernels = {3, 5, 7};
  int threads = 2, rounds = 30;
  app.add_option("--batch", layer.batch, "Images")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--channels", layer.channels, "Channels")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--size", layer.size, "Height and width")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--kernel", kernels, "Kernels, 3, 5 or 7")->check(CLI::IsMember({3, 5, 7}));
  app.add_option("--stride", layer.stride, "Stride")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--threads", threads, "Threads")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--rounds", rounds, "Runs of each")->capture_default_str()->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  for (int kernel : kernels) {
    layer.kernel = kernel;
    const absl::Status status = Run(layer, threads, rounds);
    if (status.ok()) continue;
    fmt::print(stderr, "{}\n", std::string(status.message()));
    return 1;
  }
}
