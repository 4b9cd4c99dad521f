// mathnas evaluate --checkpoint C --subnet S --data D
#include "bindings/cli/data_options.h"
#include "bindings/cli/evaluate_translation.h"
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "supernet/evaluation.h"
#include "supernet/recalibration.h"
#include "supernet/training/checkpoint.h"
#include "supernet/weights.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  SpaceOptions space;
  DataOptions data;
  std::string checkpoint, subnet;
  int64_t recalibration_batches = 20;
  TranslationScoring scoring;
};

absl::StatusOr<Answer> Evaluate(Options& o) {
  auto checkpoint = supernet::LoadTrained(o.checkpoint);
  if (!checkpoint.ok()) return checkpoint.status();
  SpaceOptions narrowed = o.space;
  narrowed.name = checkpoint->space;
  auto space = narrowed.Make({.macro = checkpoint->macro});
  if (!space.ok()) return space.status();
  const bool own = checkpoint->subnet.has_value();
  if (!own && o.subnet.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("{} is a supernet: --subnet says which of its networks", o.checkpoint));
  }
  auto choice = own && o.subnet.empty() ? (*space)->ParseSubnet(*checkpoint->subnet) : ParseSubnet(**space, o.subnet);
  if (!choice.ok()) return choice.status();
  if (own && (*space)->SubnetJson(*choice) != *checkpoint->subnet) {
    return absl::InvalidArgumentError(
        fmt::format("--subnet {}: {} is a network {}", o.subnet, o.checkpoint, *checkpoint->subnet));
  }
  if ((*space)->translates()) {
    return EvaluateTranslation({.common = o.common,
                                .data = o.data,
                                .checkpoint_path = o.checkpoint,
                                .checkpoint = *checkpoint,
                                .space = **space,
                                .choice = *choice,
                                .scoring = o.scoring});
  }
  auto data = o.data.Load();
  if (!data.ok()) return data.status();
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();

  const supernet::ReadingOptions reading = o.data.Reading(o.common);
  kernels::TensorMap weights = std::move(checkpoint->weights);
  if (!own) {
    auto extracted = supernet::ExtractWeights(**space, *choice, weights);
    if (!extracted.ok()) return extracted.status();
    weights = *std::move(extracted);
    auto s = supernet::Recalibrate(**space, *choice, weights, *device, data->train,
                                   {.batches = o.recalibration_batches, .seed = o.common.seed}, reading);
    if (!s.ok()) return s;
  }
  auto result =
      supernet::Evaluate(**space, *choice, weights, *device, data->test, {.reading = reading, .cancel = Interrupted()});
  if (!result.ok()) return result.status();
  Answer answer;
  answer.json = {{"subnet", Json::parse((*space)->SubnetJson(*choice))},
                 {"accuracy", result->accuracy},
                 {"loss", result->loss},
                 {"images", result->images},
                 {"recalibrated", !own}};
  answer.text = fmt::format("{}: accuracy {:.2f} %, loss {:.4f} on {} images{}\n", (*space)->SubnetJson(*choice),
                            result->accuracy, result->loss, result->images, own ? "" : ", statistics recalibrated");
  o.data.Report(answer);
  return answer;
}

}  // namespace

void AddEvaluate(CLI::App& app) {
  static Options o;
  CLI::App* command = AddCommand(
      app, "evaluate", "Accuracy and loss on the held-out images",
      "mathnas evaluate --checkpoint run/checkpoint.safetensors --subnet '[3,3,3,1,3,3]' --data fashion-mnist",
      o.common, [] { return Evaluate(o); });
  command->add_option("--checkpoint", o.checkpoint, "A supernet's or a network's checkpoint")->required();
  command->add_option("--subnet", o.subnet,
                      "The network: JSON, or @FILE; with --blocks also a choice as search prints it");
  o.space.AddCandidatesTo(command);
  o.data.AddTo(command)->required();
  o.data.AddTextTo(command);
  o.scoring.AddTo(command);
  command
      ->add_option("--recalibration-batches", o.recalibration_batches,
                   "Batches of 128 training images for the statistics")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
}

}  // namespace mathnas::cli
