// Models of a checkpoint: a supernet, of which plans are made for any network, or one network.
#include <memory>
#include <optional>
#include <utility>

#include "bindings/c/model.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/evaluation.h"
#include "supernet/training/checkpoint.h"
#include "supernet/weights.h"

namespace mathnas::c {
namespace {

using kernels::Annotate;
using nlohmann::ordered_json;

constexpr const char* kImage = "image";
constexpr const char* kLogits = "logits";

class Checkpoint : public Source {
 public:
  static absl::StatusOr<std::unique_ptr<Source>> Open(const supernet::SafetensorsFile& file) {
    absl::StatusOr<supernet::Checkpoint> checkpoint = supernet::LoadCheckpoint(file);
    if (!checkpoint.ok()) return checkpoint.status();
    supernet::TakeTrained(*checkpoint);
    auto space = supernet::SpaceOf(checkpoint->space, checkpoint->macro);
    if (!space.ok()) return Annotate(space.status(), file.path());
    if ((*space)->translates()) {
      return absl::UnimplementedError(
          fmt::format("{}: a checkpoint of {}, which translates: deploy one of its networks, and open that with "
                      "mathnas_translator_open",
                      file.path(), checkpoint->space));
    }
    auto source = std::unique_ptr<Checkpoint>(new Checkpoint);
    source->space_ = *std::move(space);
    if (checkpoint->subnet) {
      auto choice = source->space_->ParseSubnet(*checkpoint->subnet);
      if (!choice.ok()) return Annotate(choice.status(), file.path());
      source->own_ = *std::move(choice);
    }
    source->weights_ = std::make_shared<const kernels::TensorMap>(std::move(checkpoint->weights));
    source->information_ = source->Information();
    // Shapes alone: weights are taken when a plan is made.
    supernet::NetworkGraph network = source->space_->Network(source->own_.value_or(source->space_->base()), {});
    if (!network.graph.status().ok()) return network.graph.status();
    auto example = std::make_shared<deploy::DeployedNetwork>();
    example->graph = std::move(network.graph);
    example->input = kImage;
    example->output = kLogits;
    source->example_ = std::move(example);
    return source;
  }

  int32_t kind() const override { return own_ ? MATHNAS_NETWORK : MATHNAS_SUPERNET; }
  const std::string& information() const override { return information_; }
  NetworkPtr example() const override { return example_; }
  absl::StatusOr<runtime::Supernet> Supernet() const override {
    if (own_) return Source::Supernet();
    return runtime::Supernet{space_, weights_};
  }
  std::string warning() const override {
    if (own_) return "";
    return "batch normalisation is the supernet's, not recalibrated for this network";
  }

  absl::StatusOr<std::string> Name(const mathnas_plan_options& options) const override {
    if (options.subnet != nullptr && options.choice != nullptr) {
      return absl::InvalidArgumentError("subnet, choice: expected one of them, the other null");
    }
    if (options.subnet == nullptr && options.choice == nullptr) {
      if (own_) return space_->SubnetJson(*own_);
      return absl::InvalidArgumentError("subnet, choice: the model is a supernet, expected which of its networks");
    }
    supernet::Choice choice;
    if (options.subnet != nullptr) {
      auto parsed = space_->ParseSubnet(options.subnet);
      if (!parsed.ok()) return Annotate(parsed.status(), "subnet");
      choice = *std::move(parsed);
    } else {
      if (options.choice_count != space_->nodes().size()) {
        return absl::InvalidArgumentError(fmt::format("choice: {} entries, expected one for each of the {} nodes",
                                                      options.choice_count, space_->nodes().size()));
      }
      choice.assign(options.choice, options.choice + options.choice_count);
      if (auto s = space_->Check(choice); !s.ok()) return s;
    }
    if (own_ && choice != *own_) {
      return absl::InvalidArgumentError(fmt::format("subnet, choice: the model is the network {}, found {}",
                                                    space_->SubnetJson(*own_), space_->SubnetJson(choice)));
    }
    return space_->SubnetJson(choice);
  }

  absl::StatusOr<NetworkPtr> Make(const std::string& name) const override {
    const auto choice = space_->ParseSubnet(name);
    if (!choice.ok()) return choice.status();
    kernels::TensorMap extracted;
    if (!own_) {
      auto weights = supernet::ExtractWeights(*space_, *choice, *weights_);
      if (!weights.ok()) return weights.status();
      extracted = *std::move(weights);
    }
    auto folded = supernet::FoldedNetwork(*space_, *choice, own_ ? *weights_ : extracted, /*batch=*/1);
    if (!folded.ok()) return folded.status();
    auto network = std::make_shared<deploy::DeployedNetwork>();
    network->graph = std::move(folded->graph);
    network->weights = std::move(folded->weights);
    network->input = kImage;
    network->output = kLogits;
    network->information = ordered_json{{"space", space_->name()}, {"subnet", ordered_json::parse(name)}}.dump();
    if (auto s = deploy::Check(*network); !s.ok()) return s;
    return network;
  }

 private:
  Checkpoint() = default;

  std::string Information() const {
    ordered_json nodes = ordered_json::array();
    for (const supernet::SpaceNode& n : space_->nodes()) {
      nodes.push_back({{"name", n.name}, {"candidates", n.candidates}, {"reference", n.reference}});
    }
    ordered_json information = {
        {"space", space_->name()}, {"macro", ordered_json::parse(space_->MacroJson())}, {"nodes", std::move(nodes)}};
    if (own_) information["subnet"] = ordered_json::parse(space_->SubnetJson(*own_));
    return information.dump();
  }

  std::shared_ptr<const supernet::SearchSpace> space_;
  std::optional<supernet::Choice> own_;  // of a checkpoint of one network
  std::shared_ptr<const kernels::TensorMap> weights_;
  std::string information_;
  NetworkPtr example_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Source>> CheckpointSource(const supernet::SafetensorsFile& file) {
  return Checkpoint::Open(file);
}

}  // namespace mathnas::c
