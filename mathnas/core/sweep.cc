#include "mathnas/core/sweep.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/internal/search_problem.h"
#include "mathnas/core/internal/sweep/walk.h"
#include "mathnas/core/networks.h"

namespace mathnas::core {
namespace {

using internal::Box;
using internal::Forms;
using internal::Interval;
using internal::Question;
using internal::Ranked;
using internal::Stretch;
using internal::Walk;

constexpr double kMaxSwept = 1e15;
constexpr int64_t kStretches = 512;  // pieces of work, at least where a space allows it
constexpr std::chrono::milliseconds kProgressPeriod(200);

size_t Use(Question& question, const std::string& name) {
  const auto it = std::find(question.metrics.begin(), question.metrics.end(), name);
  if (it != question.metrics.end()) return static_cast<size_t>(it - question.metrics.begin());
  question.metrics.push_back(name);
  question.allowed.emplace_back();
  return question.metrics.size() - 1;
}

absl::Status AddLimit(const BlockTable& table, const Limit& limit, size_t index, Question& question) {
  if (absl::Status status = internal::CheckLimit(table, limit, index); !status.ok()) return status;
  const size_t used = Use(question, limit.metric);
  if (index == 0) question.first_limited = static_cast<int>(used);
  Interval& allowed = question.allowed[used];
  if (limit.op == LimitOp::kAtMost) {
    allowed.greatest = std::min(allowed.greatest, limit.value);
  } else {
    allowed.least = std::max(allowed.least, limit.value);
  }
  return absl::OkStatus();
}

absl::StatusOr<Question> Resolve(const BlockTable& table, const SweepRequest& request) {
  Question question = {.top = static_cast<size_t>(std::max(request.top, 0)), .skip = request.skip};
  const absl::StatusOr<const Metric*> objective = internal::FindMetric(table, request.objective, "objective");
  if (!objective.ok()) return objective.status();
  question.sign = (*objective)->goal == Goal::kMax ? -1 : 1;
  Use(question, request.objective);
  if (request.top < 0 || request.top > kMaxListed) {
    return absl::InvalidArgumentError(
        fmt::format("top: expected a number from 0 to {}, found {}", kMaxListed, request.top));
  }
  if (request.threads < 1) {
    return absl::InvalidArgumentError(fmt::format("threads: expected at least 1, found {}", request.threads));
  }
  if (request.limits.size() > kMaxLimits) {
    return absl::InvalidArgumentError(
        fmt::format("limits: expected at most {}, found {}", kMaxLimits, request.limits.size()));
  }
  for (size_t l = 0; l < request.limits.size(); ++l) {
    if (absl::Status status = AddLimit(table, request.limits[l], l, question); !status.ok()) return status;
  }
  return question;
}

absl::StatusOr<NetworkFilter> FilterOf(const BlockTable& table, const SweepRequest& request) {
  NetworkFilter filter = AllowAll(table);
  if (absl::Status status = ApplyFixed(table, request.fixed, filter); !status.ok()) return status;
  if (absl::Status status = ApplyForbidden(table, request.forbidden, filter); !status.ok()) return status;
  return filter;
}

// The space of one shared value.
struct Part {
  int shared;
  Forms forms;
  std::vector<Box> boxes;
};

absl::StatusOr<std::vector<Part>> Parts(const Estimator& estimator, const Question& question,
                                        const NetworkFilter& filter) {
  std::vector<Part> parts;
  for (int shared = 0; shared < estimator.table().SharedCount(); ++shared) {
    if (!filter.shared[static_cast<size_t>(shared)]) continue;
    absl::StatusOr<Forms> forms = Forms::Create(estimator, question, shared);
    if (!forms.ok()) return forms.status();
    absl::StatusOr<std::vector<Box>> boxes = internal::Boxes(estimator.table(), filter, forms->Measured());
    if (!boxes.ok()) return boxes.status();
    parts.push_back({.shared = shared, .forms = *std::move(forms), .boxes = *std::move(boxes)});
  }
  return parts;
}

// Boxes cut by their first nodes, so that there is enough to do for all threads.
std::vector<Stretch> Stretches(const std::vector<Part>& parts) {
  int64_t boxes = 0;
  for (const Part& part : parts) boxes += std::ssize(part.boxes);
  std::vector<Stretch> stretches;
  for (const Part& part : parts) {
    for (const Box& box : part.boxes) {
      Stretch stretch = {.forms = &part.forms, .box = &box, .shared = part.shared};
      int64_t numbers = 1;
      size_t before = internal::BlockBegin(box);
      for (size_t i = 0; i < box.candidates.size() && before > 0 && numbers * boxes < kStretches; ++i) {
        if (!box.contributes[i]) continue;
        numbers *= std::ssize(box.candidates[i]);
        ++stretch.depth;
        --before;
      }
      for (; stretch.number < numbers; ++stretch.number) stretches.push_back(stretch);
    }
  }
  return stretches;
}

class Sweeping {
 public:
  Sweeping(const SweepRequest& request, const Question& question, double total) : request_(request), total_(total) {
    shared_.cancel = request.cancel;
    for (int t = 0; t < request.threads; ++t) {
      walks_.push_back(std::make_unique<Walk>(question, internal::Vector(request.isa), shared_));
    }
  }

