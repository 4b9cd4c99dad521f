// mathnas.Server: a supernet that serves while its budget changes.
#include "bindings/python/server.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "bindings/python/interrupt.h"
#include "bindings/python/json.h"
#include "bindings/python/module.h"
#include "bindings/python/network.h"
#include "bindings/python/request.h"
#include "bindings/python/server_options.h"
#include "bindings/python/status.h"
#include "bindings/python/supernet.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/status.h"

namespace mathnas::python {
namespace {

using runtime::DynamicStatistics;
using runtime::Switching;
using supernet::Choice;

const char* Name(Switching switching) {
  switch (switching) {
    case Switching::kPresent:
      return "present";
    case Switching::kSwitched:
      return "switched";
    case Switching::kPlanned:
      break;
  }
  return "planned";
}

nb::list BySubnet(const DynamicStatistics& s) {
  nb::list subnets;
  for (const auto& [choice, count] : s.by_subnet) {
    nb::dict subnet;
    subnet["choice"] = choice;
    subnet["requests"] = count.requests;
    subnet["runs"] = count.runs;
    subnet["milliseconds"] = count.milliseconds;
    subnets.append(subnet);
  }
  return subnets;
}

std::vector<std::string> LimitTexts(const Server& s) {
  std::vector<std::string> texts;
  for (const core::Limit& l : s.network()->limits()) {
    texts.push_back(fmt::format("{}{}{}{}{}", l.metric, core::Name(l.op), l.value, l.unit.empty() ? "" : " ", l.unit));
  }
  return texts;
}

}  // namespace

Server::Server(Space space, Table table, Network network, int lanes, int64_t side, std::vector<float> pixels)
    : space_(std::move(space)),
      table_(std::move(table)),
      image_(space_->input_shape()),
      lanes_(lanes),
      pixels_(std::move(pixels)),
      network_(std::move(network)) {
  if (side > 0) image_[0] = image_[1] = side;
}

Server::~Server() {
  // Gives up a preparation that is under way, which may take a moment.
  WithoutGil([this] {
    network_.reset();
    return 0;
  });
}

Server::Network Server::network() const {
  const std::lock_guard lock(mutex_);
  if (network_ == nullptr) RaiseValueError("the server is closed");
  return network_;
}

void Server::Close() {
  Network last;
  {
    const std::lock_guard lock(mutex_);
    last.swap(network_);
  }
  WithoutGil([&] {
    last.reset();
    return 0;
  });
  // After requests that were submitted, which are refused now.
  nb::object pool = std::exchange(pool_, nb::object());
  if (pool.is_valid()) pool.attr("shutdown")();
}

size_t Server::CheckImages(const Array& images) const {
  const size_t rank = image_.size();
  const bool pixels = IsOf<uint8_t>(images) && !pixels_.empty();
  const bool fits = (images.ndim() == rank || images.ndim() == rank + 1) &&
                    std::equal(image_.begin(), image_.end(), images.shape_ptr() + (images.ndim() - rank)) &&
                    (images.ndim() == rank || images.shape(0) > 0);
  if (!fits || (!pixels && !IsOf<float>(images))) {
    RaiseUnexpected("images", images,
                    fmt::format("{} {{images,{}}}, or one without the first axis",
                                pixels_.empty() ? "float32 (normalised)" : "float32 (normalised) or uint8 (pixels)",
                                fmt::join(image_, ",")));
  }
  RequireDense("images", images);
  return images.ndim() == rank ? 1 : images.shape(0);
}

runtime::Served Server::RunInto(const Array& images, size_t count, float* logits) {
  const Network network = this->network();
  const size_t elements = count * static_cast<size_t>(network->image_elements());
  const std::span<float> output(logits, count * static_cast<size_t>(network->classes()));
  const bool pixels = IsOf<uint8_t>(images);
  return Take(WithoutGil([&]() -> absl::StatusOr<runtime::Served> {
    if (!pixels) return network->Run({static_cast<const float*>(images.data()), elements}, output);
    const auto* from = static_cast<const uint8_t*>(images.data());
    const size_t channels = pixels_.size() / 256;
    std::vector<float> values(elements);
    for (size_t i = 0; i < elements; ++i) values[i] = pixels_[i % channels * 256 + from[i]];
    return network->Run(values, output);
  }));
}

Served Server::Run(const Array& images, nb::object out) {
  const size_t count = CheckImages(images), classes = static_cast<size_t>(network()->classes());
  if (out.is_none()) {
    Result<float> logits(count * classes);
    runtime::Served served = RunInto(images, count, logits.data());
    return {std::move(served.choice), served.milliseconds, logits.ToArray({count, classes})};
  }
  float* const target = FloatsIn("out", out, count, classes);
  runtime::Served served = RunInto(images, count, target);
  return {std::move(served.choice), served.milliseconds, std::move(out)};
}

nb::object Server::Predict(const Array& images) {
  const size_t count = CheckImages(images), classes = static_cast<size_t>(network()->classes());
  std::vector<float> logits(count * classes);
  RunInto(images, count, logits.data());
  return LargestOf(logits, count, classes);
}

nb::object Server::Submit(nb::handle self, nb::object images) {
  network();  // refuses where it is closed
  if (!pool_.is_valid()) {
    pool_ = nb::module_::import_("concurrent.futures").attr("ThreadPoolExecutor")("max_workers"_a = lanes_);
  }
  return pool_.attr("submit")(self.attr("run"), images);
}

Decision Server::SetLimits(nb::handle limits) {
  std::vector<core::Limit> parsed = LimitsOf(*table_, limits);
  const Network network = this->network();
  return {Take(WithoutGil([&] { return network->SetLimits(std::move(parsed)); }))};
}

Decision Server::SetBudget(const std::string& metric, double limit) {
  const Network network = this->network();
  return {Take(WithoutGil([&] { return network->SetBudget(metric, limit); }))};
}

Decision Server::SetSubnet(nb::handle subnet) {
  const Choice choice = ChoiceOf(*space_, subnet);
  const Network network = this->network();
  return {Take(WithoutGil([&] { return network->SetChoice(choice); })), /*by_table=*/false};
}

void Server::Prepare(nb::handle subnet) {
  const Choice choice = ChoiceOf(*space_, subnet);
  const Network network = this->network();
  RaiseUnless(WithoutGil([&] { return network->PrepareAhead(choice); }));
}

void Server::Wait() {
  const Network network = this->network();
  RaiseUnless(WithoutGil([&] { return network->Wait(); }));
}

bool Server::Work() {
  const Network network = this->network();
  return WithoutGil([&] { return network->Work(); });
}

void Server::SaveStatistics(const std::string& path) {
  const Network network = this->network();
  RaiseUnless(WithoutGil([&] { return network->SaveStatistics(path); }));
}

namespace {

void AddAnswers(nb::module_& m) {
  nb::class_<Served>(m, "Served", "An answer of a server.")
      .def_ro("logits", &Served::logits, nb::sig("def logits(self) -> numpy.typing.NDArray[numpy.float32]"),
              "{images, classes}.")
      .def_ro("choice", &Served::choice, "The subnet that has answered, a candidate number for each node.")
      .def_ro("milliseconds", &Served::milliseconds, "Of the runs, without waiting for a lane.")
      .def("__repr__", [](const Served& s) {
        return fmt::format("<mathnas.Served by [{}] in {:.3g} ms>", fmt::join(s.choice, ", "), s.milliseconds);
      });

  nb::class_<Decision>(m, "Decision", "What a change of the limits came to.")
      .def_prop_ro(
          "switching", [](const Decision& d) { return Name(d.decided.switching); },
          "'present' (the subnet serves already), 'switched' (it was ready, and answers the next request) or 'planned' "
          "(it is prepared first; until then the present one serves).")
      .def_prop_ro(
          "choice", [](const Decision& d) { return d.decided.choice; }, "The subnet, a candidate number for each node.")
      .def_prop_ro(
          "objective",
          [](const Decision& d) { return d.by_table ? d.decided.objective : std::numeric_limits<double>::quiet_NaN(); },
          "Predicted, in its metric's unit; NaN of set_subnet.")
      .def_prop_ro(
          "predicted", [](const Decision& d) { return d.decided.predicted; },
          "Every metric of the table, recalibrated where the latency is followed; {} of set_subnet.")
      .def("__repr__", [](const Decision& d) {
        return fmt::format("<mathnas.Decision {}: [{}]>", Name(d.decided.switching), fmt::join(d.decided.choice, ", "));
      });

  nb::class_<DynamicStatistics>(m, "ServerStatistics", "What a server has done so far.")
      .def_ro("requests", &DynamicStatistics::requests)
      .def_ro("failed_requests", &DynamicStatistics::failed_requests)
      .def_ro("switches", &DynamicStatistics::switches, "Subnets that were replaced.")
      .def_ro("followed", &DynamicStatistics::followed, "Of these, after a measured latency.")
      .def_ro("hits", &DynamicStatistics::hits, "Decisions for another subnet that was ready.")
      .def_ro("misses", &DynamicStatistics::misses, "Decisions for one that was not.")
      .def_ro("prepared", &DynamicStatistics::prepared, "Subnets that were made ready.")
      .def_ro("evicted", &DynamicStatistics::evicted, "Of these, given up for others.")
      .def_ro("failures", &DynamicStatistics::failures, "Preparations that failed.")
      .def_ro("infeasible", &DynamicStatistics::infeasible, "Limits that no network kept.")
      .def_ro("ready", &DynamicStatistics::ready, "Subnets that are ready now.")
      .def_ro("subnet_statistics", &DynamicStatistics::subnet_statistics, "Subnets whose batch normalisation is known.")
      .def_ro("weight_bytes", &DynamicStatistics::weight_bytes, "Of subnets that are ready.")
      .def_ro("packed_bytes", &DynamicStatistics::packed_bytes, "Of these, packed for kernels.")
      .def_ro("arena_bytes", &DynamicStatistics::arena_bytes, "Activations and scratch of all lanes.")
      .def_ro("latency_factor", &DynamicStatistics::latency_factor, "Measured over predicted; 1 until it is known.")
      .def_ro("measured_ms", &DynamicStatistics::measured_ms, "Of the last window of the present subnet, or None.")
      .def_prop_ro(
          "last_problem", [](const DynamicStatistics& s) { return std::string(kernels::Message(s.last_problem)); },
          "Of the last preparation, or followed latency; empty after a success.")
      .def_prop_ro("by_subnet", &BySubnet, nb::sig("def by_subnet(self) -> list[dict[str, typing.Any]]"),
                   "'choice', 'requests', 'runs' and their 'milliseconds', of every subnet that has answered.")
      .def("__repr__", [](const DynamicStatistics& s) {
        return fmt::format("<mathnas.ServerStatistics: {} requests, {} switches>", s.requests, s.switches);
      });
}

}  // namespace

void AddServer(nb::module_& m) {
  AddAnswers(m);
  nb::class_<Server> server(
      m, "Server",
      "A supernet that serves by the subnet that is best, by a block table, within the limits of the moment. When "
      "these change, or the latency that is measured calls for it, the next subnet is solved for, prepared in the "
      "background while the present one serves, and takes over between two requests: every request is answered by one "
      "subnet, which the answer names.\n\n"
      "Threads share a server. Calls release the GIL. It is a context manager, which closes it.");
  AddServerConstructor(server);
  server
      .def("run", &Server::Run, "images"_a, nb::kw_only(), "out"_a = nb::none(),
           nb::sig("def run(self, images: numpy.typing.ArrayLike, *, out: numpy.typing.NDArray[numpy.float32] | None = "
                   "None) -> Served"),
           "Answers a request: images {images, side, side, channels} or one without the first axis, any number, all by "
           "one subnet; float32, or uint8 where the server has mean and std. Logits go to `out` if given. Waits while "
           "all lanes are taken.")
      .def("predict", &Server::Predict, "images"_a,
           nb::sig("def predict(self, images: numpy.typing.ArrayLike) -> numpy.typing.NDArray[numpy.int64]"),
           "The number of the most probable class of each image.")
      .def(
          "submit",
          [](nb::handle self, nb::object images) { return nb::cast<Server&>(self).Submit(self, std::move(images)); },
          "images"_a, nb::sig("def submit(self, images: numpy.typing.ArrayLike) -> concurrent.futures.Future[Served]"),
          "The same as run on one of the server's threads, as many as lanes: returns at once.")
      .def("set_limits", &Server::SetLimits, "limits"_a,
           nb::sig("def set_limits(self, limits: collections.abc.Mapping[str, float | tuple[float | None, float | "
                   "None]] | str | collections.abc.Sequence[str] | None) -> Decision"),
           "New limits, as Table.search has them, in place of all before. RuntimeError if no network keeps them: it "
           "says which clash and the nearest that can be met; limits and subnet stay as they are.")
      .def("set_budget", &Server::SetBudget, "metric"_a, "limit"_a,
           "The same for one metric alone: at most `limit`, or at least where more is better; infinite: none.")
      .def("set_subnet", &Server::SetSubnet, "subnet"_a,
           nb::sig("def set_subnet(self, subnet: collections.abc.Sequence[int] | dict[str, typing.Any] | str) -> "
                   "Decision"),
           "A subnet whatever the limits, which count again from their next change, or followed latency, on.")
      .def("prepare", &Server::Prepare, "subnet"_a,
           nb::sig("def prepare(self, subnet: collections.abc.Sequence[int] | dict[str, typing.Any] | str) -> None"),
           "Makes a subnet ready on the thread that calls, without serving it.")
      .def("wait", &Server::Wait,
           "Until nothing is to be done; raises what preparing the subnet that was asked for last failed with.")
      .def("work", &Server::Work,
           "Without a background thread: does one thing that is to be done, and returns whether there was one.")
      .def_prop_ro(
          "choice", [](const Server& s) { return s.network()->present(); },
          "The subnet that answers the next request, a candidate number for each node.")
      .def_prop_ro(
          "subnet", [](const Server& s) { return FromJson(s.space()->SubnetJson(s.network()->present())); },
          nb::sig("def subnet(self) -> dict[str, typing.Any]"), "The same as the command line has it.")
      .def_prop_ro("limits", &LimitTexts, "Those of the moment: ['latency<=4'].")
      .def_prop_ro(
          "statistics", [](const Server& s) { return s.network()->statistics(); }, "What it has done so far.")
      .def(
          "save_statistics", [](Server& s, const std::filesystem::path& path) { s.SaveStatistics(path.string()); },
          "path"_a, "The statistics of batch norm that are known, for `statistics` of a server with the same weights.")
      .def("close", &Server::Close, "Requests that run are answered, others are refused with ValueError.")
      .def(
          "__enter__", [](nb::object self) { return self; }, nb::sig("def __enter__(self) -> Server"))
      .def(
          "__exit__", [](Server& s, nb::args) { s.Close(); }, nb::sig("def __exit__(self, *exception: object) -> None"))
      .def_prop_ro(
          "input_shape",
          [](const Server& s) { return nb::tuple(nb::cast(std::vector<int64_t>(s.image().begin(), s.image().end()))); },
          nb::sig("def input_shape(self) -> tuple[int, ...]"), "Of one image.")
      .def("__repr__", [](const Server& s) {
        return fmt::format("<mathnas.Server of {} by {}>", s.space()->name(),
                           s.space()->SubnetJson(s.network()->present()));
      });
}

}  // namespace mathnas::python
