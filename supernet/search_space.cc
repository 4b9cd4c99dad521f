#include "supernet/search_space.h"

#include "fmt/format.h"

namespace mathnas::supernet {

double SearchSpace::size() const {
  double size = 1;
  for (const SpaceNode& n : nodes()) size *= static_cast<double>(n.candidates.size());
  return size;
}

absl::Status SearchSpace::Check(const Choice& choice) const {
  if (choice.size() != nodes().size()) {
    return absl::InvalidArgumentError(fmt::format("choice has {} entries, expected {}", choice.size(), nodes().size()));
  }
  for (size_t i = 0; i < choice.size(); ++i) {
    const auto candidates = static_cast<int>(nodes()[i].candidates.size());
    if (choice[i] < 0 || choice[i] >= candidates) {
      return absl::InvalidArgumentError(
          fmt::format("choice[{}] ({}) is {}, expected 0 to {}", i, nodes()[i].name, choice[i], candidates - 1));
    }
  }
  return absl::OkStatus();
}

kernels::Value SearchSpace::OwnTensor(kernels::Graph& g, std::string_view own_name, const kernels::Shape& shape,
                                      const Choice& choice) const {
  const std::string name = SharedName(own_name, choice);
  return own_name.find(".running_") == std::string_view::npos ? g.Parameter(name, shape) : g.State(name, shape);
}

kernels::Counts SearchSpace::Sum(const std::vector<kernels::Counts>& operators) const {
  kernels::Counts sum;
  for (const kernels::Counts& c : operators) {
    sum.macs += c.macs;
    sum.bias_adds += c.bias_adds;
    sum.scalings += c.scalings;
  }
  return sum;
}

Choice SearchSpace::base() const {
  Choice choice;
  for (const SpaceNode& n : nodes()) choice.push_back(n.reference);
  return choice;
}

}  // namespace mathnas::supernet
