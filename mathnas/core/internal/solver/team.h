// Several trees side by side, in rounds: each takes some of the last open parts and goes down from there, for as many
// parts of the space as the rounds say, with the networks known at the round's begin and those that it finds itself.
// What it leaves open and what it found goes back in the order of the parts that were taken. So the search is the same
// whatever the number of threads and whichever is quicker.
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_TEAM_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_TEAM_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "mathnas/core/internal/solver/incumbents.h"
#include "mathnas/core/internal/solver/part.h"
#include "mathnas/core/internal/solver/space.h"
#include "mathnas/core/internal/solver/tree.h"
#include "mathnas/core/solver.h"

namespace mathnas::core::internal {

class Team {
 public:
  // `stop`: whether to end a round early; asked by all threads. The functions of the options are called by one thread
  // at a time. All must outlive the team.
  Team(const Space& space, const Part& whole, const SolverOptions& options, std::function<bool()> stop);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();

  // The thread that calls and `others` more, or as many as the system has, from now on.
  void Start(int others);
  // One round over the last of `open`; networks found are offered to `incumbents`. `number` parts were looked at
  // before.
  void Round(int64_t number, std::vector<Part>& open, Incumbents& incumbents);
  // Of the last round: parts looked at, and Tree's work.
  int64_t explored() const { return explored_; }
  int64_t work() const { return work_; }

 private:
  struct Task {
    std::vector<Part> open;
    Incumbents::Networks found;
    int64_t explored = 0, work = 0;
  };
  struct Member {
    Member(const Space& space, const Part& whole, const SolverOptions& options)
        : incumbents(space, options),
          tree(space, whole, incumbents, static_cast<double>(options.effort.few_networks)) {}
    Incumbents incumbents;
    Tree tree;
  };

  // Puts the `count` parts of the least bounds at the end of `open`, the least last: they hold down what is proven when
  // time runs out.
  void LeastBoundsLast(size_t count, std::vector<Part>& open);
  SolverOptions OneAtATime(const SolverOptions& options);
  void Serve(Member& member);
  void TakeTasks(Member& member);
  void Work(Member& member, size_t t);

  const Space& space_;
  const Part& whole_;
  std::mutex calls_;  // of the functions of the options
  const SolverOptions options_;
  const std::function<bool()> stop_;
  std::vector<std::unique_ptr<Member>> members_;  // the first is that of the thread that calls
  std::vector<std::thread> threads_;
  // Of a round.
  const Incumbents* known_ = nullptr;
  int64_t number_ = 0, explored_ = 0, work_ = 0;
  std::vector<Task> tasks_;
  std::atomic<size_t> next_ = 0;

  std::mutex mutex_;
  std::condition_variable begin_, end_;
  int64_t rounds_ = 0;  // begun
  size_t at_work_ = 0;  // threads
  bool quit_ = false;
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_TEAM_H_
