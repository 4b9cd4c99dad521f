#include "supernet/training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace mathnas::supernet {

double LearningRateSchedule::At(int64_t epoch, int64_t batch, int64_t batches) const {
  const double time =
      static_cast<double>(epoch) +
      (per_step ? static_cast<double>(batch) / static_cast<double>(std::max<int64_t>(batches, 1)) : 0.0);
  const auto warmup = static_cast<double>(warmup_epochs);
  if (time < warmup && warmup_rate > 0) return warmup_rate + (rate - warmup_rate) * time / warmup;
  if (time < warmup) {
    // The first step is not wasted on a rate of zero.
    const double part = per_step ? 1.0 / static_cast<double>(std::max<int64_t>(batches, 1)) : 1.0;
    return rate * (time + part) / (warmup + part);
  }
  const double length = std::max(static_cast<double>(epochs) - warmup, 1.0);
  const double progress = std::min((time - warmup) / length, 1.0);
  return final_rate + (rate - final_rate) * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

double UpdateSchedule::At(int64_t update, int64_t updates) const {
  const auto u = static_cast<double>(update), warmup = static_cast<double>(warmup_updates);
  if (update < warmup_updates) return initial_rate + u * (rate - initial_rate) / warmup;
  if (form == Form::kInverseSqrt) return rate * std::sqrt(std::max(warmup, 1.0) / std::max(u, 1.0));
  const double progress = std::min((u - warmup) / std::max(static_cast<double>(updates) - warmup, 1.0), 1.0);
  return final_rate + (rate - final_rate) * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

std::string_view Name(UpdateSchedule::Form form) {
  return form == UpdateSchedule::Form::kInverseSqrt ? "inverse-sqrt" : "cosine";
}

}  // namespace mathnas::supernet
