// overhead NETWORK: what a call of the C interface costs beside the same in C++, no test: medians of rounds that
// alternate, each of many calls, on one thread. The smaller the network, the clearer.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "kernels/device.h"
#include "mathnas.h"
#include "mathnas/deploy/network.h"

namespace {

constexpr int kRounds = 101, kCalls = 2000;

template <typename Body>
double Nanoseconds(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kCalls; ++i) body();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kCalls;
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + kRounds / 2, values.end());
  return values[kRounds / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto device = mathnas::kernels::CpuDevice(1);
  if (!device.ok()) return 1;
  auto network = mathnas::deploy::Network::Load(argv[1], *device);
  mathnas_model model = nullptr;
  mathnas_plan plan = nullptr;
  mathnas_context context = nullptr;
  mathnas_cancel cancel = nullptr;
  if (!network.ok() || mathnas_model_open(argv[1], nullptr, &model) != MATHNAS_OK ||
      mathnas_plan_create(model, nullptr, &plan) != MATHNAS_OK ||
      mathnas_context_create(plan, nullptr, &context) != MATHNAS_OK || mathnas_cancel_create(&cancel) != MATHNAS_OK) {
    std::fprintf(stderr, "%s: %s\n", argv[1], mathnas_last_error());
    return 1;
  }
  std::vector<float> input(static_cast<size_t>(network->input_elements()));
  std::vector<float> output(static_cast<size_t>(network->output_elements()));
  mathnas_bindings bindings;
  mathnas_bindings_init(&bindings, sizeof(bindings));
  bindings.input = input.data();
  bindings.input_bytes = input.size() * sizeof(float);
  bindings.output = output.data();
  bindings.output_bytes = output.size() * sizeof(float);
  int failed = 0;
  std::vector<double> set, setup, c, cpp, difference;
  for (int round = 0; round < kRounds; ++round) {
    set.push_back(Nanoseconds([&] { failed += mathnas_cancel_set(cancel, 0); }));
    setup.push_back(Nanoseconds([&] { failed += mathnas_context_setup(context, &bindings); }));
    c.push_back(Nanoseconds([&] { failed += mathnas_context_run(context); }));
    cpp.push_back(Nanoseconds([&] { failed += !network->Run(std::span<const float>(input), output).ok(); }));
    difference.push_back(c.back() - cpp.back());
  }
  std::printf("a flag %.0f ns, setup %.0f ns, run %.0f ns; in C++ %.0f ns: %+.0f ns for a run\n", Median(set),
              Median(setup), Median(c), Median(cpp), Median(difference));
  mathnas_cancel_destroy(cancel);
  mathnas_context_destroy(context);
  mathnas_plan_destroy(plan);
  mathnas_model_destroy(model);
  return failed != 0;
}
