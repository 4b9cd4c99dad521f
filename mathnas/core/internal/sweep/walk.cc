#include "mathnas/core/internal/sweep/walk.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core::internal {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
constexpr double kNothing = -0.0;                      // adding it changes nothing
constexpr int64_t kBlock = 1024;                       // sums of all channels stay in the first caches
constexpr int64_t kSmallBlock = 64, kLargestBlock = 16384;

constexpr uint32_t Bit(size_t metric) { return uint32_t{1} << metric; }

double LargestMagnitude(const std::vector<double>& row) {
  double largest = 0;
  for (const double term : row) {
    if (!std::isnan(term)) largest = std::max(largest, std::abs(term));
  }
  return largest;
}

// The greatest integer sum with sum / scale <= value; sums are below 2^53.
double GreatestSum(double value, double scale) {
  // Above 2^53 a double cannot be counted down.
  double sum = std::min(std::floor(std::clamp(value * scale, -kExactIntegers, kExactIntegers)) + 3, kExactIntegers);
  while (sum > -kExactIntegers && sum / scale > value) sum -= 1;
  return sum;
}

}  // namespace

absl::StatusOr<Forms> Forms::Create(const Estimator& estimator, const Question& question, int shared) {
  Forms forms;
  const LinearForm* denominator = nullptr;
  for (const std::string& name : question.metrics) {
    const absl::StatusOr<const MetricForm*> form = estimator.FormOf(name, shared);
    if (!form.ok()) return form.status();
    forms.metrics_.push_back(*form);
    forms.channels_.push_back(&(*form)->sum);
    forms.value_forms_.push_back(MakeValueForm(**form));
    if ((*form)->divided) denominator = &(*form)->denominator;  // the same for all
  }
  if (denominator != nullptr) forms.channels_.push_back(denominator);
  for (size_t c = 0; c < forms.channels_.size(); ++c) {
    double largest = std::abs(forms.channels_[c]->constant);
    for (const auto& row : forms.channels_[c]->terms) largest += LargestMagnitude(row);
    const double factor = c < forms.metrics_.size() ? std::abs(forms.metrics_[c]->factor) : 1;
    if (std::isfinite(largest) && std::isfinite(largest * factor)) continue;
    return absl::InvalidArgumentError(fmt::format("metrics.{}: expected sums within the range of doubles, found more",
                                                  c < question.metrics.size() ? question.metrics[c] : "flops"));
  }
  for (size_t m = 0; m < question.metrics.size(); ++m) {
    const Interval& values = question.allowed[m];
    forms.allowed_.push_back(forms.metric(m).divided ? values : forms.SumsOf(m, values));
  }
  return forms;
}

Interval Forms::SumsOf(size_t m, const Interval& values) const {
  const double scale = metric(m).sum.scale;
  if (scale == 1) return values;
  // Sums are integers. The least with sum / scale >= v is minus the greatest with sum / scale <= -v.
  return {.least = -GreatestSum(-values.least, scale), .greatest = GreatestSum(values.greatest, scale)};
}

std::vector<std::vector<bool>> Forms::Measured() const {
  std::vector<std::vector<bool>> measured;
  for (size_t i = 0; i < channels_[0]->terms.size(); ++i) {
    measured.emplace_back(channels_[0]->terms[i].size());
    for (size_t j = 0; j < measured[i].size(); ++j) {
      measured[i][j] =
          std::none_of(channels_.begin(), channels_.end(), [=](auto* c) { return std::isnan(c->terms[i][j]); });
    }
  }
  return measured;
}

Walk::Walk(const Question& question, const VectorKernels& kernels, Shared& shared)
    : question_(question), kernels_(kernels), shared_(shared), best_(question.top) {
  const size_t metrics = question.metrics.size();
  tally_.ranges.assign(metrics, Interval::Empty());
}

