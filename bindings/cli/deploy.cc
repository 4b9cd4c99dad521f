// mathnas deploy --checkpoint C --out FILE: a network that runs without anything of its training
#include "bindings/cli/checkpoint_network.h"
#include "bindings/cli/deploy_image.h"
#include "bindings/cli/precision_option.h"
#include "bindings/cli/translation_search.h"
#include "fmt/format.h"
#include "mathnas/deploy/translator_file.h"
#include "supernet/counting.h"
#include "supernet/supertransformer/space.h"
#include "supernet/translation/vocabulary_files.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  SpaceOptions space;
  TranslationSearch search;
  ImageDeployment image;
  PrecisionOption precision;
  std::string checkpoint, subnet, out;
  CLI::App* command = nullptr;
};

absl::StatusOr<Answer> DeployTranslator(const Options& o, CheckpointNetwork& network) {
  const supernet::SearchSpace& space = *network.space;
  auto macro = supernet::ParseSuperTransformerMacro(space.MacroJson());
  if (!macro.ok()) return macro.status();
  auto vocabularies = supernet::LoadVocabulariesOf(network.checkpoint, o.checkpoint);
  if (!vocabularies.ok()) return vocabularies.status();
  auto cost = supernet::CountWork(space, network.choice);
  if (!cost.ok()) return cost.status();
  auto weights = network.TakeWeights();
  if (!weights.ok()) return weights.status();
  const Json subnet = Json::parse(space.SubnetJson(network.choice));
  const Json counted = {{"flops", cost->total.flops}, {"parameters", cost->total.parameters}};
  supernet::SearchOptions search = supernet::PublishedSearch(macro->task);
  o.search.Apply(search);
  const deploy::DeployedTranslator translator = {
      .macro = *macro,
      .choice = network.choice,
      .weights = *std::move(weights),
      .vocabularies = *std::move(vocabularies),
      .beam = search.beam,
      .length_penalty = search.length_penalty,
      .information =
          Json{{"cost", counted}, {"recipe", Json::parse(network.checkpoint.recipe, nullptr, false)}}.dump()};
  if (auto s = deploy::Save(o.out, translator); !s.ok()) return s;
  Answer answer;
  answer.json = {{"network", o.out},
                 {"format", deploy::kTranslatorFormat},
                 {"subnet", subnet},
                 {"cost", counted},
                 {"source_vocabulary", macro->source_vocabulary},
                 {"target_vocabulary", macro->target_vocabulary},
                 {"beam", search.beam},
                 {"length_penalty", search.length_penalty}};
  answer.text = fmt::format("{}: {} parameters, vocabularies of {} and {} tokens, beam {}, length penalty {}\n", o.out,
                            cost->total.parameters, macro->source_vocabulary, macro->target_vocabulary, search.beam,
                            search.length_penalty);
  return answer;
}

absl::StatusOr<Answer> Deploy(Options& o) {
  auto network = LoadNetwork(o.checkpoint, o.subnet, o.space);
  if (!network.ok()) return network.status();
  const std::string name(network->space->name());
  if (network->space->translates()) {
    auto refused = RefuseGiven(*o.command, name + " reads sentences, not images",
                               {"--data", "--stop-at-damage", "--loader-threads", "--recalibration-batches", "--as-is",
                                "--mean", "--std", "--precision"});
    if (!refused.ok()) return refused;
    return DeployTranslator(o, *network);
  }
  auto refused = RefuseGiven(*o.command, name + " reads images, not sentences", {"--beam", "--length-penalty"});
  if (!refused.ok()) return refused;
  const auto precision = o.precision.Get();
  if (!precision.ok()) return precision.status();
  return DeployImageNetwork(o.common, *network, o.image, *precision, o.out);
}

}  // namespace

void AddDeploy(CLI::App& app) {
  static Options o;
  CLI::App* command =
      AddCommand(app, "deploy", "Makes one file of a trained network, and its vocabularies if it translates, for run",
                 "mathnas deploy --checkpoint run/checkpoint.safetensors --subnet @network.json --data fashion-mnist "
                 "--out network.mathnas",
                 o.common, [] { return Deploy(o); });
  o.command = command;
  command
      ->add_option("--checkpoint", o.checkpoint,
                   "A supernet's or a network's checkpoint, of one that translates its vocabularies beside it")
      ->required();
  command->add_option("--subnet", o.subnet, "The network of a supernet: JSON, or @FILE");
  o.space.AddCandidatesTo(command);
  o.search.AddTo(command, "the published");
  o.image.AddTo(command);
  o.precision.AddTo(command);
  command->add_option("--out", o.out, "The file to write")->required();
}

}  // namespace mathnas::cli
