// bench_images FOLDER: images per second that the loader decodes and augments, by size and number of threads, one JSON
// object a line. bench/peers/images_pillow.py does the same work with Pillow.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "fmt/format.h"
#include "supernet/data/loader.h"

namespace {

using namespace mathnas;  // the parts measured
using Clock = std::chrono::steady_clock;

struct Figures {
  double quartile = 0, least = 0, most = 0;  // images per second; the quartile that 3 of 4 rounds reach
};

Figures Summary(std::vector<double> rates) {
  std::sort(rates.begin(), rates.end());
  return {rates[rates.size() / 4], rates.front(), rates.back()};
}

// Calls `work`, which says how many images it did, for rounds of at least `seconds`.
template <typename Work>
Figures Measure(int rounds, double seconds, Work work) {
  work();
  std::vector<double> rates;
  for (int round = 0; round < rounds; ++round) {
    int64_t images = 0;
    const auto start = Clock::now();
    double passed = 0;
    for (; passed < seconds; passed = std::chrono::duration<double>(Clock::now() - start).count()) images += work();
    rates.push_back(static_cast<double>(images) / passed);
  }
  return Summary(std::move(rates));
}

void Print(std::string_view what, int64_t size, int threads, const Figures& f) {
  fmt::print(
      "{{\"what\": \"{}\", \"size\": {}, \"threads\": {}, \"images_per_second\": {:.0f}, \"least\": {:.0f}, "
      "\"most\": {:.0f}}}\n",
      what, size, threads, f.quartile, f.least, f.most);
}

absl::Status Run(const std::string& spec, const std::vector<int64_t>& sizes, const std::vector<int>& threads,
                 int64_t batch, int rounds, double seconds) {
  absl::StatusOr<supernet::ImageSources> images = supernet::LoadImages(spec);
  if (!images.ok()) return images.status();
  const supernet::ImageSource& source = *images->train;
  supernet::ImageSource::Buffer buffer;
  absl::Status status;
  int64_t next = 0;
  Print("decode", 0, 1, Measure(rounds, seconds, [&] {
          status.Update(source.Decode(next++ % source.count(), buffer).status());
          return 1;
        }));
  if (!status.ok()) return status;
  for (const int64_t size : sizes) {
    for (const int n : threads) {
      for (const bool augment : {true, false}) {
        supernet::LoaderOptions options = supernet::LoaderOptions::Training(std::min(batch, source.count()), 1);
        options.augment = augment;
        options.threads = n;
        supernet::ResolutionOptions resolution;
        resolution.largest = size;
        auto loader = supernet::BatchLoader::Create(images->train, options, resolution);
        if (!loader.ok()) return loader.status();
        const Figures figures = Measure(rounds, seconds, [&]() -> int64_t {
          const supernet::Batch* b = (*loader)->Next();
          return b == nullptr ? 0 : b->size;
        });
        if (!(*loader)->status().ok()) return (*loader)->status();
        Print(augment ? "train" : "evaluate", size, n, figures);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Images per second that the loader makes ready");
  std::string spec;
  std::vector<int64_t> sizes = {128, 224};
  std::vector<int> threads = {1, 2};
  int64_t batch = 32;
  int rounds = 7;
  double seconds = 1;
  app.add_option("data", spec, "folder:FOLDER, or a set in memory")->required();
  app.add_option("--size", sizes, "Sides of the network input");
  app.add_option("--threads", threads, "Loader threads");
  app.add_option("--batch", batch, "Images of a batch");
  app.add_option("--rounds", rounds, "Rounds of each measurement")->check(CLI::PositiveNumber);
  app.add_option("--seconds", seconds, "Least time of a round");
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = Run(spec, sizes, threads, batch, rounds, seconds);
  if (status.ok()) return 0;
  fmt::print(stderr, "{}\n", std::string(status.message()));
  return 1;
}
