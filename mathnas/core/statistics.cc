#include "mathnas/core/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core {
namespace {

absl::Status CheckSample(Sample x) {
  if (x.empty()) return absl::InvalidArgumentError("sample: expected at least one number, found none");
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i])) continue;
    return absl::InvalidArgumentError(fmt::format("sample[{}]: expected a finite number, found {}", i, x[i]));
  }
  return absl::OkStatus();
}

absl::Status CheckPair(Sample x, Sample y) {
  if (x.size() != y.size()) {
    return absl::InvalidArgumentError(
        fmt::format("samples: expected equal lengths, found {} and {}", x.size(), y.size()));
  }
  if (absl::Status status = CheckSample(x); !status.ok()) return status;
  return CheckSample(y);
}

absl::Status ConstantSample() {
  return absl::InvalidArgumentError("correlation: expected samples that vary, found a constant one");
}

std::vector<size_t> Ordered(Sample x) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [x](size_t a, size_t b) { return x[a] < x[b]; });
  return order;
}

// Ranks from 0; equal values share the mean of theirs.
std::vector<double> AverageRanks(Sample x) {
  const std::vector<size_t> order = Ordered(x);
  std::vector<double> ranks(x.size());
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    end = begin + 1;
    while (end < order.size() && x[order[end]] == x[order[begin]]) ++end;
    const double rank = 0.5 * static_cast<double>(begin + end - 1);
    for (size_t k = begin; k < end; ++k) ranks[order[k]] = rank;
  }
  return ranks;
}

// Pairs of equal neighbours in a sorted sequence of n items.
template <typename Equal>
int64_t TiedPairs(size_t n, Equal equal) {
  int64_t pairs = 0;
  int64_t run = 0;  // earlier items equal to this one
  for (size_t i = 1; i < n; ++i) {
    run = equal(i - 1, i) ? run + 1 : 0;
    pairs += run;
  }
  return pairs;
}

// Sorts `y` and returns the number of inversions: exchanges that bubble sort would make.
int64_t SortCountingInversions(std::vector<double>& y) {
  std::vector<double> merged(y.size());
  int64_t inversions = 0;
  for (size_t width = 1; width < y.size(); width *= 2) {
    for (size_t begin = 0; begin < y.size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, y.size());
      const size_t end = std::min(begin + 2 * width, y.size());
      size_t left = begin;
      size_t right = middle;
      for (size_t out = begin; out < end; ++out) {
        if (right == end || (left < middle && y[left] <= y[right])) {
          merged[out] = y[left++];
        } else {
          inversions += static_cast<int64_t>(middle - left);
          merged[out] = y[right++];
        }
      }
    }
    y.swap(merged);
  }
  return inversions;
}

template <typename Error>
absl::StatusOr<double> MeanOf(Sample predicted, Sample truth, Error error) {
  if (absl::Status status = CheckPair(predicted, truth); !status.ok()) return status;
  double sum = 0;
  for (size_t i = 0; i < truth.size(); ++i) sum += error(predicted[i], truth[i]);
  return sum / static_cast<double>(truth.size());
}

}  // namespace

absl::StatusOr<double> Spearman(Sample x, Sample y) {
  if (absl::Status status = CheckPair(x, y); !status.ok()) return status;
  const std::vector<double> rank_x = AverageRanks(x);
  const std::vector<double> rank_y = AverageRanks(y);
  const double mean = 0.5 * static_cast<double>(x.size() - 1);
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (rank_x[i] - mean) * (rank_x[i] - mean);
    yy += (rank_y[i] - mean) * (rank_y[i] - mean);
    xy += (rank_x[i] - mean) * (rank_y[i] - mean);
  }
  if (xx == 0 || yy == 0) return ConstantSample();
  return std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
}

absl::StatusOr<double> KendallTau(Sample x, Sample y) {
  if (absl::Status status = CheckPair(x, y); !status.ok()) return status;
  const size_t n = x.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [x, y](size_t a, size_t b) { return x[a] != x[b] ? x[a] < x[b] : y[a] < y[b]; });
  std::vector<double> sorted_y(n);
  for (size_t i = 0; i < n; ++i) sorted_y[i] = y[order[i]];
  const int64_t ties_x = TiedPairs(n, [&](size_t a, size_t b) { return x[order[a]] == x[order[b]]; });
  const int64_t ties_both =
      TiedPairs(n, [&](size_t a, size_t b) { return x[order[a]] == x[order[b]] && y[order[a]] == y[order[b]]; });
  const int64_t discordant = SortCountingInversions(sorted_y);
  const int64_t ties_y = TiedPairs(n, [&](size_t a, size_t b) { return sorted_y[a] == sorted_y[b]; });
  const int64_t pairs = static_cast<int64_t>(n) * (static_cast<int64_t>(n) - 1) / 2;
  if (ties_x == pairs || ties_y == pairs) return ConstantSample();
  const double difference = static_cast<double>(pairs - ties_x - ties_y + ties_both - 2 * discordant);
  const double untied_x = static_cast<double>(pairs - ties_x);
  const double untied_y = static_cast<double>(pairs - ties_y);
  const double tau = difference / std::sqrt(untied_x * untied_y);
  return std::clamp(tau, -1.0, 1.0);
}

absl::StatusOr<double> MeanAbsoluteError(Sample predicted, Sample truth) {
  return MeanOf(predicted, truth, [](double p, double t) { return std::abs(p - t); });
}

absl::StatusOr<double> RootMeanSquareError(Sample predicted, Sample truth) {
  const absl::StatusOr<double> mean = MeanOf(predicted, truth, [](double p, double t) { return (p - t) * (p - t); });
  if (!mean.ok()) return mean.status();
  return std::sqrt(*mean);
}

absl::StatusOr<double> MeanAbsolutePercentageError(Sample predicted, Sample truth) {
  const auto zero = std::find(truth.begin(), truth.end(), 0.0);
  if (zero != truth.end()) {
    return absl::InvalidArgumentError(
        fmt::format("truth[{}]: expected a number other than 0, found 0", zero - truth.begin()));
  }
  return MeanOf(predicted, truth, [](double p, double t) { return std::abs((p - t) / t); });
}

absl::StatusOr<double> Median(Sample x) { return Quantile(x, 0.5); }

absl::StatusOr<double> Quantile(Sample x, double q) {
  if (absl::Status status = CheckSample(x); !status.ok()) return status;
  if (!(q >= 0 && q <= 1)) {
    return absl::InvalidArgumentError(fmt::format("quantile: expected a number from 0 to 1, found {}", q));
  }
  std::vector<double> sorted(x.begin(), x.end());
  std::sort(sorted.begin(), sorted.end());
  const double position = q * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

}  // namespace mathnas::core
