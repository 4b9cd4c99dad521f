// The program `mathnas`: one sub-command per stage, and `search-network` for all of them.
#include <exception>

#include "bindings/cli/command.h"
#include "fmt/format.h"

int main(int argc, char** argv) {
  using namespace mathnas::cli;  // the commands
  CLI::App app{"Finds the best network of a search space: trains, measures blocks, predicts networks, proves the choice"};
  app.name("mathnas");
  app.set_version_flag("--version", MATHNAS_VERSION);
  app.require_subcommand(1);
  app.footer("Each command: mathnas COMMAND --help. Exit status: 0 done, 1 cannot be met, 2 bad input or usage.");
  for (auto* add : {AddSpace, AddForward, AddCount, AddTrain, AddEvaluate, AddProfile, AddPredict, AddSearch,
                    AddSearchNetwork, AddRun, AddBench}) {
    add(app);
  }
  CatchInterrupt();
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
