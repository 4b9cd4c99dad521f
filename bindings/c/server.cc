// mathnas_server_...: supernets that serve while their budget changes.
#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "bindings/c/hooks.h"
#include "bindings/c/model.h"
#include "bindings/c/search.h"
#include "bindings/c/server_options.h"
#include "bindings/c/status.h"
#include "bindings/c/structs.h"
#include "bindings/c/table.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "mathnas/runtime/dynamic_network.h"

namespace mathnas::c {
namespace {

using runtime::DynamicNetwork;
using supernet::Choice;

// Numbers of subnets, and what is said of them: it stays where it is.
class Names {
 public:
  struct Entry {
    Choice choice;
    std::string json;
  };
  explicit Names(const supernet::SearchSpace& space) : space_(space) {}

  uint32_t Of(const Choice& choice) {
    const std::lock_guard lock(mutex_);
    const auto [found, added] = numbers_.try_emplace(choice, static_cast<uint32_t>(entries_.size()));
    if (added) entries_.push_back({choice, space_.SubnetJson(choice)});
    return found->second;
  }
  // Null: there is none of that number.
  const Entry* Find(uint32_t number) const {
    const std::lock_guard lock(mutex_);
    return number < entries_.size() ? &entries_[number] : nullptr;
  }
  uint32_t count() const {
    const std::lock_guard lock(mutex_);
    return static_cast<uint32_t>(entries_.size());
  }

 private:
  const supernet::SearchSpace& space_;
  mutable std::mutex mutex_;
  std::map<Choice, uint32_t> numbers_;
  std::deque<Entry> entries_;
};

struct ServerHandle : Object {
  static constexpr Kind kKind = Kind::kServer;
  static constexpr const char* kName = "server";
  ServerHandle(std::shared_ptr<Model> m, std::shared_ptr<const supernet::SearchSpace> s)
      : Object(kKind), model(std::move(m)), space(std::move(s)), names(*space) {}

  const std::shared_ptr<Model> model;
  const std::shared_ptr<const supernet::SearchSpace> space;
  Names names;
  int64_t batch = 1, side = 0;
  std::unique_ptr<DynamicNetwork> network;

  mathnas_tensor Describe(const char* name, std::initializer_list<int64_t> shape) const {
    mathnas_tensor tensor = StructOf<mathnas_tensor>::Defaults();
    tensor.type = MATHNAS_F32;
    tensor.rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), tensor.shape);
    tensor.bytes = sizeof(float);
    for (int64_t extent : shape) tensor.bytes *= static_cast<uint64_t>(extent);
    tensor.name = name;
    return tensor;
  }

  absl::StatusOr<Choice> Parse(const char* subnet) const {
    const auto json = Text(subnet, "subnet");
    if (!json.ok()) return json.status();
    auto choice = space->ParseSubnet(*json);
    if (!choice.ok()) return kernels::Annotate(choice.status(), "subnet");
    return choice;
  }

  absl::Status Tell(const absl::StatusOr<runtime::Decision>& decided, bool by_table, mathnas_decision* decision) {
    if (!decided.ok()) return decided.status();
    const uint32_t subnet = names.Of(decided->choice);
    if (decision == nullptr) return absl::OkStatus();
    mathnas_decision d = StructOf<mathnas_decision>::Defaults();
    switch (decided->switching) {
      case runtime::Switching::kPresent:
        d.switching = MATHNAS_PRESENT;
        break;
      case runtime::Switching::kSwitched:
        d.switching = MATHNAS_SWITCHED;
        break;
      case runtime::Switching::kPlanned:
        d.switching = MATHNAS_PLANNED;
        break;
    }
    d.subnet = subnet;
    d.objective = by_table ? decided->objective : std::numeric_limits<double>::quiet_NaN();
    return Write(d, decision);
  }
};

absl::StatusOr<std::unique_ptr<ServerHandle>> MakeServer(std::shared_ptr<Model> model, const core::BlockTable& table,
                                                         const mathnas_server_options& o) {
  auto supernet = model->source().Supernet();
  if (!supernet.ok()) return supernet.status();
  auto space = WithCandidates(supernet->space, o, table);
  if (!space.ok()) return space.status();
  supernet->space = *space;
  auto options = DynamicOptionsOf(o, **space, table);
  if (!options.ok()) return options.status();
  options->division = DivisionOf(model->options());
  auto server = std::make_unique<ServerHandle>(model, *space);
  server->batch = o.batch;
  server->side = o.image_side;
  auto network = DynamicNetwork::Create(*std::move(supernet), table, model->device(), *std::move(options));
  if (!network.ok()) return network.status();
  server->network = *std::move(network);
  server->names.Of(server->network->present());
  return server;
}

