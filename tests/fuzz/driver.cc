// Runs a fuzz target without libFuzzer: DRIVER RUNS|SECONDSs SEED_FILE_OR_FOLDER ... replays every seed, then that many
// mutations of them, or as many as fit into these seconds (10s); always the same ones in the same order. An input that
// ends the program is written to crash-PROGRAM in the working folder.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kMaxInput = size_t{1} << 16;

std::string crash_file;
std::string input;  // the one that runs

// Only calls that a signal handler may make.
void KeepInput(int signal) {
  const int file = open(crash_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0 && write(file, input.data(), input.size()) >= 0) close(file);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void Run() { LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()); }

std::vector<std::string> Seeds(int count, char** paths) {
  std::vector<std::filesystem::path> files;
  for (int p = 0; p < count; ++p) {
    if (!std::filesystem::is_directory(paths[p])) {
      files.push_back(paths[p]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(paths[p])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> seeds = {""};
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return seeds;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& seeds) : seeds_(seeds) {}

  std::string Next() {
    std::string text = seeds_[Draw(seeds_.size())];
    for (size_t m = 1 + Draw(6); m > 0; --m) Mutate(text);
    text.resize(std::min(text.size(), kMaxInput));
    return text;
  }

 private:
  size_t Draw(size_t below) { return below == 0 ? 0 : static_cast<size_t>(random_() % below); }

  void Mutate(std::string& text) {
    static const char* const kPieces[] = {
        "nan", "inf", "-0", "1e999", "-1e-320", "9007199254740993", "null", "\"\"",         "\r\n", "\"", ",",  "[",
        "]",   "<=",  ">=", "=",     "%",       "\xEF\xBB\xBF",     "\\u0", "\xED\xA0\x80", "{",    "}",  "x-", " "};
    const size_t at = Draw(text.size() + 1);
    const size_t length = std::min(Draw(size_t{1} << Draw(6)) + 1, text.size() - at);
    switch (Draw(8)) {
      case 0:
        if (!text.empty()) text[Draw(text.size())] ^= static_cast<char>(1 << Draw(8));
        break;
      case 1:
        if (!text.empty()) text[Draw(text.size())] = static_cast<char>(Draw(256));
        break;
      case 2:
        text.erase(at, length);
        break;
      case 3:  // again, a few times
        for (size_t times = 1 + Draw(4); times > 0; --times) text.insert(at, text.substr(at, length));
        break;
      case 4:
        text.insert(at, kPieces[Draw(std::size(kPieces))]);
        break;
      case 5:  // a piece of another seed
        if (const std::string& other = seeds_[Draw(seeds_.size())]; !other.empty()) {
          text.insert(at, other.substr(Draw(other.size()), 1 + Draw(64)));
        }
        break;
      case 6:  // another number
        if (const size_t digit = text.find_first_of("0123456789", at); digit != std::string::npos) {
          text.replace(digit, 1, std::to_string(static_cast<int64_t>(random_() >> Draw(64))));
        }
        break;
      case 7:
        text.resize(at);
        break;
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937_64 random_{1};
};

}  // namespace

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  char* unit = nullptr;
  const long amount = argc < 2 ? 0 : std::strtol(argv[1], &unit, 10);
  if (amount <= 0 || (*unit != 0 && std::string_view(unit) != "s")) {
    std::fprintf(stderr, "usage: %s RUNS|SECONDSs SEED_FILE_OR_FOLDER ...\n", argv[0]);
    return 2;
  }
  const bool timed = *unit != 0;
  const Clock::time_point end = timed ? Clock::now() + std::chrono::seconds(amount) : Clock::time_point::max();
  const long most = timed ? std::numeric_limits<long>::max() : amount;

  crash_file = "crash-" + std::filesystem::path(argv[0]).filename().string();
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, KeepInput);
  const std::vector<std::string> seeds = Seeds(argc - 2, argv + 2);
  for (const std::string& seed : seeds) {
    input = seed;
    Run();
  }
  Mutator mutator(seeds);
  long runs = 0;
  for (; runs < most && Clock::now() < end; ++runs) {
    input = mutator.Next();
    Run();
  }
  std::printf("%zu seeds, %ld mutations\n", seeds.size(), runs);
}
