#include "mathnas/runtime/dynamic_network.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "fmt/format.h"
#include "kernels/status.h"
#include "mathnas/core/estimator.h"
#include "mathnas/profile/space_table.h"

namespace mathnas::runtime {
namespace {

using core::Limit;
using supernet::Choice;

double SystemSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// InvalidArgument: how the table is none of the space.
absl::Status CheckTable(const supernet::SearchSpace& space, const core::BlockTable& table) {
  if (auto s = core::Validate(table); !s.ok()) return s;
  const auto expected = profile::TableOf(space);
  if (!expected.ok()) return expected.status();
  const auto fail = [](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("block table: {}", what));
  };
  if (table.space != expected->space) {
    return fail(fmt::format("space \"{}\", the supernet is of \"{}\"", table.space, expected->space));
  }
  if (table.nodes.size() != expected->nodes.size()) {
    return fail(fmt::format("{} nodes, the space has {}", table.nodes.size(), expected->nodes.size()));
  }
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    if (table.nodes[i].name != expected->nodes[i].name || table.nodes[i].candidates != expected->nodes[i].candidates) {
      return fail(fmt::format("nodes[{}] \"{}\": other name or candidates than in the space, \"{}\"", i,
                              table.nodes[i].name, expected->nodes[i].name));
    }
  }
  const auto& shared = table.structure.shared;
  const auto& wanted = expected->structure.shared;
  if (shared.has_value() != wanted.has_value() || (shared && shared->values != wanted->values)) {
    return fail("the shared choice is not that of the space");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DynamicNetwork>> DynamicNetwork::Create(Supernet supernet, core::BlockTable table,
                                                                       std::shared_ptr<kernels::Device> device,
                                                                       DynamicOptions options) {
  if (supernet.space == nullptr || supernet.weights == nullptr || device == nullptr) {
    return absl::InvalidArgumentError("a dynamic network without space, weights or device");
  }
  if (!options.clock) options.clock = SystemSeconds;
  if (options.calibrating == nullptr) options.calibrating = device;
  std::unique_ptr<DynamicNetwork> made(
      new DynamicNetwork(std::move(supernet), std::move(table), std::move(device), std::move(options)));
  if (auto s = made->CheckOptions(); !s.ok()) return s;
  if (auto s = made->Start(); !s.ok()) return s;
  return made;
}

DynamicNetwork::DynamicNetwork(Supernet supernet, core::BlockTable table, std::shared_ptr<kernels::Device> device,
                               DynamicOptions options)
    : supernet_(std::move(supernet)),
      table_(std::move(table)),
      device_(std::move(device)),
      options_(std::move(options)),
      store_(static_cast<size_t>(std::max<int64_t>(options_.statistics, 1))),
      memory_(std::clamp(options_.lanes, 1, 1024)),
      follower_(options_.follow.value_or(FollowOptions{})) {}

DynamicNetwork::~DynamicNetwork() {
  {
    const std::lock_guard lock(bell_);
    stop_ = true;
  }
  rung_.notify_all();
  if (planner_.joinable()) planner_.join();
}

absl::Status DynamicNetwork::CheckOptions() const {
  const auto fail = [](std::string_view option, int64_t value, std::string_view expected) {
    return absl::InvalidArgumentError(fmt::format("{}: {}, expected {}", option, value, expected));
  };
  const DynamicOptions& o = options_;
  if (supernet_.space->translates()) {
    return absl::UnimplementedError(
        fmt::format("{}: a space that translates, expected one of images", supernet_.space->name()));
  }
  if (o.batch < 1 || o.batch > 65536) return fail("batch", o.batch, "1 to 65536");
  if (o.division.parts < 1) return fail("division.parts", o.division.parts, "at least 1");
  if (o.lanes < 1 || o.lanes > 1024) return fail("lanes", o.lanes, "1 to 1024");
  if (o.prepared < 2) return fail("prepared", o.prepared, "at least 2: the present subnet and the next");
  if (o.statistics < 1) return fail("statistics", o.statistics, "at least 1");
  if (o.image_side < 0 || o.image_side > 65536) return fail("image_side", o.image_side, "0 to 65536");
  if (o.image_side == 0 && supernet_.space->structure().shared >= 0) {
    return fail("image_side", 0, "the side of the images that are given, since subnets differ in theirs");
  }
  if (o.image_side > 0 && !supernet_.space->takes_any_image_size() &&
      o.image_side != supernet_.space->input_shape()[0]) {
    return fail("image_side", o.image_side,
                fmt::format("{}, the only one of the space", supernet_.space->input_shape()[0]));
  }
  if (o.follow) {
    if (auto s = Check(*o.follow); !s.ok()) return s;
    const auto metric = table_.metrics.find(o.follow->metric);
    if (metric == table_.metrics.end() || metric->second.unit != "ms") {
      return absl::InvalidArgumentError(
          fmt::format("follow.metric: \"{}\", expected a metric of the table in ms", o.follow->metric));
    }
  }
  return CheckTable(*supernet_.space, table_);
}

absl::Status DynamicNetwork::Start() {
  kernels::Shape image = supernet_.space->input_shape();
  if (options_.image_side > 0) image[0] = image[1] = options_.image_side;
  image_elements_ = kernels::NumElements(image);
  for (size_t lane = memory_.count(); lane-- > 0;) free_lanes_.push_back(lane);
  if (!options_.statistics_file.empty()) {
    auto s = store_.Load(options_.statistics_file, *supernet_.space, Fingerprint(*supernet_.weights));
    if (!s.ok()) return s;
  }
  limits_ = options_.choosing.request.limits;
  follower_.SetLimit(FollowedLimit(limits_));
  const auto chosen = Solve(limits_, /*nearest=*/false, 0);
  if (!chosen.ok()) return chosen.status();
  auto subnet = PrepareOne(profile::InSpace(*supernet_.space, chosen->network));
  if (!subnet.ok()) return subnet.status();
  Keep(*subnet);
  SwitchTo(*std::move(subnet), Verdict::kStay);
  if (options_.background) planner_ = std::thread([this] { Planner(); });
  return absl::OkStatus();
}

// ---- Requests

absl::StatusOr<Served> DynamicNetwork::Run(std::span<const float> images, std::span<float> logits) {
  const auto row_in = static_cast<size_t>(image_elements_), row_out = static_cast<size_t>(classes());
  const size_t rows = images.size() / row_in;
  if (images.empty() || images.size() % row_in != 0 || logits.size() != rows * row_out) {
    return absl::InvalidArgumentError(
        fmt::format("images have {} elements and logits {}, expected multiples of {} and {} for as many images",
                    images.size(), logits.size(), row_in, row_out));
  }
  size_t lane = 0;
  SubnetPtr subnet;
  {
    std::unique_lock lock(serving_);
    lane_free_.wait(lock, [&] { return !free_lanes_.empty(); });
    lane = free_lanes_.back();
    free_lanes_.pop_back();
    subnet = present_;
  }
  PreparedSubnet::Lane& place = subnet->lanes[lane];
  const auto batch = static_cast<size_t>(options_.batch);
  absl::Status status;
  int64_t runs = 0;
  double seconds = 0;
  for (size_t row = 0; row < rows && status.ok(); row += batch, ++runs) {
    const size_t count = std::min(batch, rows - row);
    const double start = Now();
    status = place.Run(images.subspan(row * row_in, count * row_in), logits.subspan(row * row_out, count * row_out));
    seconds += Now() - start;
  }
  Verdict verdict = Verdict::kStay;
  {
    const std::lock_guard lock(serving_);
    free_lanes_.push_back(lane);
    ++requests_;
    failed_requests_ += status.ok() ? 0 : 1;
    SubnetCount& count = by_subnet_[subnet->choice];
    ++count.requests;
    count.runs += runs;
    count.milliseconds += 1e3 * seconds;
    // One that was overtaken by a switch says nothing about the present subnet.
    if (options_.follow && status.ok() && subnet == present_) {
      const double now = Now();
      for (int64_t i = 0; i < runs; ++i) {
        const Verdict each = follower_.Measured(1e3 * seconds / static_cast<double>(runs), now);
        if (each != Verdict::kStay) verdict = each;
      }
    }
  }
  lane_free_.notify_one();
  if (verdict != Verdict::kStay) {
    due_ = verdict;
    Wake();
  }
  if (!status.ok()) return status;
  return Served{subnet->choice, 1e3 * seconds};
}

// ---- Decisions

absl::StatusOr<Decision> DynamicNetwork::SetLimits(std::vector<Limit> limits) {
  const std::lock_guard lock(control_);
  return Keeping(std::move(limits));
}

absl::StatusOr<Decision> DynamicNetwork::SetBudget(const std::string& metric, double limit) {
  const auto found = table_.metrics.find(metric);
  if (found == table_.metrics.end()) {
    return absl::InvalidArgumentError(fmt::format("metric: \"{:.100}\", expected one of the table", metric));
  }
  if (std::isnan(limit)) return absl::InvalidArgumentError("limit: not a number");
  const auto op = found->second.goal == core::Goal::kMax ? core::LimitOp::kAtLeast : core::LimitOp::kAtMost;
  const std::lock_guard lock(control_);
  std::vector<Limit> limits = limits_;
  std::erase_if(limits, [&](const Limit& l) { return l.metric == metric; });
  if (std::isfinite(limit)) limits.push_back({.metric = metric, .op = op, .value = limit});
  return Keeping(std::move(limits));
}

absl::StatusOr<Decision> DynamicNetwork::Keeping(std::vector<Limit> limits) {
  const auto chosen = Solve(limits, /*nearest=*/false, 0);
  if (!chosen.ok()) return chosen.status();
  limits_ = std::move(limits);
  {
    const std::lock_guard serving(serving_);
    follower_.SetLimit(FollowedLimit(limits_));
  }
  Decision decision = GoTo(profile::InSpace(*supernet_.space, chosen->network), Verdict::kStay);
  decision.objective = chosen->objective;
  decision.predicted = chosen->predicted;
  return decision;
}

absl::StatusOr<Decision> DynamicNetwork::SetChoice(const Choice& choice) {
  if (auto s = supernet_.space->Check(choice); !s.ok()) return s;
  const std::lock_guard lock(control_);
  return GoTo(profile::Canonical(*supernet_.space, table_, choice), Verdict::kStay);
}

absl::Status DynamicNetwork::PrepareAhead(const Choice& choice) {
  if (auto s = supernet_.space->Check(choice); !s.ok()) return s;
  const Choice canonical = profile::Canonical(*supernet_.space, table_, choice);
  const std::lock_guard preparing(preparing_);
  {
    const std::lock_guard lock(control_);
    if (Ready(canonical) != nullptr) return absl::OkStatus();
  }
  auto subnet = PrepareOne(canonical);
  if (!subnet.ok()) return subnet.status();
  std::list<SubnetPtr> gone;
  const std::lock_guard lock(control_);
  gone = Keep(*std::move(subnet));
  return absl::OkStatus();
}

absl::StatusOr<ChosenNetwork> DynamicNetwork::Solve(const std::vector<Limit>& limits, bool nearest, double margin) {
  double factor = 1;
  std::optional<profile::TableNetwork> now;
  {
    const std::lock_guard lock(serving_);
    if (options_.follow) factor = follower_.factor();
    if (present_ != nullptr) now = profile::InTable(*supernet_.space, present_->choice);
  }
  ChoosingOptions choosing = options_.choosing;
  choosing.nearest = nearest;
  std::vector<Limit> narrowed = limits;
  const core::BlockTable* table = &table_;
  std::optional<core::BlockTable> scaled;
  if (options_.follow) {
    for (Limit& limit : narrowed) {
      if (limit.metric == options_.follow->metric && limit.op == core::LimitOp::kAtMost) limit.value *= 1 - margin;
    }
    if (factor != 1) {
      auto made = Scaled(table_, options_.follow->metric, factor);
      if (!made.ok()) return made.status();
      table = &scaled.emplace(*std::move(made));
    }
  }
  auto chosen = Choose(*table, choosing, narrowed, now ? &*now : nullptr);
  if (chosen.ok()) {
    counts_.light += chosen->light ? 1 : 0;
  } else if (absl::IsFailedPrecondition(chosen.status())) {
    ++counts_.infeasible;
  }
  return chosen;
}

Decision DynamicNetwork::GoTo(const Choice& choice, Verdict reason) {
  wanted_.reset();
  wanted_status_ = absl::OkStatus();
  Decision decision = {.choice = choice};
  if (present() == choice) return decision;
  if (SubnetPtr subnet = Ready(choice)) {
    ++counts_.hits;
    SwitchTo(std::move(subnet), reason);
    decision.switching = Switching::kSwitched;
  } else {
    ++counts_.misses;
    wanted_ = Wanted{choice, reason};
    decision.switching = Switching::kPlanned;
    Wake();
  }
  changed_.notify_all();
  return decision;
}

void DynamicNetwork::SwitchTo(SubnetPtr subnet, Verdict reason) {
  const double predicted = options_.follow ? Predicted(subnet->choice) : 0;
  const std::lock_guard lock(serving_);
  counts_.switches += present_ != nullptr ? 1 : 0;
  counts_.followed += reason != Verdict::kStay ? 1 : 0;
  present_ = std::move(subnet);
  follower_.Switched(predicted, reason, Now());
}

void DynamicNetwork::Follow(Verdict verdict) {
  const auto chosen = Solve(limits_, options_.choosing.nearest, options_.follow->margin);
  const Choice before = present();
  if (!chosen.ok()) {
    counts_.last_problem = kernels::Annotate(chosen.status(), "after a measured latency");
  } else {
    const Choice choice = profile::InSpace(*supernet_.space, chosen->network);
    counts_.last_problem = absl::OkStatus();
    if (choice != before) GoTo(choice, verdict);
  }
  const std::lock_guard lock(serving_);
  // Not asked again at once; a switch has begun the time anew.
  if (present_->choice == before) follower_.Stayed(Now());
}

double DynamicNetwork::Predicted(const Choice& choice) const {
  const auto estimator = core::Estimator::Create(table_, {.kind = core::EstimatorKind::kLinear});
  if (!estimator.ok()) return 0;
  const profile::TableNetwork network = profile::InTable(*supernet_.space, choice);
  return estimator->Predict(options_.follow->metric, network.choice, network.shared).value_or(0);
}

std::optional<double> DynamicNetwork::FollowedLimit(const std::vector<Limit>& limits) const {
  std::optional<double> least;
  if (!options_.follow) return least;
  for (const Limit& limit : limits) {
    if (limit.metric != options_.follow->metric || limit.op != core::LimitOp::kAtMost) continue;
    least = std::min(least.value_or(limit.value), limit.value);
  }
  return least;
}

// ---- What is ready

DynamicNetwork::SubnetPtr DynamicNetwork::Ready(const Choice& choice) {
  const auto found =
      std::find_if(ready_.begin(), ready_.end(), [&](const SubnetPtr& subnet) { return subnet->choice == choice; });
  if (found == ready_.end()) return nullptr;
  ready_.splice(ready_.begin(), ready_, found);
  return *found;
}

std::list<DynamicNetwork::SubnetPtr> DynamicNetwork::Keep(SubnetPtr subnet) {
  ++counts_.prepared;
  std::list<SubnetPtr> gone;
  const Choice serves = present_ == nullptr ? subnet->choice : present();
  ready_.push_front(std::move(subnet));
  while (std::ssize(ready_) > options_.prepared) {
    auto last = std::prev(ready_.end());
    if ((*last)->choice == serves) --last;
    gone.splice(gone.end(), ready_, last);
    ++counts_.evicted;
  }
  return gone;
}

absl::StatusOr<DynamicNetwork::SubnetPtr> DynamicNetwork::PrepareOne(const Choice& choice) {
  return Prepare(
      supernet_, choice, options_.calibration, store_, options_.calibrating, *device_, memory_,
      {.batch = options_.batch, .image_side = options_.image_side, .division = options_.division, .cancel = &stop_});
}

// ---- Work

bool DynamicNetwork::Work() {
  const std::lock_guard preparing(preparing_);
  std::optional<Wanted> wanted;
  {
    const std::lock_guard lock(control_);
    const Verdict verdict = due_.exchange(Verdict::kStay);
    // What is wanted already goes before what the subnet that it replaces is measured at.
    if (verdict != Verdict::kStay && !wanted_) {
      Follow(verdict);
      changed_.notify_all();
      return true;
    }
    if (!wanted_) return false;
    if (SubnetPtr subnet = Ready(wanted_->choice)) {  // by PrepareAhead, in the meantime
      SwitchTo(std::move(subnet), wanted_->reason);
      wanted_.reset();
      changed_.notify_all();
      return true;
    }
    wanted = wanted_;
    working_ = true;
  }
  absl::StatusOr<SubnetPtr> subnet = PrepareOne(wanted->choice);
  std::list<SubnetPtr> gone;
  const std::lock_guard lock(control_);
  working_ = false;
  const bool still_wanted = wanted_ && wanted_->choice == wanted->choice;
  if (subnet.ok()) {
    gone = Keep(*subnet);
    counts_.last_problem = absl::OkStatus();
    if (still_wanted) SwitchTo(*std::move(subnet), wanted_->reason);
  } else {
    ++counts_.failures;
    counts_.last_problem = subnet.status();
    if (still_wanted) wanted_status_ = subnet.status();
  }
  if (still_wanted) wanted_.reset();
  changed_.notify_all();
  return true;
}

absl::Status DynamicNetwork::Wait() {
  if (!options_.background) {
    while (Work()) {
    }
    const std::lock_guard lock(control_);
    return wanted_status_;
  }
  std::unique_lock lock(control_);
  changed_.wait(lock, [&] { return !wanted_ && !working_ && due_.load() == Verdict::kStay; });
  return wanted_status_;
}

void DynamicNetwork::Wake() {
  {
    const std::lock_guard lock(bell_);
    work_ = true;
  }
  rung_.notify_all();
}

void DynamicNetwork::Planner() {
  while (true) {
    {
      std::unique_lock lock(bell_);
      rung_.wait(lock, [&] { return work_ || stop_; });
      if (stop_) return;
      work_ = false;
    }
    while (!stop_ && Work()) {
    }
  }
}

// ---- State

Choice DynamicNetwork::present() const {
  const std::lock_guard lock(serving_);
  return present_->choice;
}

std::vector<Limit> DynamicNetwork::limits() const {
  const std::lock_guard lock(control_);
  return limits_;
}

DynamicStatistics DynamicNetwork::statistics() const {
  const std::lock_guard lock(control_);
  DynamicStatistics all = counts_;
  all.ready = ready_.size();
  for (const SubnetPtr& subnet : ready_) all.weight_bytes += subnet->weight_bytes;
  all.packed_bytes = device_->packed()->bytes();
  all.subnet_statistics = store_.size();
  const std::lock_guard serving(serving_);
  for (const PreparedSubnet::Lane& lane : present_->lanes) all.arena_bytes += lane.workspace->bytes();
  all.requests = requests_;
  all.failed_requests = failed_requests_;
  all.latency_factor = follower_.factor();
  all.measured_ms = follower_.measured_ms();
  all.by_subnet = by_subnet_;
  return all;
}

SubnetCount DynamicNetwork::count(const Choice& choice) const {
  const std::lock_guard lock(serving_);
  const auto found = by_subnet_.find(choice);
  return found == by_subnet_.end() ? SubnetCount{} : found->second;
}

absl::Status DynamicNetwork::SaveStatistics(const std::string& path) const {
  return store_.Save(path, *supernet_.space, Fingerprint(*supernet_.weights));
}

}  // namespace mathnas::runtime
