#include "mathnas/core/internal/solver/team.h"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

namespace mathnas::core::internal {
namespace {

// Enough tasks for their lengths to even out, short enough for a better network to be known soon.
constexpr size_t kTasks = 16;
constexpr int64_t kPartsOfTask = 8;
constexpr size_t kCandidatesOfRound = 1 << 18;  // of the parts that are taken: what they leave open takes memory
constexpr size_t kCandidatesOpen = 1 << 22;     // in all

}  // namespace

Team::Team(const Space& space, const Part& whole, const SolverOptions& options, std::function<bool()> stop)
    : space_(space), whole_(whole), options_(OneAtATime(options)), stop_(std::move(stop)) {
  members_.push_back(std::make_unique<Member>(space_, whole_, options_));
}

Team::~Team() {
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  begin_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

SolverOptions Team::OneAtATime(const SolverOptions& options) {
  SolverOptions locked = options;
  if (options.accept) {
    locked.accept = [this, &options](std::span<const int> x) {
      const std::lock_guard lock(calls_);
      return options.accept(x);
    };
  }
  if (options.before) {
    locked.before = [this, &options](std::span<const int> x, std::span<const int> y) {
      const std::lock_guard lock(calls_);
      return options.before(x, y);
    };
  }
  return locked;
}

void Team::Start(int others) {
  for (int t = 0; t < others && members_.size() < kTasks; ++t) {
    members_.push_back(std::make_unique<Member>(space_, whole_, options_));
    // The system may have no more threads: the search goes on with those that there are.
    try {
      threads_.emplace_back([this, &member = *members_.back()] { Serve(member); });
    } catch (const std::system_error&) {
      members_.pop_back();
      return;
    }
  }
}

// Unless many are open: the last ones were divided most, and will leave the fewest open.
void Team::LeastBoundsLast(size_t count, std::vector<Part>& open) {
  size_t candidates = 0;
  for (const Part& part : open) candidates += part.candidates.size();
  if (candidates > kCandidatesOpen) return;
  for (auto end = open.end(); count > 0; --count) {
    const auto least =
        std::min_element(open.begin(), end, [](const Part& p, const Part& q) { return p.bound < q.bound; });
    std::swap(*least, *--end);
  }
}

void Team::Round(int64_t number, std::vector<Part>& open, Incumbents& incumbents) {
  known_ = &incumbents;
  number_ = number;
  const size_t few = std::max<size_t>(2, kCandidatesOfRound / (open.back().candidates.size() + 1));
  tasks_.resize(std::min({kTasks, open.size(), few}));
  LeastBoundsLast(tasks_.size(), open);
  for (Task& task : tasks_) {
    task.open.clear();
    task.open.push_back(std::move(open.back()));
    open.pop_back();
  }
  next_ = 0;
  {
    const std::lock_guard lock(mutex_);
    ++rounds_;
    at_work_ = threads_.size();
  }
  begin_.notify_all();
  TakeTasks(*members_[0]);
  {
    std::unique_lock lock(mutex_);
    end_.wait(lock, [this] { return at_work_ == 0; });
  }
  explored_ = work_ = 0;
  for (Task& task : tasks_) {
    explored_ += task.explored;
    work_ += task.work;
    for (const Incumbents::Network& network : task.found) incumbents.Offer(network.x);
  }
  for (auto task = tasks_.rbegin(); task != tasks_.rend(); ++task) {
    std::move(task->open.begin(), task->open.end(), std::back_inserter(open));
  }
}

void Team::Serve(Member& member) {
  for (int64_t seen = 0;;) {
    {
      std::unique_lock lock(mutex_);
      begin_.wait(lock, [&] { return quit_ || rounds_ > seen; });
      if (quit_) return;
      seen = rounds_;
    }
    TakeTasks(member);
    const std::lock_guard lock(mutex_);
    if (--at_work_ == 0) end_.notify_one();
  }
}

void Team::TakeTasks(Member& member) {
  for (size_t t = next_++; t < tasks_.size(); t = next_++) Work(member, t);
}

void Team::Work(Member& member, size_t t) {
  Task& task = tasks_[t];
  member.incumbents.StartFrom(*known_);
  task.explored = 0;
  const int64_t before = member.tree.work();
  for (; task.explored < kPartsOfTask && !task.open.empty() && !stop_(); ++task.explored) {
    member.tree.ProcessLast(number_ + static_cast<int64_t>(t) * kPartsOfTask + task.explored, task.open);
  }
  task.work = member.tree.work() - before;
  task.found = member.incumbents.TakeKept();
}

}  // namespace mathnas::core::internal
