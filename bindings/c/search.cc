// mathnas_search and mathnas_result_...: the best network within limits.
#include "bindings/c/search.h"

#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bindings/c/cancel.h"
#include "bindings/c/status.h"
#include "bindings/c/structs.h"
#include "bindings/c/table.h"
#include "fmt/format.h"
#include "mathnas/core/result_json.h"

namespace mathnas::c {
namespace {

struct ResultHandle : Object {
  static constexpr Kind kKind = Kind::kResult;
  static constexpr const char* kName = "result";
  explicit ResultHandle(core::SearchResult r) : Object(kKind), result(std::move(r)), json(core::ToJson(result)) {}
  const core::SearchResult result;
  const std::string json;
};

absl::Status ParseAssignments(const std::vector<std::string>& texts, std::vector<core::Assignment>& assignments) {
  for (const std::string& text : texts) {
    auto assignment = core::ParseAssignment(text);
    if (!assignment.ok()) return assignment.status();
    assignments.push_back(*std::move(assignment));
  }
  return absl::OkStatus();
}

int32_t OutcomeOf(core::SearchStatus status) {
  switch (status) {
    case core::SearchStatus::kOptimal:
      return MATHNAS_OPTIMAL;
    case core::SearchStatus::kFeasible:
      return MATHNAS_FEASIBLE;
    case core::SearchStatus::kInfeasible:
      return MATHNAS_INFEASIBLE;
    case core::SearchStatus::kUnknown:
      return MATHNAS_UNKNOWN;
  }
  return MATHNAS_UNKNOWN;
}

// InvalidArgument: no such list or entry.
absl::StatusOr<const core::FoundNetwork*> Find(const core::SearchResult& result, int32_t list, uint32_t index) {
  if (list != MATHNAS_NETWORKS && list != MATHNAS_FRONT) {
    return absl::InvalidArgumentError(fmt::format("list {}: expected MATHNAS_NETWORKS or MATHNAS_FRONT", list));
  }
  const auto& networks = list == MATHNAS_NETWORKS ? result.networks : result.front;
  if (index >= networks.size()) {
    return absl::InvalidArgumentError(fmt::format("network {}: the list has {}", index, networks.size()));
  }
  return &networks[index];
}

}  // namespace

absl::StatusOr<std::vector<core::Limit>> LimitsOf(const char* const* limits, size_t count) {
  const auto texts = Texts(limits, count, "limits");
  if (!texts.ok()) return texts.status();
  std::vector<core::Limit> all;
  for (const std::string& text : *texts) {
    const auto parsed = core::ParseLimits(text);
    if (!parsed.ok()) return parsed.status();
    all.insert(all.end(), parsed->begin(), parsed->end());
  }
  return all;
}

absl::StatusOr<core::SearchRequest> RequestOf(const mathnas_search_options& options, const core::BlockTable& table) {
  core::SearchRequest request;
  const auto objective = Text(options.objective, "objective");
  if (!objective.ok()) return objective.status();
  auto limits = LimitsOf(options.limits, options.limit_count);
  if (!limits.ok()) return limits.status();
  const auto fixed = Texts(options.fixed, options.fixed_count, "fixed");
  const auto forbidden = Texts(options.forbidden, options.forbidden_count, "forbidden");
  const auto fronts = Texts(options.fronts, options.front_count, "fronts");
  for (const auto* list : {&fixed, &forbidden, &fronts}) {
    if (!list->ok()) return list->status();
  }
  request.objective = *objective;
  request.limits = *std::move(limits);
  if (auto s = ParseAssignments(*fixed, request.fixed); !s.ok()) return s;
  if (auto s = ParseAssignments(*forbidden, request.forbidden); !s.ok()) return s;
  request.fronts = *fronts;
  request.top = options.top;
  if (!(options.time_limit >= 0)) {
    return absl::InvalidArgumentError(fmt::format("time_limit: {}, expected seconds from 0 on", options.time_limit));
  }
  request.time_limit = options.time_limit;
  request.threads = 1;  // that of the caller

  std::vector<std::string> used = {request.objective};
  for (const core::Limit& limit : request.limits) used.push_back(limit.metric);
  used.insert(used.end(), request.fronts.begin(), request.fronts.end());
  auto estimator = EstimatorOf(options.estimator, options.flops_fixed, table, used);
  if (!estimator.ok()) return estimator.status();
  request.estimator = *std::move(estimator);
  return request;
}

}  // namespace mathnas::c

