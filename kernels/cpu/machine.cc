#include "kernels/machine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector/vector_kernels.h"

namespace mathnas::kernels {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

// The most `amount` per second of run(), which takes a few milliseconds at most, within about `seconds`.
template <typename Run>
double BestRate(double amount, double seconds, const Run& run) {
  run();
  double best = 0;
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::time_point start = Clock::now();
    run();
    best = std::max(best, amount / std::max(Seconds(start), 1e-9));
  } while (Seconds(begin) < seconds);
  return best;
}

std::string Processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  }
  return "unknown";
}

}  // namespace

absl::StatusOr<MachineDescription> DescribeMachine() {
  const std::string_view kernels = cpu::Vector().name;  // "vector:avx512"
  const dnnl_version_t* version = dnnl_version();
  return MachineDescription{Processor(), std::string(kernels.substr(kernels.find(':') + 1)),
                            fmt::format("oneDNN {}.{}.{}", version->major, version->minor, version->patch)};
}

absl::StatusOr<double> MeasureMultiplyAdds(int threads, double seconds) {
  constexpr int64_t kRounds = 1 << 16;  // a millisecond
  std::vector<float> results(static_cast<size_t>(threads) * 16);
  const double each = static_cast<double>(cpu::Vector().multiply_adds(1, 0.5F, results.data()));
  return BestRate(each * kRounds * threads, seconds, [&] {
    cpu::ParallelFor(threads, threads, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) cpu::Vector().multiply_adds(kRounds, 0.5F, results.data() + 16 * t);
    });
  });
}

absl::StatusOr<double> MeasureBandwidth(int threads, size_t bytes, double seconds) {
  const cpu::VectorKernels& vector = cpu::Vector();
  // Two halves for every thread, each on a cache line.
  const int64_t half = std::max<int64_t>(16, static_cast<int64_t>(bytes / sizeof(float)) / threads / 2 / 16 * 16);
  Tensor memory(DType::kF32, {int64_t{2} * threads * half});
  float* data = memory.as<float>().data();
  std::vector<double> sums(static_cast<size_t>(threads) * 8);
  const double pass = 2.0 * threads * static_cast<double>(half) * sizeof(float);
  const auto passes = static_cast<int64_t>(std::clamp(4e6 * threads / pass, 1.0, 1e4));  // some 0.1 ms at least
  const auto run = [&](const auto& body) {
    cpu::ParallelFor(threads, threads, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t p = 0; p < passes; ++p) body(data + 2 * t * half, data + (2 * t + 1) * half, sums[8 * t]);
      }
    });
  };
  run([&](float* a, float* b, double&) {
    // Written by the thread that reads it; and no page is the one page of zeros.
    vector.fill(1e-6F, a, half);
    vector.fill(0, b, half);
  });
  const double read = BestRate(pass * static_cast<double>(passes), seconds / 2, [&] {
    run([&](const float* a, const float* b, double& sum) { sum += vector.dot(a, b, half); });
  });
  const double update = BestRate(1.5 * pass * static_cast<double>(passes), seconds / 2, [&] {
    run([&](const float* a, float* b, double&) { vector.accumulate(a, b, half); });
  });
  return std::max(read, update);
}

CacheSweep::CacheSweep(int threads) : threads_(threads) {
  constexpr int64_t kLeast = int64_t{64} << 20, kMost = int64_t{512} << 20;
  const int64_t last_cache = std::max<int64_t>(sysconf(_SC_LEVEL3_CACHE_SIZE), 0);  // 0: not told
  memory_ = Tensor(DType::kF32, {std::clamp(2 * last_cache, kLeast, kMost) / int64_t{sizeof(float)}});
}

void CacheSweep::Run() {
  float* data = memory_.as<float>().data();
  cpu::ParallelFor(threads_, memory_.desc().elements(), 1, [&](int, int64_t begin, int64_t end) {
    cpu::Vector().scale(0.5F, data + begin, data + begin, end - begin);
  });
}

}  // namespace mathnas::kernels
