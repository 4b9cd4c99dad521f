// What all commands share: their common options, how they answer, how they fail.
#ifndef MATHNAS_BINDINGS_CLI_COMMAND_H_
#define MATHNAS_BINDINGS_CLI_COMMAND_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "nlohmann/json.hpp"

namespace mathnas::cli {

// Keys in the order in which they are written.
using Json = nlohmann::ordered_json;

struct Common {
  bool json = false;
  int threads = 0;  // 0 = all cores
  uint64_t seed = 0;
  std::string device = "cpu";
  bool tf32 = false;

  int thread_count() const;
};

// Exit statuses: 0 done; 1 the request cannot be met (the answer says why); 2 bad input or usage.
struct Answer {
  Json json;         // what --json prints
  std::string text;  // what is printed without
  int exit_status = 0;
};
using Action = std::function<absl::StatusOr<Answer>()>;

// Adds a command that only holds others, one of which must be given. Commands are made here and in main.cc alone: a
// source that makes one compiles all of CLI11's help and configuration files too, which takes seconds.
CLI::App* AddGroup(CLI::App& app, const std::string& name, const std::string& description);

// Adds a sub-command with the common options. `action` runs after parsing, if the command was given; its answer goes to
// stdout, its error as one line to stderr.
CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& description, const std::string& example,
                     Common& common, Action action);

// The status of the process after the action that was run.
int ExitStatus();

absl::StatusOr<std::shared_ptr<kernels::Device>> OpenDevice(const Common& common);

// Set by Ctrl-C; a second Ctrl-C ends the process. To be called while no other thread runs: the signal is delivered to
// none but the one that waits for it. A handler on a thread inside oneDNN 2.6.3 corrupts the heap (AVX-512 with AMX: 8
// of 59 runs).
const std::atomic<bool>* Interrupted();
void CatchInterrupt();

// Text as it is, or the contents of FILE for "@FILE".
absl::StatusOr<std::string> InlineOrFile(const std::string& argument);

// "2026-11-24T07:00:00Z".
std::string Now();

// Each command, in a file of its own.
void AddSpace(CLI::App& app);
void AddForward(CLI::App& app);
void AddCount(CLI::App& app);
void AddTrain(CLI::App& app);
void AddEvaluate(CLI::App& app);
void AddProfile(CLI::App& app);
void AddPredict(CLI::App& app);
void AddReplay(CLI::App& app);
void AddSearch(CLI::App& app);
void AddSweep(CLI::App& app);
void AddSearchNetwork(CLI::App& app);
void AddDeploy(CLI::App& app);
void AddRun(CLI::App& app);
void AddBench(CLI::App& app);
void AddTable(CLI::App& app);
void AddExport(CLI::App& app);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_COMMAND_H_
