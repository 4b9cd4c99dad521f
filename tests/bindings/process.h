// Runs the program `mathnas` as a user does: in a process of its own.
#ifndef MATHNAS_TESTS_BINDINGS_PROCESS_H_
#define MATHNAS_TESTS_BINDINGS_PROCESS_H_

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace mathnas::cli {

// A folder that vanishes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    // In memory where there is such a place: checkpoints are flushed to the disk, which can take long.
    const std::filesystem::path memory = "/dev/shm";
    const auto base = access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
    std::string pattern = (base / "mathnas-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Starts the program with stdout and stderr going to files.
inline pid_t Start(const std::vector<std::string>& arguments, const std::string& out, const std::string& err) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  dup2(open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), STDOUT_FILENO);
  dup2(open(err.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), STDERR_FILENO);
  std::vector<char*> argv = {const_cast<char*>(MATHNAS_PROGRAM)};
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  execv(MATHNAS_PROGRAM, argv.data());
  _exit(127);
}

struct Finished {
  int exit_status = -1;  // -1: killed by a signal
  std::string out, err;

  nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, /*allow_exceptions=*/false); }
};

inline Finished RunProgram(const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  const pid_t pid = Start(arguments, folder / "out", folder / "err");
  int status = 0;
  waitpid(pid, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadFile(folder / "out"), ReadFile(folder / "err")};
}

// The JSON of a run that must succeed.
inline nlohmann::json Ok(const std::vector<std::string>& arguments) {
  const Finished run = RunProgram(arguments);
  EXPECT_EQ(run.exit_status, 0) << run.err;
  return run.json();
}

// Whether the program has CPU kernels.
inline bool HasCpu() {
  return RunProgram({"bench", "operator", "relu c8", "--seconds", "0.001"}).err.find("no CPU kernels") ==
         std::string::npos;
}

// Bad input: status 2, nothing on stdout, and one line on stderr that has `error` in it.
inline void ExpectRefused(const std::vector<std::string>& arguments, const std::string& error) {
  std::string command;
  for (const std::string& a : arguments) command += a + " ";
  SCOPED_TRACE(command);
  const Finished run = RunProgram(arguments);
  EXPECT_EQ(run.exit_status, 2) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find(error), std::string::npos) << "expected: " << error << "\nfound: " << run.err;
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
}

}  // namespace mathnas::cli

#endif  // MATHNAS_TESTS_BINDINGS_PROCESS_H_
