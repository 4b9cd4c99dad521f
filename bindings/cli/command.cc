#include "bindings/cli/command.h"

#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "fmt/format.h"
#include "kernels/status.h"

namespace mathnas::cli {
namespace {

constexpr size_t kLargestArgumentFile = 64 << 20;

std::atomic<bool> interrupted = false;
int exit_status = 0;

// One line, whatever the message looks like.
std::string OneLine(std::string_view text) {
  std::string line;
  for (char c : text) line += c == '\n' ? ' ' : c;
  return line;
}

int Finish(const absl::StatusOr<Answer>& answer, bool json) {
  if (answer.ok()) {
    if (json) {
      fmt::print("{}\n", answer->json.dump(2));
    } else {
      fmt::print("{}", answer->text);
    }
    std::fflush(stdout);
    return answer->exit_status;
  }
  const std::string message = OneLine(kernels::Message(answer.status()));
  fmt::print(stderr, "mathnas: {}\n", message);
  if (!absl::IsCancelled(answer.status())) return 2;
  if (json) fmt::print("{}\n", Json{{"status", "interrupted"}, {"reason", message}}.dump(2));
  return 1;
}

}  // namespace

int Common::thread_count() const {
  return threads != 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

CLI::App* AddGroup(CLI::App& app, const std::string& name, const std::string& description) {
  CLI::App* group = app.add_subcommand(name, description);
  group->require_subcommand(1);
  return group;
}

CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& description, const std::string& example,
                     Common& common, Action action) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer("Example:\n  " + example);
  command->add_flag("--json", common.json, "Print one JSON document on stdout; all else goes to stderr");
  command->add_option("--threads", common.threads, "Threads (default: all cores)")->check(CLI::Range(1, 4096));
  command->add_option("--seed", common.seed, "Seed of everything random (default 0)");
  command->add_option("--device", common.device, "cpu or cuda (default cpu)")->check(CLI::IsMember({"cpu", "cuda"}));
  command->add_flag("--tf32", common.tf32, "On cuda: products of float32 in TensorFloat-32, faster and less exact");
  command->callback([&common, action = std::move(action)] { exit_status = Finish(action(), common.json); });
  return command;
}

int ExitStatus() { return exit_status; }

absl::StatusOr<std::shared_ptr<kernels::Device>> OpenDevice(const Common& common) {
  if (common.device == "cpu") return kernels::CpuDevice(common.thread_count());
  auto device = kernels::CudaDevice({.tf32 = common.tf32});
  return device.ok() ? device : kernels::Annotate(device.status(), "--device cuda");
}

const std::atomic<bool>* Interrupted() { return &interrupted; }

void CatchInterrupt() {
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, nullptr);
  std::thread([interrupt] {
    int signal = 0;
    sigwait(&interrupt, &signal);
    interrupted = true;
    sigwait(&interrupt, &signal);
    std::signal(SIGINT, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr);
    std::raise(SIGINT);
  }).detach();
}

absl::StatusOr<std::string> InlineOrFile(const std::string& argument) {
  if (!argument.starts_with('@')) return argument;
  const std::string path = argument.substr(1);
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("{}: cannot be read", path));
  std::string text;
  for (std::istreambuf_iterator<char> it(file), end; it != end; ++it) {
    text += *it;
    if (text.size() > kLargestArgumentFile)
      return absl::InvalidArgumentError(fmt::format("{}: larger than 64 MiB", path));
  }
  return text;
}

std::string Now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace mathnas::cli
