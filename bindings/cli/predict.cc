// mathnas predict --table T --choice [..] / --all / --choices FILE
#include <cmath>
#include <fstream>

#include "bindings/cli/choice_file.h"
#include "bindings/cli/command.h"
#include "bindings/cli/estimator_options.h"
#include "bindings/cli/latency_warning.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/predict_many.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  EstimatorChoice estimator;
  std::string table, choice, choices, values;
  std::vector<std::string> metrics;
  bool all = false;
};

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json Predicted(const core::BlockTable& table, const core::Choice& choice, int shared,
               const std::map<std::string, double>& values) {
  Json predicted = Json::object();
  for (const auto& [metric, value] : values) predicted[metric] = Number(value);
  Json entry = {{"choice", choice}};
  if (table.structure.shared)
    entry["shared"] = {{table.structure.shared->name, table.structure.shared->values[shared]}};
  entry["predicted"] = predicted;
  return entry;
}

absl::StatusOr<core::Choice> ParseChoice(const std::string& argument) {
  auto text = InlineOrFile(argument);
  if (!text.ok()) return text.status();
  const Json list = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  core::Choice choice;
  if (!list.is_array())
    return absl::InvalidArgumentError(fmt::format("--choice {:.100}: expected a list of candidate numbers", *text));
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_number_integer() || list[i] < 0 || list[i] > 1'000'000) {
      return absl::InvalidArgumentError(
          fmt::format("--choice[{}]: {}, expected the number of a candidate", i, list[i].dump()));
    }
    choice.push_back(list[i].get<int>());
  }
  return choice;
}

// The metrics that were asked for, or all that the estimator can tell.
std::vector<std::string> Metrics(const Options& o, const core::Estimator& estimator) {
  if (!o.metrics.empty()) return o.metrics;
  std::vector<std::string> metrics;
  for (const auto& [name, metric] : estimator.table().metrics)
    if (estimator.FormOf(name).ok()) metrics.push_back(name);
  return metrics;
}

// --choices: values[shared][metric] of every row, into a file as they lie in memory, or as text.
template <typename Value>
absl::StatusOr<Answer> PredictChoices(const Options& o, const core::Estimator& estimator) {
  const core::BlockTable& table = estimator.table();
  auto choices = ReadChoices(o.choices, std::ssize(table.nodes));
  if (!choices.ok()) return choices.status();
  const std::vector<std::string> metrics = Metrics(o, estimator);
  const core::PredictManyOptions options = {.threads = o.common.thread_count()};
  const auto rows = static_cast<size_t>(choices->rows);
  std::vector<Value> values(static_cast<size_t>(table.SharedCount()) * metrics.size() * rows);
  for (int shared = 0; shared < table.SharedCount(); ++shared) {
    auto predictor = core::ManyPredictor::Create(estimator, metrics, shared);
    if (!predictor.ok()) return predictor.status();
    const core::ValueColumns<Value> to = {values.data() + static_cast<size_t>(shared) * metrics.size() * rows};
    absl::Status status =
        choices->wide
            ? predictor->Predict(core::ChoiceRows<uint16_t>{choices->words.data(), choices->rows}, to, options)
            : predictor->Predict(core::ChoiceRows<uint8_t>{choices->bytes.data(), choices->rows}, to, options);
    if (!status.ok())
      return absl::InvalidArgumentError(fmt::format("{}: {}", o.choices, std::string(status.message())));
  }
  LatencyWarning warning;
  for (size_t k = 0; k < values.size(); ++k) warning.Look(metrics[k / rows % metrics.size()], values[k]);
  warning.Print();
  Answer answer;
  answer.json = {{"estimator", o.estimator.kind}, {"rows", choices->rows}, {"metrics", metrics}};
  if (table.structure.shared) answer.json["shared"] = {{table.structure.shared->name, table.structure.shared->values}};
  if (!o.values.empty()) {
    std::ofstream file(o.values, std::ios::binary);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(Value)));
    if (!file.flush()) return absl::InvalidArgumentError(fmt::format("{}: cannot be written", o.values));
    answer.text = fmt::format("{} rows: {} in {}\n", rows, fmt::join(metrics, ", "), o.values);
    return answer;
  }
  answer.json["values"] = Json::array();
  for (size_t r = 0; r < rows; ++r) {
    Json row = Json::array();
    for (size_t k = r; k < values.size(); k += rows) {
      row.push_back(Number(values[k]));
      answer.text += fmt::format("{}{}", k == r ? "" : ",", values[k]);
    }
    answer.text += "\n";
    answer.json["values"].push_back(std::move(row));
  }
  return answer;
}

