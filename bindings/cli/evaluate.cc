// mathnas evaluate --checkpoint C --subnet S --data D
#include "bindings/cli/checkpoint_network.h"
#include "bindings/cli/data_options.h"
#include "bindings/cli/evaluate_translation.h"
#include "bindings/cli/precision_option.h"
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "supernet/evaluation.h"
#include "supernet/recalibration.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  SpaceOptions space;
  DataOptions data;
  std::string checkpoint, subnet;
  int64_t recalibration_batches = 20;
  TranslationScoring scoring;
  PrecisionOption precision;
};

absl::StatusOr<Answer> Evaluate(Options& o) {
  auto network = LoadNetwork(o.checkpoint, o.subnet, o.space);
  if (!network.ok()) return network.status();
  if (network->space->translates()) {
    if (o.precision.given()) {
      return absl::InvalidArgumentError("--precision: networks that translate compute in float32");
    }
    return EvaluateTranslation({.common = o.common, .data = o.data, .network = *network, .scoring = o.scoring});
  }
  auto data = o.data.Load();
  if (!data.ok()) return data.status();
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();

  const auto precision = o.precision.GetFor(**device);
  if (!precision.ok()) return precision.status();

  const supernet::ReadingOptions reading = o.data.Reading(o.common);
  const supernet::SearchSpace& space = *network->space;
  auto weights = network->TakeWeights();
  if (!weights.ok()) return weights.status();
  if (!network->own()) {
    auto s = supernet::Recalibrate(space, network->choice, *weights, *device, data->train,
                                   {.batches = o.recalibration_batches, .seed = o.common.seed}, reading);
    if (!s.ok()) return s;
  }
  auto result = supernet::Evaluate(space, network->choice, *weights, *device, data->test,
                                   {.reading = reading, .precision = *precision, .cancel = Interrupted()});
  if (!result.ok()) return result.status();
  Answer answer;
  answer.json = {{"subnet", Json::parse(space.SubnetJson(network->choice))},
                 {"accuracy", result->accuracy},
                 {"loss", result->loss},
                 {"images", result->images},
                 {"precision", kernels::Name(*precision)},
                 {"recalibrated", !network->own()}};
  answer.text =
      fmt::format("{}: accuracy {:.2f} %, loss {:.4f} on {} images{}\n", space.SubnetJson(network->choice),
                  result->accuracy, result->loss, result->images, network->own() ? "" : ", statistics recalibrated");
  if (result->float32) {
    const supernet::Evaluation::Reference& wide = *result->float32;
    answer.json["float32"] = {{"accuracy", wide.accuracy},
                              {"loss", wide.loss},
                              {"largest_deviation", wide.largest_deviation},
                              {"largest_logit", wide.largest_logit},
                              {"other_classes", wide.other_classes}};
    answer.text += fmt::format(
        "in float32: accuracy {:.2f} %, loss {:.4f}; {} of {} images classified otherwise, logits of up to {:.4g} "
        "differ by {:.4g} at most\n",
        wide.accuracy, wide.loss, wide.other_classes, result->images, wide.largest_logit, wide.largest_deviation);
  }
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
  o.precision.AddTo(command, "What the network computes in, 16 bits compared with float32 on the same images");
  command
      ->add_option("--recalibration-batches", o.recalibration_batches,
                   "Batches of 128 training images for the statistics")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
}

}  // namespace mathnas::cli