absl::Status RunServer(ServerHandle& server, const mathnas_bindings& b, mathnas_served* served) {
  if (b.input_type != MATHNAS_F32) {
    return absl::InvalidArgumentError(fmt::format("input_type: {}, expected MATHNAS_F32", b.input_type));
  }
  if (b.input == nullptr) return Null("input", "images");
  if (b.output == nullptr) return Null("output", "the address of values");
  const int64_t rows = b.rows == 0 ? server.batch : b.rows;
  constexpr int64_t kMostRows = int64_t{1} << 32;
  if (rows < 1 || rows > kMostRows) {
    return absl::InvalidArgumentError(fmt::format("rows: {}, expected 1 to {}", rows, kMostRows));
  }
  const auto count = static_cast<uint64_t>(rows);
  const uint64_t in = count * static_cast<uint64_t>(server.network->image_elements());
  const uint64_t out = count * static_cast<uint64_t>(server.network->classes());
  if (b.input_bytes != in * sizeof(float) || b.output_bytes != out * sizeof(float)) {
    return absl::InvalidArgumentError(
        fmt::format("input_bytes, output_bytes: {} and {}, expected {} and {} for {} images", b.input_bytes,
                    b.output_bytes, in * sizeof(float), out * sizeof(float), rows));
  }
  const auto answer = server.network->Run({static_cast<const float*>(b.input), in}, {b.output, out});
  if (!answer.ok()) return answer.status();
  if (served == nullptr) return absl::OkStatus();
  mathnas_served s = StructOf<mathnas_served>::Defaults();
  s.subnet = server.names.Of(answer->choice);
  s.milliseconds = answer->milliseconds;
  return Write(s, served);
}

mathnas_server_statistics StatisticsOf(const ServerHandle& server) {
  const runtime::DynamicStatistics from = server.network->statistics();
  mathnas_server_statistics to = StructOf<mathnas_server_statistics>::Defaults();
  to.subnet_count = server.names.count();
  to.requests = from.requests;
  to.failed_requests = from.failed_requests;
  to.switches = from.switches;
  to.followed = from.followed;
  to.hits = from.hits;
  to.misses = from.misses;
  to.prepared = from.prepared;
  to.evicted = from.evicted;
  to.failures = from.failures;
  to.infeasible = from.infeasible;
  to.ready = static_cast<int64_t>(from.ready);
  to.subnet_statistics = static_cast<int64_t>(from.subnet_statistics);
  to.weight_bytes = from.weight_bytes;
  to.packed_bytes = from.packed_bytes;
  to.arena_bytes = from.arena_bytes;
  to.latency_factor = from.latency_factor;
  to.measured_ms = from.measured_ms.value_or(std::numeric_limits<double>::quiet_NaN());
  const std::string_view problem = kernels::Message(from.last_problem);
  // Ends before a character of several bytes that does not fit.
  size_t length = std::min(problem.size(), sizeof(to.last_problem) - 1);
  while (length < problem.size() && length > 0 && (static_cast<uint8_t>(problem[length]) & 0xc0) == 0x80) --length;
  problem.copy(to.last_problem, length);
  return to;
}

// What is done with the object of a server's handle.
template <typename Body>
mathnas_status With(mathnas_server server, const Body& body) {
  return Call([&]() -> absl::Status {
    const Pinned<ServerHandle> pinned(server);
    if (!pinned.ok()) return pinned.status();
    return body(*pinned);
  });
}

}  // namespace
}  // namespace mathnas::c

using namespace mathnas::c;  // NOLINT: what follows is the interface, and nothing else

mathnas_status mathnas_server_create(mathnas_model model, mathnas_table table, const mathnas_server_options* options,
                                     mathnas_server* server) {
  return Call([&]() -> absl::Status {
    if (server == nullptr) return Null("server", "the address of a handle");
    *server = nullptr;
    const Pinned<ModelHandle> pinned(model);
    if (!pinned.ok()) return pinned.status();
    const Pinned<TableHandle> pinned_table(table);
    if (!pinned_table.ok()) return pinned_table.status();
    const auto known = Read(options);
    if (!known.ok()) return known.status();
    auto made = MakeServer(pinned->model, pinned_table->table, *known);
    if (!made.ok()) return made.status();
    return HandOut(*std::move(made), server);
  });
}

mathnas_status mathnas_server_destroy(mathnas_server server) {
  return Call([&] { return Destroy<ServerHandle>(server); });
}

