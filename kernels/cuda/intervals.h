// How long something happened, whatever happened at the same time.
#ifndef MATHNAS_KERNELS_CUDA_INTERVALS_H_
#define MATHNAS_KERNELS_CUDA_INTERVALS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mathnas::kernels::cuda {

struct Interval {
  uint64_t start, end;  // nanoseconds of one clock, start <= end
};

struct Cover {
  uint64_t span = 0;  // from the first start to the last end
  uint64_t busy = 0;  // of it, inside of at least one interval
};

inline Cover CoverOf(std::vector<Interval> intervals) {
  if (intervals.empty()) return {};
  std::sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) { return a.start < b.start; });
  Cover cover;
  uint64_t end = intervals.front().start;  // up to here all is counted
  for (const Interval& i : intervals) {
    if (i.end <= end) continue;
    cover.busy += i.end - std::max(i.start, end);
    end = i.end;
  }
  cover.span = end - intervals.front().start;
  return cover;
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_INTERVALS_H_