void Walk::Run(const Stretch& stretch) {
  if (stretch.box != box_ || stretch.forms != forms_) Enter(stretch);
  int64_t number = stretch.number;
  for (size_t i = static_cast<size_t>(stretch.depth); i-- > 0;) {
    picks_[i] = number % digits_[i].count();
    number /= digits_[i].count();
  }
  for (size_t i = 0; i < static_cast<size_t>(stretch.depth); ++i) {
    for (size_t c = 0; c < forms_->channels(); ++c) sums_[i + 1][c] = sums_[i][c] + digits_[i].Terms(c)[picks_[i]];
  }
  Descend(static_cast<size_t>(stretch.depth));
}

void Walk::Enter(const Stretch& stretch) {
  forms_ = stretch.forms;
  box_ = stretch.box;
  shared_index_ = stretch.shared;
  const size_t channels = forms_->channels();
  digits_.clear();
  choice_.clear();
  for (size_t i = 0; i < box_->candidates.size(); ++i) {
    choice_.push_back(box_->candidates[i][0]);
    if (!box_->contributes[i]) continue;
    Digit digit = {.node = static_cast<int>(i), .candidates = &box_->candidates[i]};
    for (size_t c = 0; c < channels; ++c) {
      Interval bounds = Interval::Empty();
      for (const int j : box_->candidates[i]) {
        const double term = forms_->channel(c).terms[i][static_cast<size_t>(j)];
        digit.terms.push_back(term);
        bounds.Include({term, term});
      }
      digit.bounds.push_back(bounds);
    }
    digits_.push_back(std::move(digit));
  }
  below_.assign(digits_.size() + 1, 1);
  for (size_t i = digits_.size(); i-- > 0;) below_[i] = below_[i + 1] * digits_[i].count();
  block_ = BlockBegin(*box_);
  size_ = below_[block_] / digits_.back().count();
  sums_.assign(digits_.size() + 1, std::vector<double>(channels));
  for (size_t c = 0; c < channels; ++c) sums_[0][c] = forms_->channel(c).constant;
  picks_.assign(digits_.size(), 0);
  totals_.assign(channels, {});
  const auto size = static_cast<size_t>(size_);
  x_.resize(channels);
  for (auto& x : x_) x.resize(std::max(x.size(), size));
  values_.resize(question_.metrics.size());
  for (auto& values : values_) values.resize(std::max(values.size(), size));
  spare_.resize(std::max(spare_.size(), size));
  mask_.resize(std::max(mask_.size(), size));
}

void Walk::Descend(size_t level) {
  if (Cancelled()) return;
  if (question_.skip && Settle(level)) {
    shared_.done.fetch_add(below_[level], std::memory_order_relaxed);
    return;
  }
  if (level == block_) {
    Block();
    shared_.done.fetch_add(below_[level], std::memory_order_relaxed);
    return;
  }
  const Digit& digit = digits_[level];
  for (int64_t k = 0; k < digit.count(); ++k) {
    picks_[level] = k;
    for (size_t c = 0; c < forms_->channels(); ++c) sums_[level + 1][c] = sums_[level][c] + digit.Terms(c)[k];
    Descend(level + 1);
  }
}

// Of the values of a metric, from those of its sums; F(N) > 0.
Interval Walk::BoundsOf(size_t metric) const {
  const MetricForm& form = forms_->metric(metric);
  Interval values = {totals_[metric].least / form.sum.scale, totals_[metric].greatest / form.sum.scale};
  if (!form.divided) return values;
  if (open_.undefined) return {};
  const Interval& flops = totals_[forms_->denominator()];
  Interval predicted = Interval::Empty();
  for (const double value : {values.least, values.greatest}) {
    for (const double denominator : {flops.least, flops.greatest}) {
      const double corner = form.base - form.factor * value / (denominator / form.denominator.scale);
      predicted.Include({corner, corner});
    }
  }
  return predicted;
}

