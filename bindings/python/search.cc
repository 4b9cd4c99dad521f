// mathnas.Table.search, .sweep: the best network within limits, proven.
#include "mathnas/core/search.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/interrupt.h"
#include "bindings/python/json.h"
#include "bindings/python/module.h"
#include "bindings/python/request.h"
#include "bindings/python/status.h"
#include "bindings/python/table.h"
#include "fmt/format.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/result_json.h"
#include "mathnas/core/sweep.h"
#include "mathnas/core/sweep_json.h"
#include "mathnas/runtime/choosing.h"

namespace mathnas::python {
namespace {

using core::FoundNetwork;
using core::SearchResult;
using core::SearchStatus;

std::vector<std::pair<core::Assignment, core::Assignment>> PairsOf(nb::handle value) {
  std::vector<std::pair<core::Assignment, core::Assignment>> pairs;
  if (value.is_none()) return pairs;
  for (nb::handle pair : value) {
    const std::vector<core::Assignment> both = AssignmentsOf(pair, "forbid_together");
    if (both.size() != 2) RaiseValueError("forbid_together: expected pairs of NAME=CANDIDATE");
    pairs.emplace_back(both[0], both[1]);
  }
  return pairs;
}

core::SearchMethod MethodOf(const std::string& name) {
  if (name == "auto") return core::SearchMethod::kAuto;
  if (name == "enumerate") return core::SearchMethod::kEnumerate;
  if (name == "solve") return core::SearchMethod::kSolve;
  RaiseValueError(fmt::format("method: expected auto, enumerate or solve, found '{:.100}'", name));
}

SearchResult Search(const Table& table, const std::string& objective, nb::handle limits, nb::handle fix,
                    nb::handle forbid, nb::handle forbid_together, nb::handle front, int top,
                    const std::string& estimator, const std::string& flops_fixed, std::optional<double> time_limit,
                    const std::string& method) {
  const std::vector<std::string> fronts = TextsOf(front, "front");
  core::SearchRequest request = RequestOf(table, objective, limits, fix, forbid, estimator, flops_fixed, fronts);
  request.forbidden_pairs = PairsOf(forbid_together);
  request.fronts = fronts;
  request.top = top;
  request.method = MethodOf(method);
  if (time_limit) {
    if (!(*time_limit >= 0)) RaiseValueError(fmt::format("time_limit: {}, expected seconds from 0 on", *time_limit));
    request.time_limit = *time_limit;
  }
  std::atomic<bool> cancel = false;
  request.cancel = &cancel;
  const auto search = [&] { return core::Search(*table, request); };
  // What is enumerated quickly is not worth a thread.
  constexpr double kQuick = 1e5;
  return Take(core::CountNetworks(*table) <= kQuick ? WithoutGil(search) : Interruptibly(cancel, search));
}

nb::dict Sweep(const Table& table, const std::string& objective, nb::handle limits, nb::handle fix, nb::handle forbid,
               int top, const std::string& estimator, const std::string& flops_fixed, int threads) {
  core::SearchRequest asked = RequestOf(table, objective, limits, fix, forbid, estimator, flops_fixed, {});
  core::SweepRequest request;
  request.objective = std::move(asked.objective);
  request.limits = std::move(asked.limits);
  request.fixed = std::move(asked.fixed);
  request.forbidden = std::move(asked.forbidden);
  request.estimator = std::move(asked.estimator);
  request.top = top;
  request.threads = threads;
  std::atomic<bool> cancel = false;
  request.cancel = &cancel;
  const core::SweepResult result = Take(Interruptibly(cancel, [&] { return core::Sweep(*table, request); }));
  return nb::cast<nb::dict>(FromJson(core::ToJson(result)));
}

// One field of what the command line prints as JSON; None where the status has no such field.
nb::object Field(const SearchResult& r, const char* name) { return FromJson(core::ToJson(r)).attr("get")(name); }

double Objective(const SearchResult& r) {
  return r.networks.empty() ? std::numeric_limits<double>::quiet_NaN() : r.networks[0].objective;
}

std::string Explain(const SearchResult& r) {
  if (r.status == SearchStatus::kInfeasible) return runtime::WhyInfeasible(r);
  if (r.networks.empty()) return "time ran out before a network was found, or shown not to exist";
  return fmt::format("{}: objective {:.6g}, bound {:.6g}, gap {:.3g}", core::Name(r.status), Objective(r), r.bound,
                     r.gap);
}

}  // namespace

void AddSearch(nb::module_& m) {
  nb::class_<FoundNetwork>(m, "FoundNetwork", "A network that a search found.")
      .def_ro("choice", &FoundNetwork::choice, "A candidate number for each node.")
      .def_ro("names", &FoundNetwork::names, "Names of these candidates.")
      .def_ro("shared", &FoundNetwork::shared, "The choice that all nodes share, e.g. {'resolution': 224.0}, or {}.")
      .def_ro("objective", &FoundNetwork::objective, "In the unit of the objective metric.")
      .def_ro("predicted", &FoundNetwork::predicted, "Every metric of the table, in its unit; NaN: not measured.")
      .def("__repr__", [](const FoundNetwork& n) {
        return fmt::format("<mathnas.FoundNetwork objective {:.6g}, {} nodes>", n.objective, n.choice.size());
      });

  nb::class_<SearchResult>(m, "SearchResult",
                           "What a search found. It is true if there is a network: `if table.search(..): ..`")
      .def_prop_ro(
          "status", [](const SearchResult& r) { return std::string(core::Name(r.status)); },
          "'optimal' (proven), 'feasible' (time ran out: nothing within the limits is better than `bound`), "
          "'infeasible' (proven), or 'unknown' (time ran out before a network was found).")
      .def_prop_ro(
          "proven",
          [](const SearchResult& r) {
            return r.status == SearchStatus::kOptimal || r.status == SearchStatus::kInfeasible;
          },
          "Whether nothing better exists, or nothing at all.")
      .def_prop_ro(
          "best",
          [](const SearchResult& r) { return r.networks.empty() ? std::nullopt : std::optional(r.networks[0]); },
          "The best network, or None.")
      .def_ro("networks", &SearchResult::networks, "Up to `top` of them, best first.")
      .def_ro("front", &SearchResult::front,
              "Every network that none beats in the objective and the metrics of `front`, from worst to best.")
      .def_prop_ro("objective", &Objective, "Of the best network; NaN if there is none.")
      .def_ro("bound", &SearchResult::bound, "No network within the limits is better: proven.")
      .def_ro("gap", &SearchResult::gap, "|bound - objective| / |objective|.")
      .def_prop_ro(
          "limits", [](const SearchResult& r) { return Field(r, "limits"); },
          nb::sig("def limits(self) -> list[dict[str, typing.Any]]"),
          "For every limit 'metric', 'op', 'limit', the best network's 'value', and what is 'reachable' without the "
          "others.")
      .def_prop_ro(
          "conflict", [](const SearchResult& r) { return Field(r, "conflict"); },
          nb::sig("def conflict(self) -> list[str] | None"),
          "If infeasible: the metrics of a smallest set of limits that cannot hold together.")
      .def_prop_ro(
          "nearest", [](const SearchResult& r) { return Field(r, "nearest"); },
          nb::sig("def nearest(self) -> dict[str, typing.Any] | None"),
          "If infeasible: the budget closest to the request that can be met, and its network.")
      .def_prop_ro("explanation", &Explain, "In words: the proof, or why there is no network and what comes nearest.")
      .def_ro("explored", &SearchResult::explored, "Networks that were looked at, or parts of the space.")
      .def_ro("seconds", &SearchResult::seconds)
      .def(
          "to_dict", [](const SearchResult& r) { return nb::cast<nb::dict>(FromJson(core::ToJson(r))); },
          "What `mathnas search --json` prints.")
      .def("__bool__", [](const SearchResult& r) { return !r.networks.empty(); })
      .def("__repr__", [](const SearchResult& r) { return fmt::format("<mathnas.SearchResult {}>", Explain(r)); });

  auto table = nb::borrow<nb::class_<Table>>(m.attr("Table"));
  table.def(
      "search", &Search, nb::kw_only(), "objective"_a = "accuracy", "limits"_a = nb::none(), "fix"_a = nb::none(),
      "forbid"_a = nb::none(), "forbid_together"_a = nb::none(), "front"_a = nb::none(), "top"_a = 1,
      "estimator"_a = "eq6", "flops_fixed"_a = "exclude", "time_limit"_a = nb::none(), "method"_a = "auto",
      nb::sig("def search(self, *, objective: str = 'accuracy', limits: collections.abc.Mapping[str, float | "
              "tuple[float | None, float | None]] | str | collections.abc.Sequence[str] | None = None, fix: "
              "collections.abc.Mapping[str, str | collections.abc.Sequence[str]] | str | "
              "collections.abc.Sequence[str] | None = None, forbid: collections.abc.Mapping[str, str | "
              "collections.abc.Sequence[str]] | str | collections.abc.Sequence[str] | None = None, forbid_together: "
              "collections.abc.Iterable[tuple[str, str]] | None = None, front: str | collections.abc.Sequence[str] | "
              "None = None, top: int = 1, estimator: str = 'eq6', flops_fixed: str = 'exclude', time_limit: float | "
              "None = None, method: str = 'auto') -> SearchResult"),
      "The network with the best `objective` (most or least, as the metric's goal says) within `limits`, proven.\n\n"
      "limits: {'latency': 4.0} is at most 4 where less is better, at least 4 where more is; {'flops': (20, 60)} a "
      "range, of which one end may be None; or texts as the command line takes them, 'latency<=4 ms'.\n"
      "fix, forbid: {'stage1': 'b3'}, {'resolution': ['192', '224']}, or texts 'stage1=b3'.\n"
      "forbid_together: pairs of such texts, of which a network may not have both.\n"
      "front: one metric or two: also every network that none beats in the objective and in these.\n"
      "top: networks to return, best first.\n"
      "estimator: 'eq6', 'eq5', 'linear', or 'interaction' (learns from networks measured whole).\n"
      "flops_fixed: whether the FLOPs of the fixed part count, 'exclude' or 'include'.\n"
      "time_limit: seconds; then the best so far and a proven bound.\n"
      "method: 'auto', 'enumerate' or 'solve'.\n\n"
      "That nothing fits is a result, not an error. Ctrl-C ends a search. Releases the GIL.");
  table.def("sweep", &Sweep, nb::kw_only(), "objective"_a = "accuracy", "limits"_a = nb::none(), "fix"_a = nb::none(),
            "forbid"_a = nb::none(), "top"_a = 1, "estimator"_a = "eq6", "flops_fixed"_a = "exclude", "threads"_a = 1,
            nb::sig("def sweep(self, *, objective: str = 'accuracy', limits: collections.abc.Mapping[str, float | "
                    "tuple[float | None, float | None]] | str | collections.abc.Sequence[str] | None = None, fix: "
                    "collections.abc.Mapping[str, str | collections.abc.Sequence[str]] | str | "
                    "collections.abc.Sequence[str] | None = None, forbid: collections.abc.Mapping[str, str | "
                    "collections.abc.Sequence[str]] | str | collections.abc.Sequence[str] | None = None, top: int = 1, "
                    "estimator: str = 'eq6', flops_fixed: str = 'exclude', threads: int = 1) -> dict[str, typing.Any]"),
            "Every network of the space: how many there are and keep within the limits, the best, the range of every "
            "metric; what `mathnas sweep --json` prints. Arguments as search has them. Releases the GIL.");
}

}  // namespace mathnas::python