absl::StatusOr<Answer> Predict(const Options& o) {
  auto table = core::Load(o.table);
  if (!table.ok()) return table.status();
  std::vector<std::string> metrics;
  for (const auto& [name, metric] : table->metrics) metrics.push_back(name);
  auto options = o.estimator.MakeFor(*table, metrics);
  if (!options.ok()) return options.status();
  auto estimator = core::Estimator::Create(*table, *options);
  if (!estimator.ok()) return estimator.status();
  if (o.all + !o.choice.empty() + !o.choices.empty() != 1)
    return absl::InvalidArgumentError("predict: expected one of --choice, --choices and --all");
  if (!o.choices.empty() && options->networks) {
    return absl::InvalidArgumentError(
        "predict: expected --estimator linear, eq5 or eq6 with --choices, found interaction; --choice and --all have "
        "it");
  }
  if (!o.choices.empty())
    return o.values.ends_with(".f32") ? PredictChoices<float>(o, *estimator) : PredictChoices<double>(o, *estimator);

  Answer answer;
  LatencyWarning warning;
  const auto add = [&](const core::Choice& choice, int shared) -> absl::StatusOr<Json> {
    auto values = estimator->PredictAll(choice, shared);
    if (!values.ok()) return values.status();
    warning.Look(*values);
    answer.text += fmt::format("[{}]", fmt::join(choice, ","));
    for (const auto& [metric, value] : *values)
      answer.text += fmt::format("  {} {:.6g} {}", metric, value, table->metrics[metric].unit);
    answer.text += "\n";
    return Predicted(*table, choice, shared, *values);
  };
  if (!o.all) {
    auto choice = ParseChoice(o.choice);
    if (!choice.ok()) return choice.status();
    Json results = Json::array();
    for (int shared = 0; shared < table->SharedCount(); ++shared) {
      auto result = add(*choice, shared);
      if (!result.ok()) return result.status();
      results.push_back(*std::move(result));
    }
    warning.Print();
    answer.json = results.size() == 1 ? results[0] : Json{{"networks", results}};
    answer.json["estimator"] = core::Name(*options);
    return answer;
  }
  double all = 1;
  for (const core::Node& n : table->nodes) all *= static_cast<double>(n.candidates.size());
  if (all > 1e6) return absl::InvalidArgumentError(fmt::format("--all: {:.0f} networks, expected at most 10^6", all));
  Json networks = Json::array();
  absl::Status failed;
  const auto add_network = [&](const core::Choice& choice, int shared) {
    auto result = add(choice, shared);
    if (!result.ok()) {
      failed = result.status();
      return false;
    }
    networks.push_back(*std::move(result));
    return true;
  };
  if (table->structure.cell) {
    // Every choice as it can be written, also those that stand for another network; cut cells have no prediction.
    core::Choice choice(table->nodes.size(), 0);
    for (bool more = true; more && failed.ok();) {
      for (int shared = 0; shared < table->SharedCount(); ++shared) add_network(choice, shared);
      size_t i = choice.size();
      while (i > 0 && ++choice[i - 1] == static_cast<int>(table->nodes[i - 1].candidates.size())) choice[--i] = 0;
      more = i > 0;
    }
  } else {
    auto walked = core::ForEachNetwork(*estimator, {}, core::AllowAll(*table),
                                       [&](const core::NetworkView& n) { return add_network(n.choice, n.shared); });
    if (!walked.ok()) return walked.status();
  }
  if (!failed.ok()) return failed;
  warning.Print();
  answer.json = {{"estimator", core::Name(*options)}, {"networks", networks}};
  return answer;
}

}  // namespace

void AddPredict(CLI::App& app) {
  static Options o;
  CLI::App* command =
      AddCommand(app, "predict", "Predicts one network, or every one, from a block table",
                 "mathnas predict --table table.json --choice '[3,3,3,1,3,3]'", o.common, [] { return Predict(o); });
  command->add_option("--table", o.table, "A block table")->required();
  command->add_option("--choice", o.choice, "A candidate number per node: JSON list, or @FILE");
  command->add_flag("--all", o.all, "Every network of the space");
  command->add_option("--choices", o.choices,
                      "Many networks, a row each: FILE.u8 or FILE.u16 (a matrix of little-endian integers), or text "
                      "with commas");
  command->add_option("--metrics", o.metrics, "With --choices: these, in this order (default: all)");
  command->add_option("--values", o.values,
                      "With --choices: write values here, metric by metric, as float64, or float32 if the name ends in "
                      ".f32 (default: print a line per row)");
  o.estimator.AddWithInteractionTo(command);
}

}  // namespace mathnas::cli