// Counts all networks below a point if that can be done without looking at them; otherwise open_ says what is open.
bool Walk::Settle(size_t level) {
  for (size_t c = 0; c < totals_.size(); ++c) {
    const double sum = sums_[level][c];
    totals_[c] = {sum, sum};
    for (size_t i = level; i < digits_.size(); ++i) {
      totals_[c].least += digits_[i].bounds[c].least;
      totals_[c].greatest += digits_[i].bounds[c].greatest;
    }
  }
  open_ = {};
  if (forms_->AnyDivided()) {
    const Interval& flops = totals_[forms_->denominator()];
    if (!(flops.greatest > 0)) {
      tally_.undefined += below_[level];
      return true;
    }
    open_.undefined = !(flops.least > 0);
  }
  for (size_t m = 0; m < question_.metrics.size(); ++m) {
    const Interval bounds = BoundsOf(m);
    open_.none_within = open_.none_within || !bounds.Meets(question_.allowed[m]);
    if (!question_.allowed[m].Contains(bounds)) open_.limits |= Bit(m);
    // Both ends are values of networks if none is undefined and there is nothing but a sum.
    const bool attained = !open_.undefined && !forms_->metric(m).divided;
    if (attained) tally_.ranges[m].Include(bounds);
    if (!attained && !tally_.ranges[m].Contains(bounds)) open_.ranges |= Bit(m);
    if (m == 0) {
      const double key = question_.sign > 0 ? bounds.least : -bounds.greatest;
      open_.rank = question_.top > 0 && key <= shared_.threshold.load(std::memory_order_relaxed);
    }
  }
  open_.rank = open_.rank && !open_.none_within;
  if (open_.undefined || open_.ranges != 0 || open_.rank || (open_.limits != 0 && !open_.none_within)) return false;
  tally_.networks += below_[level];
  if (!open_.none_within) tally_.within += below_[level];
  return true;
}

void Walk::Block() {
  if (!question_.skip) {
    open_ = {.undefined = forms_->AnyDivided(), .rank = question_.top > 0, .ranges = Bit(question_.metrics.size()) - 1};
    for (size_t m = 0; m < question_.metrics.size(); ++m) {
      if (question_.allowed[m] != Interval{}) open_.limits |= Bit(m);
    }
  }
  for (size_t c = 0; c < x_.size(); ++c) {
    int64_t n = 1;
    x_[c][0] = sums_[block_][c];
    for (size_t i = block_; i + 1 < digits_.size(); ++i) {
      kernels_.expand(x_[c].data(), n, digits_[i].Terms(c), digits_[i].count(), spare_.data());
      n *= digits_[i].count();
      x_[c].swap(spare_);
    }
  }
  for (int64_t k = 0; k < digits_.back().count(); ++k) Slice(k);
  tally_.computed += below_[block_];
}

// The objectives, or their sums, that may be among the best.
Interval Walk::RankInterval() {
  const double threshold = shared_.threshold.load(std::memory_order_relaxed);
  const Interval values = question_.sign > 0 ? Interval{-kInfinity, threshold} : Interval{-threshold, kInfinity};
  return forms_->metric(0).divided ? values : forms_->SumsOf(0, values);
}

