// Models of one deployed network.
#include <memory>
#include <utility>

#include "bindings/c/model.h"

namespace mathnas::c {
namespace {

class Deployed : public Source {
 public:
  explicit Deployed(deploy::DeployedNetwork network)
      : network_(std::make_shared<const deploy::DeployedNetwork>(std::move(network))) {}

  int32_t kind() const override { return MATHNAS_NETWORK; }
  const std::string& information() const override { return network_->information; }
  absl::StatusOr<std::string> Name(const mathnas_plan_options& options) const override {
    if (options.subnet == nullptr && options.choice == nullptr) return "";
    return absl::InvalidArgumentError("subnet, choice: expected null, as the model is one network");
  }
  absl::StatusOr<NetworkPtr> Make(const std::string&) const override { return network_; }
  NetworkPtr example() const override { return network_; }

 private:
  NetworkPtr network_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Source>> DeployedSource(supernet::SafetensorsFile file) {
  absl::StatusOr<deploy::DeployedNetwork> network = deploy::Load(std::move(file));
  if (!network.ok()) return network.status();
  return std::make_unique<Deployed>(*std::move(network));
}

}  // namespace mathnas::c
