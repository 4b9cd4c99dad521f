// parallel_for [BATCH [THREADS]]: runs of a batch on OpenMP's threads and in parts on those of a pool, no test: what
// MobileNetV3's smallest network takes for images of 224 pixels. Lower quartiles of rounds that alternate.
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernels/random.h"
#include "mathnas.h"
#include "mathnas/deploy/image_network.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/weights.h"

namespace {

constexpr int kRounds = 15, kWarmUp = 2, kCalls = 5;

// Threads that sleep while there is nothing to do.
class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
  }
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  static void ParallelFor(void* pool, int64_t count, mathnas_task task, void* argument) {
    static_cast<Pool*>(pool)->Run(count, task, argument);
  }

 private:
  void Run(int64_t count, mathnas_task task, void* argument) {
    std::unique_lock lock(mutex_);
    task_ = task;
    argument_ = argument;
    waiting_ = unfinished_ = count;
    work_.notify_all();
    done_.wait(lock, [this] { return unfinished_ == 0; });
  }
  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      work_.wait(lock, [this] { return stop_ || waiting_ > 0; });
      if (stop_) return;
      const int64_t index = --waiting_;
      lock.unlock();
      task_(argument_, index);
      lock.lock();
      if (--unfinished_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_, done_;
  mathnas_task task_ = nullptr;
  void* argument_ = nullptr;
  int64_t waiting_ = 0, unfinished_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

struct Way {
  const char* name;
  mathnas_context context = nullptr;
  std::vector<float> output = {};
  std::vector<double> milliseconds = {};
};

// The smallest network, with random weights.
bool MakeNetwork(const std::string& path) {
  const auto space = mathnas::supernet::MobileNetV3({.resolutions = {224}});
  if (!space.ok()) return false;
  const auto choice = (*space)->ParseSubnet(R"({"ks": 3, "e": 3, "d": 2})");
  if (!choice.ok()) return false;
  auto weights = mathnas::supernet::AllocateWeights((*space)->Network(*choice, {}).graph);
  mathnas::supernet::InitializeWeights(weights, 1, (*space)->initialization());
  const auto network = mathnas::deploy::MakeImageNetwork(**space, *choice, weights, {}, "{}");
  return network.ok() && mathnas::deploy::Save(path, *network).ok();
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t batch = argc > 1 ? std::atoll(argv[1]) : 8;
  const int threads = argc > 2 ? std::atoi(argv[2]) : 2;
  const std::string path =
      (std::filesystem::temp_directory_path() / ("parallel_for-" + std::to_string(getpid()))).string();
  const bool made = MakeNetwork(path);
  Pool pool(threads);
  std::vector<Way> ways = {{"one thread"}, {"OpenMP"}, {"parts in a pool"}};
  std::vector<float> input(static_cast<size_t>(batch * 224 * 224 * 3));
  mathnas::kernels::Random random(1);
  for (float& x : input) x = static_cast<float>(random.Normal());
  bool ok = made;
  for (size_t w = 0; w < ways.size() && ok; ++w) {
    mathnas_model_options options;
    mathnas_model_options_init(&options, sizeof(options));
    options.threads = w == 0 ? 1 : threads;
    if (w == 2) {
      options.parallel_for = Pool::ParallelFor;
      options.parallel_user = &pool;
    }
    mathnas_plan_options plan_options;
    mathnas_plan_options_init(&plan_options, sizeof(plan_options));
    plan_options.batch = batch;
    mathnas_model model = nullptr;
    mathnas_plan plan = nullptr;
    ways[w].output.resize(static_cast<size_t>(batch * 1000));
    mathnas_bindings bindings;
    mathnas_bindings_init(&bindings, sizeof(bindings));
    bindings.input = input.data();
    bindings.input_bytes = input.size() * sizeof(float);
    bindings.output = ways[w].output.data();
    bindings.output_bytes = ways[w].output.size() * sizeof(float);
    ok = mathnas_model_open(path.c_str(), &options, &model) == MATHNAS_OK &&
         mathnas_plan_create(model, &plan_options, &plan) == MATHNAS_OK &&
         mathnas_context_create(plan, nullptr, &ways[w].context) == MATHNAS_OK &&
         mathnas_context_setup(ways[w].context, &bindings) == MATHNAS_OK;
    mathnas_plan_destroy(plan);
    mathnas_model_destroy(model);
  }
  std::filesystem::remove(path);
  for (int round = 0; round < kRounds && ok; ++round) {
    for (Way& way : ways) {
      for (int call = 0; call < kWarmUp + kCalls && ok; ++call) {
        const auto start = std::chrono::steady_clock::now();
        ok = mathnas_context_run(way.context) == MATHNAS_OK;
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
        if (call >= kWarmUp) way.milliseconds.push_back(took.count());
      }
    }
  }
  if (!ok) {
    std::fprintf(stderr, "parallel_for: %s\n", made ? mathnas_last_error() : "no network");
    return 1;
  }
  std::printf("batch %d, %d threads\n", static_cast<int>(batch), threads);
  for (Way& way : ways) {
    std::sort(way.milliseconds.begin(), way.milliseconds.end());
    float largest = 0, difference = 0;
    for (size_t i = 0; i < way.output.size(); ++i) {
      largest = std::max(largest, std::abs(ways[0].output[i]));
      difference = std::max(difference, std::abs(way.output[i] - ways[0].output[i]));
    }
    std::printf("%-15s  %.2f ms (least %.2f, median %.2f); differs by %.1e of the largest value\n", way.name,
                way.milliseconds[way.milliseconds.size() / 4], way.milliseconds[0],
                way.milliseconds[way.milliseconds.size() / 2], static_cast<double>(difference / largest));
    mathnas_context_destroy(way.context);
  }
}