// The block with one candidate of the last node.
void Walk::Slice(int64_t last) {
  const Digit& digit = digits_.back();
  const auto term = [&](size_t channel) { return digit.Terms(channel)[last]; };
  const size_t metrics = question_.metrics.size();
  std::fill_n(mask_.begin(), size_, -1);
  int64_t left = size_;
  if (open_.undefined) {
    const size_t f = forms_->denominator();
    kernels_.within(x_[f].data(), term(f), size_, std::numeric_limits<double>::denorm_min(), kInfinity, mask_.data());
    left = kernels_.count(mask_.data(), size_);
  }
  tally_.networks += left;
  tally_.undefined += size_ - left;
  for (size_t m = 0; m < metrics; ++m) {
    const bool divided = forms_->metric(m).divided;
    if (divided && (((open_.limits | open_.ranges) & Bit(m)) != 0 || (m == 0 && open_.rank))) {
      const size_t f = forms_->denominator();
      kernels_.ratio(forms_->value_form(m), x_[m].data(), term(m), x_[f].data(), term(f), size_, values_[m].data());
    }
    if ((open_.ranges & Bit(m)) == 0) continue;
    Interval range = Interval::Empty();
    kernels_.range(divided ? values_[m].data() : x_[m].data(), divided ? kNothing : term(m), size_, mask_.data(),
                   &range.least, &range.greatest);
    const double scale = divided ? 1 : forms_->metric(m).sum.scale;
    tally_.ranges[m].Include({range.least / scale, range.greatest / scale});
  }
  if (open_.none_within) return;
  const auto keep = [&](size_t m, const Interval& interval) {
    const bool divided = forms_->metric(m).divided;
    kernels_.within(divided ? values_[m].data() : x_[m].data(), divided ? kNothing : term(m), size_, interval.least,
                    interval.greatest, mask_.data());
    left = kernels_.count(mask_.data(), size_);
  };
  for (size_t m = 0; m < metrics && left > 0; ++m) {
    if ((open_.limits & Bit(m)) != 0) keep(m, forms_->allowed(m));
  }
  tally_.within += left;
  if (!open_.rank || left == 0) return;
  if (const Interval rank = RankInterval(); rank != Interval{}) keep(0, rank);
  for (int64_t e = 0; e < size_ && left > 0; ++e) {
    if (mask_[static_cast<size_t>(e)] == 0) continue;
    --left;
    Offer(e, last);
  }
}

double Walk::Value(size_t metric, int64_t e, int64_t last) const {
  const auto total = [&](size_t c) { return x_[c][static_cast<size_t>(e)] + digits_.back().Terms(c)[last]; };
  return ValueFromTotals(forms_->metric(metric), total(metric), total(forms_->denominator()));
}

void Walk::Offer(int64_t e, int64_t last) {
  Rank rank = {.objective_key = question_.sign * Value(0, e, last), .choice = &choice_, .shared = shared_index_};
  if (question_.first_limited >= 0) rank.first_limited = Value(static_cast<size_t>(question_.first_limited), e, last);
  if (const Ranked* worst = best_.Threshold()) {
    if (rank.objective_key > worst->objective_key) return;
    if (rank.objective_key == worst->objective_key && rank.first_limited > worst->first_limited) return;
  }
  const auto pick = [&](size_t i, int64_t k) {
    choice_[static_cast<size_t>(digits_[i].node)] = (*digits_[i].candidates)[static_cast<size_t>(k)];
  };
  for (size_t i = 0; i < block_; ++i) pick(i, picks_[i]);
  for (size_t i = block_; i + 1 < digits_.size(); ++i) {
    pick(i, e % digits_[i].count());
    e /= digits_[i].count();
  }
  pick(digits_.size() - 1, last);
  best_.Offer(rank);
  const Ranked* worst = best_.Threshold();
  if (worst == nullptr) return;
  double known = shared_.threshold.load(std::memory_order_relaxed);
  while (worst->objective_key < known &&
         !shared_.threshold.compare_exchange_weak(known, worst->objective_key, std::memory_order_relaxed)) {
  }
}

// From the last contributing node but one backwards, as long as the block stays small.
size_t BlockBegin(const Box& box) {
  std::vector<int64_t> counts;
  for (size_t i = 0; i < box.candidates.size(); ++i) {
    if (box.contributes[i]) counts.push_back(std::ssize(box.candidates[i]));
  }
  size_t begin = counts.size() - 1;
  int64_t size = 1;
  while (begin > 0) {
    const int64_t larger = size * counts[begin - 1];
    if (larger > (size < kSmallBlock ? kLargestBlock : kBlock)) break;
    size = larger;
    --begin;
  }
  return begin;
}

}  // namespace mathnas::core::internal
