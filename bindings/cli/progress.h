// Progress of long work on stderr: one line that is rewritten on a terminal, a line now and then elsewhere.
#ifndef MATHNAS_BINDINGS_CLI_PROGRESS_H_
#define MATHNAS_BINDINGS_CLI_PROGRESS_H_

#include <chrono>
#include <string>
#include <string_view>

#include "mathnas/profile/meter.h"
#include "supernet/training/trainer.h"

namespace mathnas::cli {

class Progress {
 public:
  Progress();
  void Stage(std::string_view name);
  void Training(const supernet::TrainingProgress& p);
  // Of translation networks: updates and tokens.
  void Translating(const supernet::TrainingProgress& p);
  void Measuring(const profile::MeterProgress& p);
  // Of work that began with this object.
  void Fraction(std::string_view what, double fraction);
  // Leaves the line that is rewritten, if there is one.
  void End();

 private:
  void Line(const std::string& text, bool keep);

  bool terminal_, open_ = false;
  std::chrono::steady_clock::time_point start_, last_line_;
};

// "1:02:03", "4:05".
std::string Duration(double seconds);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_PROGRESS_H_
