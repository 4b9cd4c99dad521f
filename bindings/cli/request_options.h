// Objective, limits, assignments and estimator from the command line: what search and export share.
#ifndef MATHNAS_BINDINGS_CLI_REQUEST_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_REQUEST_OPTIONS_H_

#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "bindings/cli/estimator_options.h"
#include "mathnas/core/assignment.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/search.h"

namespace mathnas::cli {

struct RequestOptions {
  EstimatorChoice estimator;
  std::string objective = "accuracy";
  std::vector<std::string> limits, fixed, forbidden;
  std::vector<std::pair<std::string, std::string>> forbidden_pairs;

  void AddTo(CLI::App* command, bool interaction = false) {
    command->add_option("--objective", objective, "The metric to be best in")->capture_default_str();
    command->add_option("--limit", limits, "METRIC<=VALUE or METRIC>=VALUE; repeatable");
    command->add_option("--fix", fixed, "NAME=CANDIDATE, a node or a shared choice; repeatable");
    command->add_option("--forbid", forbidden, "NAME=CANDIDATE; repeatable");
    command->add_option("--forbid-together", forbidden_pairs, "NAME=CANDIDATE NAME=CANDIDATE, not both; repeatable");
    interaction ? estimator.AddWithInteractionTo(command) : estimator.AddTo(command);
  }

  absl::StatusOr<core::SearchRequest> Make() const {
    auto options = estimator.Make();
    if (!options.ok()) return options.status();
    auto request = WithoutEstimator();
    if (request.ok()) request->estimator = *std::move(options);
    return request;
  }

  // All but the estimator.
  absl::StatusOr<core::SearchRequest> WithoutEstimator() const {
    core::SearchRequest request = {.objective = objective};
    for (const std::string& text : limits) {
      auto parsed = core::ParseLimits(text);
      if (!parsed.ok()) return parsed.status();
      request.limits.insert(request.limits.end(), parsed->begin(), parsed->end());
    }
    for (const auto& [texts, target] : {std::pair{&fixed, &request.fixed}, {&forbidden, &request.forbidden}}) {
      for (const std::string& text : *texts) {
        auto assignment = core::ParseAssignment(text);
        if (!assignment.ok()) return assignment.status();
        target->push_back(*std::move(assignment));
      }
    }
    for (const auto& [first, second] : forbidden_pairs) {
      auto a = core::ParseAssignment(first), b = core::ParseAssignment(second);
      if (!a.ok()) return a.status();
      if (!b.ok()) return b.status();
      request.forbidden_pairs.emplace_back(*std::move(a), *std::move(b));
    }
    return request;
  }
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_REQUEST_OPTIONS_H_
