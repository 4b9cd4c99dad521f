// The program `mathnas`: one sub-command per stage, and `search-network` for all of them.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "bindings/cli/command.h"
#include "fmt/format.h"

namespace {

// Threads of OpenMP that wait for others spin for milliseconds by default. Where another process wants the core, the
// one that spins keeps it from the one it waits for: a training step takes seven times as long (bench/RESULTS.md). A
// short spin costs next to nothing on a quiet machine. libgomp reads the setting before main, so the program starts
// itself once more with it.
void SpinShortly(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "3000", 1);
  execv("/proc/self/exe", argv);  // returns only when it failed: then things are as they were
}

}  // namespace

int main(int argc, char** argv) {
  // A deployed network runs on one thread unless told otherwise, and wants to start fast.
  if (argc > 1 && std::strcmp(argv[1], "run") != 0) SpinShortly(argv);
  using namespace mathnas::cli;  // the commands
  CLI::App app{
      "Finds the best network of a search space: trains, measures blocks, predicts networks, proves the choice"};
  app.name("mathnas");
  app.set_version_flag("--version", MATHNAS_VERSION);
  app.require_subcommand(1);
  app.footer("Each command: mathnas COMMAND --help. Exit status: 0 done, 1 cannot be met, 2 bad input or usage.");
  for (auto* add : {AddSpace, AddForward, AddCount, AddTrain, AddEvaluate, AddProfile, AddPredict, AddReplay, AddSearch,
                    AddSweep, AddSearchNetwork, AddDeploy, AddRun, AddBench, AddTable, AddExport}) {
    add(app);
  }
  CatchInterrupt();
  std::string names;
  bool known = argc < 2 || argv[1][0] == '-';
  for (const CLI::App* command : app.get_subcommands({})) {
    names += (names.empty() ? "" : ", ") + command->get_name();
    known = known || command->get_name() == argv[1];
  }
  if (!known) {
    fmt::print(stderr, "mathnas: command \"{:.100}\": expected one of {}\n", argv[1], names);
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const bool help = e.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
    if (help) return app.exit(e);
    fmt::print(stderr, "mathnas: {}\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "mathnas: {}\n", e.what());
    return 2;
  }
  return ExitStatus();
}
