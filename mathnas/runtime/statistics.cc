#include "mathnas/runtime/statistics.h"

#include <cstring>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/safetensors.h"

namespace mathnas::runtime {
namespace {

using kernels::TensorMap;
using nlohmann::json;

// A step of a 64-bit hash: the finaliser of SplitMix64 (Steele et al., 2014).
uint64_t Mix(uint64_t h, uint64_t word) {
  h = (h ^ word) + 0x9e3779b97f4a7c15;
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
  h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
  return h ^ (h >> 31);
}

uint64_t MixBytes(uint64_t h, const void* data, size_t bytes) {
  const auto* p = static_cast<const std::byte*>(data);
  for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, p + i, std::min(sizeof(word), bytes - i));
    h = Mix(h, word);
  }
  return Mix(h, bytes);
}

}  // namespace

bool IsStatistic(std::string_view name) { return name.ends_with("running_mean") || name.ends_with("running_var"); }

bool HasStatistics(const TensorMap& own_weights) {
  for (const TensorMap::Entry& e : own_weights.entries()) {
    if (IsStatistic(e.name)) return true;
  }
  return false;
}

StatisticsPtr TakeStatistics(const TensorMap& own_weights) {
  auto statistics = std::make_shared<TensorMap>();
  for (const TensorMap::Entry& e : own_weights.entries()) {
    if (IsStatistic(e.name)) statistics->Put(e.name, e.tensor.Clone());
  }
  return statistics;
}

absl::Status ApplyStatistics(const TensorMap& statistics, TensorMap& own_weights) {
  for (const TensorMap::Entry& e : own_weights.entries()) {
    if (!IsStatistic(e.name)) continue;
    const kernels::Tensor* found = statistics.Find(e.name);
    if (found == nullptr) return absl::InvalidArgumentError(fmt::format("statistics: \"{}\" is missing", e.name));
    if (found->desc() != e.tensor.desc()) {
      return absl::InvalidArgumentError(fmt::format("statistics: \"{}\" is {} {}, expected {} {}", e.name,
                                                    Name(found->desc().dtype), kernels::ToString(found->shape()),
                                                    Name(e.tensor.desc().dtype), kernels::ToString(e.tensor.shape())));
    }
  }
  for (const TensorMap::Entry& e : statistics.entries()) {
    if (!own_weights.contains(e.name)) {
      return absl::InvalidArgumentError(fmt::format("statistics: \"{}\" is none of the network's tensors", e.name));
    }
  }
  for (const TensorMap::Entry& e : statistics.entries()) {
    std::memcpy(own_weights.Find(e.name)->data(), e.tensor.data(), e.tensor.desc().bytes());
  }
  return absl::OkStatus();
}

std::string Fingerprint(const TensorMap& weights) {
  // Of the names in order, whatever the order of the map.
  std::map<std::string_view, const kernels::Tensor*> sorted;
  for (const TensorMap::Entry& e : weights.entries()) sorted[e.name] = &e.tensor;
  uint64_t h = 0;
  for (const auto& [name, tensor] : sorted) {
    h = MixBytes(h, name.data(), name.size());
    for (int64_t extent : tensor->shape()) h = Mix(h, static_cast<uint64_t>(extent));
    h = MixBytes(h, tensor->data(), tensor->desc().bytes());
  }
  return fmt::format("{:016x}", h);
}

StatisticsPtr StatisticsStore::Find(const supernet::Choice& choice) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(choice);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->second;
}

void StatisticsStore::Put(const supernet::Choice& choice, StatisticsPtr statistics) {
  const std::lock_guard lock(mutex_);
  PutLocked(choice, std::move(statistics));
}

void StatisticsStore::PutLocked(const supernet::Choice& choice, StatisticsPtr statistics) {
  if (const auto found = index_.find(choice); found != index_.end()) {
    entries_.erase(found->second);
    index_.erase(found);
  }
  entries_.emplace_front(choice, std::move(statistics));
  index_[choice] = entries_.begin();
  while (entries_.size() > capacity_) {
    index_.erase(entries_.back().first);
    entries_.pop_back();
  }
}

size_t StatisticsStore::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

absl::Status StatisticsStore::Save(const std::string& path, const supernet::SearchSpace& space,
                                   const std::string& fingerprint) const {
  const std::lock_guard lock(mutex_);
  std::vector<supernet::NamedTensor> tensors;
  json networks = json::array();
  for (const auto& [choice, statistics] : entries_) {
    for (const TensorMap::Entry& e : statistics->entries()) {
      tensors.emplace_back(fmt::format("{}/{}", networks.size(), e.name), e.tensor.view());
    }
    networks.push_back(choice);
  }
  return supernet::WriteSafetensors(path, tensors,
                                    {{"format", std::string(kStatisticsFormat)},
                                     {"space", std::string(space.name())},
                                     {"macro", space.MacroJson()},
                                     {"weights", fingerprint},
                                     {"networks", networks.dump()}});
}

absl::Status StatisticsStore::Load(const std::string& path, const supernet::SearchSpace& space,
                                   const std::string& fingerprint) {
  const auto file = supernet::SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  const auto fail = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", path, what));
  };
  std::string networks;
  if (auto s = supernet::CheckFormat(file->metadata(), kStatisticsFormat); !s.ok()) return kernels::Annotate(s, path);
  const supernet::Metadata wanted = {
      {"space", std::string(space.name())}, {"macro", space.MacroJson()}, {"weights", fingerprint}};
  for (const auto& [field, expected] : wanted) {
    const auto found = file->metadata().find(field);
    const std::string value = found == file->metadata().end() ? "missing" : found->second;
    if (value != expected) return fail(fmt::format("{}: {:.200}, expected {:.200}", field, value, expected));
  }
  if (const auto found = file->metadata().find("networks"); found != file->metadata().end()) networks = found->second;
  const json list = json::parse(networks, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array()) return fail("networks: expected a JSON list of choices");
  std::vector<supernet::Choice> choices;
  for (const json& item : list) {
    supernet::Choice choice;
    for (const json& candidate : item) {
      // Out of range for an int is out of range for a space too.
      choice.push_back(candidate.is_number_integer() && candidate >= 0 && candidate <= 1'000'000 ? candidate.get<int>()
                                                                                                 : -1);
    }
    if (auto s = space.Check(choice); !s.ok()) {
      return fail(fmt::format("networks[{}]: {}", choices.size(), kernels::Message(s)));
    }
    choices.push_back(std::move(choice));
  }
  std::vector<std::shared_ptr<TensorMap>> loaded(choices.size());
  for (auto& tensors : loaded) tensors = std::make_shared<TensorMap>();
  for (const std::string& name : file->names()) {
    const size_t slash = name.find('/');
    size_t index = 0;
    for (size_t i = 0; i < std::min(slash, name.size()); ++i) {
      const bool digit = name[i] >= '0' && name[i] <= '9';
      index = digit ? std::min(10 * index + static_cast<size_t>(name[i] - '0'), loaded.size()) : loaded.size();
    }
    if (slash == std::string::npos || slash == 0 || index >= loaded.size()) {
      return fail(fmt::format("tensor \"{:.100}\": expected \"I/NAME\", I below {}", name, loaded.size()));
    }
    loaded[index]->Put(name.substr(slash + 1), *file->Load(name));
  }
  const std::lock_guard lock(mutex_);
  for (size_t i = choices.size(); i-- > 0;) PutLocked(choices[i], std::move(loaded[i]));
  return absl::OkStatus();
}

}  // namespace mathnas::runtime
