#include "bindings/cli/progress.h"

#include <unistd.h>

#include <cmath>

#include "fmt/format.h"

namespace mathnas::cli {
namespace {

constexpr double kSecondsBetweenLines = 10;  // when stderr is a file

}  // namespace

std::string Duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-:--";
  const auto s = static_cast<int64_t>(std::lround(seconds));
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
}

Progress::Progress()
    : terminal_(isatty(STDERR_FILENO) != 0), start_(std::chrono::steady_clock::now()), last_line_(start_) {}

void Progress::Stage(std::string_view name) {
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  Line(fmt::format("[{}] {}", Duration(elapsed), name), true);
}

void Progress::Training(const supernet::TrainingProgress& p) {
  Line(fmt::format("  epoch {}/{} batch {}/{}: loss {:.4f}, accuracy {:.2f} %, lr {:.4g}, {:.0f} images/s, {} left{}",
                   p.epoch + 1, p.epochs, p.batch, p.batches, p.loss, 100 * p.accuracy, p.learning_rate,
                   p.images_per_second, Duration(p.seconds_left), p.checkpointed ? ", saved" : ""),
       p.batch == p.batches);
}

void Progress::Translating(const supernet::TrainingProgress& p) {
  Line(fmt::format("  update {}/{}: loss {:.4f} a token, {:.2f} % right, lr {:.4g}, {:.0f} tokens/s, {} left{}",
                   p.epoch + 1, p.epochs, p.loss, 100 * p.accuracy, p.learning_rate, p.images_per_second,
                   Duration(p.seconds_left), p.checkpointed ? ", saved" : ""),
       p.epoch + 1 == p.epochs);
}

void Progress::Measuring(const profile::MeterProgress& p) {
  Line(fmt::format("  {}: {} of {}{}, {} left{}", p.what, p.done, p.what == "latency" ? "at most " : "", p.total,
                   Duration(p.seconds_left), p.what == "latency" ? " at most" : ""),
       p.done == p.total);
}

void Progress::Fraction(std::string_view what, double fraction) {
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  Line(fmt::format("  {}: {:.1f} %, {} left", what, 100 * fraction, Duration(elapsed * (1 / fraction - 1))), false);
}

void Progress::End() {
  if (open_) fmt::print(stderr, "\n");
  open_ = false;
}

void Progress::Line(const std::string& text, bool keep) {
  const auto now = std::chrono::steady_clock::now();
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{}{}", text, keep ? "\n" : "");
    open_ = !keep;
  } else if (keep || std::chrono::duration<double>(now - last_line_).count() >= kSecondsBetweenLines) {
    fmt::print(stderr, "{}\n", text);
    last_line_ = now;
  }
  std::fflush(stderr);
}

}  // namespace mathnas::cli