mathnas_status mathnas_server_input(mathnas_server server, mathnas_tensor* tensor) {
  return With(server, [&](ServerHandle& s) {
    const mathnas::kernels::Shape image = s.space->input_shape();
    const int64_t height = s.side > 0 ? s.side : image[0], width = s.side > 0 ? s.side : image[1];
    return Write(s.Describe("image", {s.batch, height, width, image[2]}), tensor);
  });
}

mathnas_status mathnas_server_output(mathnas_server server, mathnas_tensor* tensor) {
  return With(server, [&](ServerHandle& s) {
    return Write(s.Describe("logits", {s.batch, s.network->classes()}), tensor);
  });
}

mathnas_status mathnas_server_run(mathnas_server server, const mathnas_bindings* bindings, mathnas_served* served) {
  return With(server, [&](ServerHandle& s) -> absl::Status {
    const auto known = Read(bindings);
    if (!known.ok()) return known.status();
    return RunServer(s, *known, served);
  });
}

mathnas_status mathnas_server_set_limits(mathnas_server server, const char* const* limits, uint32_t count,
                                         mathnas_decision* decision) {
  return With(server, [&](ServerHandle& s) -> absl::Status {
    auto parsed = LimitsOf(limits, count);
    if (!parsed.ok()) return parsed.status();
    return s.Tell(s.network->SetLimits(*std::move(parsed)), /*by_table=*/true, decision);
  });
}

mathnas_status mathnas_server_set_budget(mathnas_server server, const char* metric, double limit,
                                         mathnas_decision* decision) {
  return With(server, [&](ServerHandle& s) -> absl::Status {
    const auto name = Text(metric, "metric");
    if (!name.ok()) return name.status();
    return s.Tell(s.network->SetBudget(*name, limit), /*by_table=*/true, decision);
  });
}

mathnas_status mathnas_server_set_subnet(mathnas_server server, const char* subnet, mathnas_decision* decision) {
  return With(server, [&](ServerHandle& s) -> absl::Status {
    const auto choice = s.Parse(subnet);
    if (!choice.ok()) return choice.status();
    return s.Tell(s.network->SetChoice(*choice), /*by_table=*/false, decision);
  });
}

mathnas_status mathnas_server_prepare(mathnas_server server, const char* subnet) {
  return With(server, [&](ServerHandle& s) -> absl::Status {
    const auto choice = s.Parse(subnet);
    if (!choice.ok()) return choice.status();
    return s.network->PrepareAhead(*choice);
  });
}

mathnas_status mathnas_server_wait(mathnas_server server) {
  return With(server, [&](ServerHandle& s) { return s.network->Wait(); });
}

mathnas_status mathnas_server_work(mathnas_server server, int32_t* worked) {
  return With(server, [&](ServerHandle& s) {
    const bool did = s.network->Work();
    if (worked != nullptr) *worked = did ? 1 : 0;
    return absl::OkStatus();
  });
}

mathnas_status mathnas_server_present(mathnas_server server, uint32_t* subnet) {
  return With(server, [&](ServerHandle& s) -> absl::Status {
    if (subnet == nullptr) return Null("subnet", "an address");
    *subnet = s.names.Of(s.network->present());
    return absl::OkStatus();
  });
}

mathnas_status mathnas_server_subnet(mathnas_server server, uint32_t index, mathnas_subnet* subnet) {
  return With(server, [&](ServerHandle& s) -> absl::Status {
    const Names::Entry* entry = s.names.Find(index);
    if (entry == nullptr) {
      return absl::InvalidArgumentError(fmt::format("subnet {}: the server has named {}", index, s.names.count()));
    }
    mathnas_subnet to = StructOf<mathnas_subnet>::Defaults();
    to.choice_count = static_cast<uint32_t>(entry->choice.size());
    to.choice = entry->choice.data();
    to.json = entry->json.c_str();
    const mathnas::runtime::SubnetCount count = s.network->count(entry->choice);
    to.requests = count.requests;
    to.runs = count.runs;
    to.milliseconds = count.milliseconds;
    return Write(to, subnet);
  });
}

mathnas_status mathnas_server_get_statistics(mathnas_server server, mathnas_server_statistics* statistics) {
  return With(server, [&](ServerHandle& s) { return Write(StatisticsOf(s), statistics); });
}

mathnas_status mathnas_server_save_statistics(mathnas_server server, const char* path) {
  return With(server, [&](ServerHandle& s) -> absl::Status {
    const auto name = Text(path, "path");
    if (!name.ok()) return name.status();
    return s.network->SaveStatistics(*name);
  });
}
