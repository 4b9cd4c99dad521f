// mathnas.profile, Subnet.evaluate: what networks are measured at.
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/data.h"
#include "bindings/python/interrupt.h"
#include "bindings/python/module.h"
#include "bindings/python/network.h"
#include "bindings/python/status.h"
#include "bindings/python/supernet.h"
#include "bindings/python/table.h"
#include "bindings/python/telling.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/lower_precision.h"
#include "mathnas/core/interaction.h"
#include "mathnas/profile/image_workload.h"
#include "mathnas/profile/profiler.h"
#include "mathnas/runtime/statistics.h"
#include "supernet/evaluation.h"

namespace mathnas::python {
namespace {

using profile::MeterProgress;
using supernet::Evaluation;

Evaluation Evaluate(const Subnet& s, nb::handle data, int64_t batch, std::optional<int> threads,
                    const std::string& device, const std::string& precision, int loader_threads) {
  if (s.space->translates()) {
    RaiseValueError(fmt::format("{} reads sentences: `mathnas evaluate` scores it", s.space->name()));
  }
  const supernet::ImageSourcePtr images = ImagesOf(data).test;
  auto opened = Take(OpenDevice(device, threads.value_or(device == "cpu" ? AllCores() : 1)));
  std::atomic<bool> cancel = false;
  supernet::EvaluationOptions options;
  options.batch = batch;
  options.reading.threads = loader_threads;
  options.precision = Take(kernels::ParsePrecision(precision));
  options.cancel = &cancel;
  return Take(Interruptibly(
      cancel, [&] { return supernet::Evaluate(*s.space, s.choice, *s.weights, opened, images, options); }));
}

std::string UtcNow() {
  const nb::module_ datetime = nb::module_::import_("datetime");
  const nb::object now = datetime.attr("datetime").attr("now")(datetime.attr("timezone").attr("utc"));
  return nb::cast<std::string>(now.attr("strftime")("%Y-%m-%dT%H:%M:%SZ"));
}

struct Measuring {
  std::set<std::string, std::less<>> metrics;
  std::string estimator;
  int evaluations;
  int64_t validation;
  profile::LatencyOptions latency;
  supernet::RecalibrationOptions recalibration;
  std::optional<std::filesystem::path> journal;
};

void Check(const Measuring& o) {
  for (const std::string& metric : o.metrics) {
    if (!profile::KnownMetrics().contains(metric)) {
      RaiseValueError(
          fmt::format("metrics: '{:.100}', expected some of {}", metric, fmt::join(profile::KnownMetrics(), ", ")));
    }
  }
  const auto at_least = [](const char* name, int64_t value, int64_t least) {
    if (value < least) RaiseValueError(fmt::format("{}: {}, expected {} or more", name, value, least));
  };
  at_least("evaluations", o.evaluations, 4);
  at_least("validation", o.validation, 0);
  at_least("latency_batch", o.latency.batch, 1);
  at_least("latency_threads", o.latency.threads, 1);
  at_least("latency_rounds", o.latency.max_rounds, 1);
  at_least("recalibration_batches", o.recalibration.batches, 1);
  at_least("recalibration_batch", o.recalibration.batch, 1);
  if (o.estimator != core::kInteraction && !core::ParseEstimatorKind(o.estimator).ok()) {
    RaiseValueError(fmt::format("estimator: expected one of linear, eq5, eq6, {}, found '{:.100}'", core::kInteraction,
                                o.estimator));
  }
}

Table Profile(const Supernet& supernet, nb::handle data, Measuring o, nb::object progress, std::optional<int> threads,
              const std::string& device, int loader_threads) {
  Check(o);
  const supernet::SearchSpace& space = *supernet.space;
  if (space.translates())
    RaiseValueError(fmt::format("{} reads sentences: `mathnas profile` measures it", space.name()));
  const supernet::SourceSplit images = Take(supernet::HoldOut(ImagesOf(data), o.validation, /*seed=*/0));
  auto opened = Take(OpenDevice(device, threads.value_or(device == "cpu" ? AllCores() : 1)));
  std::atomic<bool> cancel = false;
  Telling<const char*, int64_t, int64_t> telling(progress, cancel);
  profile::ImageWorkloadOptions reading = {.recalibration = o.recalibration, .reading = {}};
  reading.reading.threads = loader_threads;
  auto workload = std::make_unique<profile::ImageWorkload>(supernet.space.space, std::move(opened), *supernet.weights,
                                                           images.train, images.validation, std::move(reading));
  profile::MeterOptions options;
  options.latency = o.latency;
  options.cancel = &cancel;
  options.progress = [&](const MeterProgress& p) { telling.Tell(std::string(p.what).c_str(), p.done, p.total); };
  if (o.journal) {
    options.journal_path = o.journal->string();
    options.identity = fmt::format("{} {} weights {} on {} with {}, batch {}, threads {}", space.name(),
                                   space.MacroJson(), runtime::Fingerprint(*supernet.weights), images.train->name(),
                                   workload->held_out(), o.latency.batch, o.latency.threads);
  }
  const bool evaluates = o.estimator == core::kInteraction && o.metrics.erase("accuracy") > 0;
  const std::string now = UtcNow();
  auto table = Interruptibly(cancel, [&]() -> absl::StatusOr<core::BlockTable> {
    auto meter = profile::Meter::Create(std::move(workload), std::move(options));
    if (!meter.ok()) return meter.status();
    auto measured = profile::Profile(space, **meter, o.metrics, o.latency, now);
    if (measured.ok() && evaluates) {
      auto s = profile::AddEvaluatedAccuracy(space, **meter, {.evaluations = o.evaluations}, now, *measured);
      if (!s.ok()) return s;
    }
    return measured;
  });
  telling.RaiseAgain();
  return {std::make_shared<const core::BlockTable>(Take(std::move(table)))};
}

}  // namespace

void AddMeasuring(nb::module_& m) {
  nb::class_<Evaluation>(m, "Evaluation", "How good a network is on images that it has not seen.")
      .def_ro("accuracy", &Evaluation::accuracy, "In %.")
      .def_ro("loss", &Evaluation::loss, "Mean cross-entropy.")
      .def_ro("images", &Evaluation::images)
      .def("__repr__", [](const Evaluation& e) {
        return fmt::format("<mathnas.Evaluation {:.2f} %, loss {:.4g} on {} images>", e.accuracy, e.loss, e.images);
      });

  auto subnet = nb::borrow<nb::class_<Subnet>>(m.attr("Subnet"));
  subnet.def(
      "evaluate", &Evaluate, "data"_a, nb::kw_only(), "batch"_a = 0, "threads"_a = nb::none(), "device"_a = "cpu",
      "precision"_a = "float32", "loader_threads"_a = 1,
      nb::sig("def evaluate(self, data: Dataset | str, *, batch: int = 0, threads: int | None = None, device: str "
              "= 'cpu', precision: str = 'float32', loader_threads: int = 1) -> Evaluation"),
      "Accuracy and loss on the test part of a Dataset, or of what the command line takes as --data, folded as it "
      "will be deployed. Recalibrate a subnet of a supernet before. batch: images at once; 0: as many as are "
      "fast. Ctrl-C ends it. Releases the GIL.");

  m.def(
      "profile",
      [](const Supernet& supernet, nb::handle data, const std::vector<std::string>& metrics,
         const std::string& estimator, int evaluations, int64_t validation, int64_t latency_batch, int latency_threads,
         int latency_rounds, int64_t recalibration_batches, int64_t recalibration_batch,
         std::optional<std::filesystem::path> journal, nb::object progress, std::optional<int> threads,
         const std::string& device, int loader_threads) {
        Measuring o;
        o.metrics = {metrics.begin(), metrics.end()};
        o.estimator = estimator;
        o.evaluations = evaluations;
        o.validation = validation;
        o.recalibration.batches = recalibration_batches;
        o.recalibration.batch = recalibration_batch;
        o.journal = std::move(journal);
        o.latency.batch = latency_batch;
        o.latency.threads = latency_threads;
        o.latency.max_rounds = latency_rounds;
        return Profile(supernet, data, std::move(o), std::move(progress), threads, device, loader_threads);
      },
      "supernet"_a, "data"_a, nb::kw_only(),
      "metrics"_a = std::vector<std::string>{"accuracy", "latency", "energy", "flops", "parameters", "memory"},
      "estimator"_a = "eq6", "evaluations"_a = 31, "validation"_a = 0, "latency_batch"_a = 1, "latency_threads"_a = 1,
      "latency_rounds"_a = 100, "recalibration_batches"_a = 20, "recalibration_batch"_a = 128, "journal"_a = nb::none(),
      "progress"_a = nb::none(), "threads"_a = nb::none(), "device"_a = "cpu", "loader_threads"_a = 1,
      nb::sig(
          "def profile(supernet: Supernet, data: Dataset | str, *, metrics: collections.abc.Sequence[str] = "
          "('accuracy', 'latency', 'energy', 'flops', 'parameters', 'memory'), estimator: str = 'eq6', evaluations: "
          "int = 31, validation: int = 0, latency_batch: int = 1, latency_threads: int = 1, latency_rounds: int = "
          "100, recalibration_batches: int = 20, recalibration_batch: int = 128, journal: str | os.PathLike | None "
          "= None, progress: collections.abc.Callable[[str, int, int], object] | None = None, threads: int | None = "
          "None, device: str = 'cpu', loader_threads: int = 1) -> Table"),
      "Measures every block of a trained supernet on this machine (Algorithm 1 of the paper): what `mathnas profile` "
      "does.\n\n"
      "data: statistics are recalibrated on a part of its training images, accuracy measured on the rest (or its "
      "validation part): `validation` of them, 0: 5,000, or a tenth of less than 50,000.\n"
      "metrics: energy is there without values where the machine does not tell it.\n"
      "estimator: 'interaction' measures the accuracy of `evaluations` networks whole, which it chooses.\n"
      "latency_batch, latency_threads, latency_rounds: images of a run, its threads, how often at most.\n"
      "journal: a file of what was measured, with which an interrupted call goes on. The caller removes it.\n"
      "progress: called with what is measured, how much is done and how much there is; what it raises ends the call.\n"
      "threads: of accuracy. Ctrl-C ends it. Releases the GIL. The supernet must not be trained meanwhile.");
}

}  // namespace mathnas::python