  absl::Status Run(const std::vector<Stretch>& stretches) {
    std::atomic<size_t> next = 0;
    std::vector<std::thread> threads;
    for (const auto& walk : walks_) {
      threads.emplace_back([&] {
        for (size_t s = next++; s < stretches.size(); s = next++) walk->Run(stretches[s]);
        const std::lock_guard lock(mutex_);
        ++finished_;
        changed_.notify_one();
      });
    }
    Wait();
    for (std::thread& thread : threads) thread.join();
    const bool cancelled = request_.cancel != nullptr && request_.cancel->load();
    if (cancelled && shared_.done < static_cast<int64_t>(total_)) return absl::CancelledError("sweep: cancelled");
    return absl::OkStatus();
  }

  const std::vector<std::unique_ptr<Walk>>& walks() const { return walks_; }

  std::vector<Ranked> TakeBest(size_t top) {
    internal::TopK best(top);
    for (const auto& walk : walks_) {
      for (const Ranked& network : walk->TakeBest()) best.Offer(network.rank());
    }
    return best.Take();
  }

 private:
  void Wait() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kProgressPeriod, [this] { return finished_ == walks_.size(); })) {
      if (!request_.progress) continue;
      lock.unlock();
      request_.progress(std::min(1.0, static_cast<double>(shared_.done) / total_));
      lock.lock();
    }
  }

  const SweepRequest& request_;
  const double total_;
  internal::Shared shared_;
  std::vector<std::unique_ptr<Walk>> walks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t finished_ = 0;
};

FoundNetwork Describe(const Estimator& estimator, const Ranked& network, double sign) {
  const BlockTable& table = estimator.table();
  FoundNetwork found;
  found.choice = network.choice;
  found.shared_index = network.shared;
  for (size_t i = 0; i < found.choice.size(); ++i) {
    found.names.push_back(table.nodes[i].candidates[static_cast<size_t>(found.choice[i])]);
  }
  if (const auto& shared = table.structure.shared) {
    found.shared[shared->name] = shared->values[static_cast<size_t>(network.shared)];
  }
  found.objective = sign * network.objective_key;
  if (auto predicted = estimator.PredictAll(network.choice, network.shared); predicted.ok()) {
    found.predicted = *std::move(predicted);
  }
  return found;
}

}  // namespace

absl::StatusOr<SweepResult> Sweep(const BlockTable& table, const SweepRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  const absl::StatusOr<Estimator> estimator = Estimator::Create(table, request.estimator);
  if (!estimator.ok()) return estimator.status();
  const absl::StatusOr<Question> question = Resolve(table, request);
  if (!question.ok()) return question.status();
  const absl::StatusOr<NetworkFilter> filter = FilterOf(table, request);
  if (!filter.ok()) return filter.status();
  const absl::StatusOr<double> total = CountNetworks(*estimator, question->metrics, *filter);
  if (!total.ok()) return total.status();
  if (*total > kMaxSwept) {
    return absl::ResourceExhaustedError(fmt::format(
        "sweep: expected at most {:.0e} networks, found {:.3g}; fix or forbid candidates", kMaxSwept, *total));
  }
  const absl::StatusOr<std::vector<Part>> parts = Parts(*estimator, *question, *filter);
  if (!parts.ok()) return parts.status();
  Sweeping sweeping(request, *question, *total);
  if (absl::Status status = sweeping.Run(Stretches(*parts)); !status.ok()) return status;

  SweepResult result;
  result.estimator = request.estimator;
  std::vector<Interval> ranges(question->metrics.size(), Interval::Empty());
  for (const auto& walk : sweeping.walks()) {
    result.networks += walk->tally().networks;
    result.undefined += walk->tally().undefined;
    result.within += walk->tally().within;
    result.computed += walk->tally().computed;
    for (size_t m = 0; m < ranges.size(); ++m) ranges[m].Include(walk->tally().ranges[m]);
  }
  for (size_t m = 0; m < ranges.size() && result.networks > 0; ++m) {
    result.ranges[question->metrics[m]] = {ranges[m].least, ranges[m].greatest};
  }
  for (const Ranked& network : sweeping.TakeBest(question->top)) {
    result.best.push_back(Describe(*estimator, network, question->sign));
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace mathnas::core