using namespace mathnas::c;  // NOLINT: what follows is the interface, and nothing else
namespace core = mathnas::core;

mathnas_status mathnas_search(mathnas_table table, const mathnas_search_options* options, mathnas_result* result) {
  return Call([&]() -> absl::Status {
    if (result == nullptr) return Null("result", "the address of a handle");
    *result = nullptr;
    const Pinned<TableHandle> pinned(table);
    if (!pinned.ok()) return pinned.status();
    const auto known = Read(options);
    if (!known.ok()) return known.status();
    const CancelFlag cancel(known->cancel);
    if (!cancel.status().ok()) return cancel.status();
    auto request = RequestOf(*known, pinned->table);
    if (!request.ok()) return request.status();
    request->cancel = cancel.flag();
    auto found = core::Search(pinned->table, *request);
    if (!found.ok()) return found.status();
    return HandOut(std::make_unique<ResultHandle>(*std::move(found)), result);
  });
}

mathnas_status mathnas_result_destroy(mathnas_result result) {
  return Call([&] { return Destroy<ResultHandle>(result); });
}

mathnas_status mathnas_result_get_summary(mathnas_result result, mathnas_result_summary* summary) {
  return Call([&]() -> absl::Status {
    const Pinned<ResultHandle> pinned(result);
    if (!pinned.ok()) return pinned.status();
    const core::SearchResult& r = pinned->result;
    mathnas_result_summary s = StructOf<mathnas_result_summary>::Defaults();
    s.outcome = OutcomeOf(r.status);
    s.network_count = static_cast<uint32_t>(r.networks.size());
    s.front_count = static_cast<uint32_t>(r.front.size());
    s.objective = r.networks.empty() ? std::numeric_limits<double>::quiet_NaN() : r.networks[0].objective;
    s.bound = r.bound;
    s.gap = r.gap;
    s.seconds = r.seconds;
    s.explored = r.explored;
    return Write(s, summary);
  });
}

mathnas_status mathnas_result_json(mathnas_result result, const char** json) {
  return Call([&]() -> absl::Status {
    const Pinned<ResultHandle> pinned(result);
    if (!pinned.ok()) return pinned.status();
    if (json == nullptr) return Null("json", "an address");
    *json = pinned->json.c_str();
    return absl::OkStatus();
  });
}

mathnas_status mathnas_result_network(mathnas_result result, int32_t list, uint32_t index, mathnas_network* network) {
  return Call([&]() -> absl::Status {
    const Pinned<ResultHandle> pinned(result);
    if (!pinned.ok()) return pinned.status();
    const auto found = Find(pinned->result, list, index);
    if (!found.ok()) return found.status();
    static_assert(sizeof(int) == sizeof(int32_t));
    mathnas_network n = StructOf<mathnas_network>::Defaults();
    n.choice = (*found)->choice.data();
    n.choice_count = static_cast<uint32_t>((*found)->choice.size());
    n.shared_index = (*found)->shared_index;
    n.objective = (*found)->objective;
    return Write(n, network);
  });
}

mathnas_status mathnas_result_predicted(mathnas_result result, int32_t list, uint32_t index, const char* metric,
                                        double* value) {
  return Call([&]() -> absl::Status {
    const Pinned<ResultHandle> pinned(result);
    if (!pinned.ok()) return pinned.status();
    if (value == nullptr) return Null("value", "an address");
    const auto name = Text(metric, "metric");
    if (!name.ok()) return name.status();
    const auto found = Find(pinned->result, list, index);
    if (!found.ok()) return found.status();
    const auto predicted = (*found)->predicted.find(*name);
    if (predicted == (*found)->predicted.end()) {
      return absl::NotFoundError(fmt::format("metric '{:.100}': the table has no such metric", *name));
    }
    *value = predicted->second;
    return absl::OkStatus();
  });
}
