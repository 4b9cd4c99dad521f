#include "mathnas/benchmark/record.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "fmt/format.h"
#include "kernels/internal/bounded_json.h"
#include "kernels/internal/json_text.h"
#include "nlohmann/json.hpp"

namespace mathnas::benchmark {
namespace {

using kernels::internal::Shortened;
using nlohmann::json;

constexpr size_t kMostBytes = size_t{64} << 20;

absl::Status Expected(const std::string& path, std::string_view what, const json* found) {
  return absl::InvalidArgumentError(
      fmt::format("{}: found {}, expected {}", path, found == nullptr ? "nothing" : Shortened(*found), what));
}

// Reads fields of one object; the first that is wrong is remembered.
class Fields {
 public:
  Fields(const json& object, std::string path, absl::Status& status)
      : object_(object), path_(std::move(path)), status_(status) {
    if (!object_.is_object()) Fail("", "an object", &object_);
  }

  const json* Find(const char* name) const {
    if (!object_.is_object()) return nullptr;
    const auto it = object_.find(name);
    return it == object_.end() ? nullptr : &*it;
  }
  std::string Text(const char* name) {
    const json* value = Find(name);
    if (value == nullptr || !value->is_string()) return Fail(name, "a string", value), "";
    return value->get<std::string>();
  }
  double Number(const char* name, double least, double most = 1e300) {
    const json* value = Find(name);
    if (value == nullptr || !value->is_number() || !(value->get<double>() >= least && value->get<double>() <= most)) {
      return Fail(name, fmt::format("a number, at least {}", least), value), least;
    }
    return value->get<double>();
  }
  bool Bool(const char* name) {
    const json* value = Find(name);
    if (value == nullptr || !value->is_boolean()) return Fail(name, "true or false", value), false;
    return value->get<bool>();
  }
  const json& Array(const char* name) {
    static const json empty = json::array();
    const json* value = Find(name);
    if (value == nullptr || !value->is_array()) return Fail(name, "an array", value), empty;
    return *value;
  }
  const json& Object(const char* name) {
    static const json empty = json::object();
    const json* value = Find(name);
    if (value == nullptr || !value->is_object()) return Fail(name, "an object", value), empty;
    return *value;
  }
  std::string PathOf(std::string_view name) const {
    return path_.empty() || name.empty() ? path_ + std::string(name) : fmt::format("{}.{}", path_, name);
  }
  void Fail(std::string_view name, std::string_view what, const json* found) {
    if (status_.ok()) status_ = Expected(PathOf(name), what, found);
  }

 private:
  const json& object_;
  std::string path_;
  absl::Status& status_;
};

Record ReadRecord(const json& object, const std::string& path, absl::Status& status) {
  Fields f(object, path, status);
  Record r = {.name = f.Text("name"), .pass = f.Text("pass"), .type = f.Text("type"), .cache = f.Text("cache")};
  constexpr double kLeast = 1e-9;  // microseconds
  r.microseconds = {.minimum = f.Number("minimum_us", 0),
                    .lower_quartile = f.Number("lower_quartile_us", 0),
                    .median = f.Number("median_us", kLeast),
                    .upper_quartile = f.Number("upper_quartile_us", 0),
                    .low = f.Number("low_us", 0),
                    .high = f.Number("high_us", 0),
                    .samples = static_cast<int64_t>(f.Number("samples", 1, 1e15))};
  r.runs_per_sample = static_cast<int64_t>(f.Number("runs_per_sample", 1, 1e15));
  r.stable = f.Bool("stable");
  r.multiply_adds = f.Number("multiply_adds", 0);
  r.bytes = f.Number("bytes", 0);
  r.implementation = f.Text("implementation");
  if (f.Find("correctness") != nullptr) {
    Fields c(f.Object("correctness"), f.PathOf("correctness"), status);
    r.correctness = Correctness{c.Bool("correct"), c.Number("worst", 0), c.Text("problem")};
  }
  const Summary& t = r.microseconds;
  if (status.ok() && !(t.minimum <= t.lower_quartile && t.lower_quartile <= t.median && t.median <= t.upper_quartile)) {
    f.Fail("median_us", "minimum, quartiles and median in rising order", f.Find("median_us"));
  }
  return r;
}

// Five significant digits: more say nothing of a time.
double Rounded(double x) { return x == 0 || !std::isfinite(x) ? x : std::stod(fmt::format("{:.5g}", x)); }

// What all names begin with, up to a blank: the network whose blocks they are. Empty where that is short.
size_t CommonPrefix(const std::vector<Record>& records) {
  constexpr size_t kShort = 24;
  if (records.size() < 2) return 0;
  size_t size = records[0].name.size();
  for (const Record& r : records) {
    size_t same = 0;
    while (same < std::min(size, r.name.size()) && r.name[same] == records[0].name[same]) ++same;
    size = same;
  }
  const size_t blank = records[0].name.substr(0, size).rfind(' ');
  return blank == std::string::npos || blank < kShort ? 0 : blank + 1;
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

double Peaks::BandwidthOf(double bytes, bool cold) const {
  if (bandwidth.empty()) return 0;
  if (!cold) {
    for (const Bandwidth& b : bandwidth) {
      if (bytes <= b.bytes) return b.gbs;
    }
  }
  return bandwidth.back().gbs;
}

double Record::RoofShare(const Peaks& peaks) const {
  const double gbs_roof = peaks.BandwidthOf(bytes, cache == "cold");
  double shortest = 0;  // microseconds
  if (peaks.gflops > 0) shortest = 2e-3 * multiply_adds / peaks.gflops;
  if (gbs_roof > 0) shortest = std::max(shortest, 1e-3 * bytes / gbs_roof);
  return shortest / microseconds.median;
}

std::string ToJson(const BenchmarkRun& run) {
  nlohmann::ordered_json document;
  document["format"] = kFormat;
  document["created"] = run.created;
  document["machine"] = {{"processor", run.machine.processor},
                         {"instruction_set", run.machine.instruction_set},
                         {"library", run.machine.library},
                         {"threads", run.machine.threads}};
  auto bandwidth = nlohmann::ordered_json::array();
  for (const Peaks::Bandwidth& b : run.peaks.bandwidth) {
    bandwidth.push_back({{"bytes", b.bytes}, {"gbs", Rounded(b.gbs)}});
  }
  document["peaks"] = {{"gflops", Rounded(run.peaks.gflops)}, {"bandwidth", std::move(bandwidth)}};
  auto records = nlohmann::ordered_json::array();
  for (const Record& r : run.records) {
    const Summary& t = r.microseconds;
    nlohmann::ordered_json record = {{"name", r.name},
                                     {"pass", r.pass},
                                     {"type", r.type},
                                     {"cache", r.cache},
                                     {"median_us", Rounded(t.median)},
                                     {"lower_quartile_us", Rounded(t.lower_quartile)},
                                     {"upper_quartile_us", Rounded(t.upper_quartile)},
                                     {"minimum_us", Rounded(t.minimum)},
                                     {"low_us", Rounded(t.low)},
                                     {"high_us", Rounded(t.high)},
                                     {"samples", t.samples},
                                     {"runs_per_sample", r.runs_per_sample},
                                     {"stable", r.stable},
                                     {"multiply_adds", r.multiply_adds},
                                     {"bytes", r.bytes},
                                     {"gflops", Rounded(r.gflops())},
                                     {"gbs", Rounded(r.gbs())},
                                     {"roof_share", Rounded(r.RoofShare(run.peaks))},
                                     {"implementation", r.implementation}};
    if (r.correctness) {
      record["correctness"] = {{"correct", r.correctness->correct},
                               {"worst", Rounded(r.correctness->worst)},
                               {"problem", r.correctness->problem}};
    }
    records.push_back(std::move(record));
  }
  document["records"] = std::move(records);
  return document.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

absl::StatusOr<BenchmarkRun> RunFromJson(std::string_view text) {
  const absl::StatusOr<json> document = kernels::internal::ParseBoundedJson(text, kMostBytes, 8);
  if (!document.ok()) return document.status();
  absl::Status status;
  Fields f(*document, "", status);
  const json* format = f.Find("format");
  if (format == nullptr || *format != kFormat) return Expected("format", fmt::format("\"{}\"", kFormat), format);
  BenchmarkRun run = {.created = f.Text("created")};
  Fields machine(f.Object("machine"), "machine", status);
  run.machine = {machine.Text("processor"), machine.Text("instruction_set"), machine.Text("library"),
                 static_cast<int>(machine.Number("threads", 1, 4096))};
  Fields peaks(f.Object("peaks"), "peaks", status);
  run.peaks.gflops = peaks.Number("gflops", 0);
  const json& bandwidth = peaks.Array("bandwidth");
  for (size_t i = 0; i < bandwidth.size() && status.ok(); ++i) {
    Fields b(bandwidth[i], fmt::format("peaks.bandwidth[{}]", i), status);
    run.peaks.bandwidth.push_back({b.Number("bytes", 0), b.Number("gbs", 0)});
  }
  std::set<std::tuple<std::string, std::string, std::string, std::string>> keys;
  const json& records = f.Array("records");
  for (size_t i = 0; i < records.size() && status.ok(); ++i) {
    const std::string path = fmt::format("records[{}]", i);
    run.records.push_back(ReadRecord(records[i], path, status));
    const Record& r = run.records.back();
    if (status.ok() && !keys.emplace(r.name, r.pass, r.type, r.cache).second) {
      return absl::InvalidArgumentError(
          fmt::format("{}: \"{}\" {} {} {} is there twice", path, r.name, r.pass, r.type, r.cache));
    }
  }
  if (!status.ok()) return status;
  return run;
}

std::string ToCsv(const BenchmarkRun& run) {
  std::string text =
      "name,pass,type,cache,threads,median_us,lower_quartile_us,upper_quartile_us,minimum_us,samples,stable,"
      "multiply_adds,bytes,gflops,gbs,roof_share,implementation,correct\n";
  for (const Record& r : run.records) {
    const Summary& t = r.microseconds;
    text += fmt::format("{},{},{},{},{},{:.5g},{:.5g},{:.5g},{:.5g},{},{},{:.0f},{:.0f},{:.5g},{:.5g},{:.4g},{},{}\n",
                        Quoted(r.name), r.pass, r.type, r.cache, run.machine.threads, t.median, t.lower_quartile,
                        t.upper_quartile, t.minimum, t.samples, r.stable, r.multiply_adds, r.bytes, r.gflops(), r.gbs(),
                        r.RoofShare(run.peaks), Quoted(r.implementation),
                        !r.correctness           ? ""
                        : r.correctness->correct ? "true"
                                                 : "false");
  }
  return text;
}

std::string DescribeMachine(const BenchmarkRun& run) {
  std::string text =
      fmt::format("{}, {}, {}, {} threads: {:.0f} GFLOP/s", run.machine.processor, run.machine.instruction_set,
                  run.machine.library, run.machine.threads, run.peaks.gflops);
  for (const Peaks::Bandwidth& b : run.peaks.bandwidth) {
    text += b.bytes < 1 << 20 ? fmt::format(", {:.0f} GB/s in {:.0f} KiB", b.gbs, b.bytes / 1024)
                              : fmt::format(", {:.0f} GB/s in {:.0f} MiB", b.gbs, b.bytes / (1 << 20));
  }
  return text + "\n";
}

std::string ToText(const BenchmarkRun& run) {
  std::string text = DescribeMachine(run);
  const size_t prefix = CommonPrefix(run.records);
  if (prefix > 0) text += run.records[0].name.substr(0, prefix) + "\n";
  size_t width = 4;
  for (const Record& r : run.records) width = std::max(width, r.name.size() - prefix);
  width = std::min<size_t>(width, 72);
  text += fmt::format("{:{}}  {:9} {:5} {:>10} {:>7} {:>9} {:>8} {:>6}  {}\n", "", width, "pass", "cache", "median us",
                      "spread", "GFLOP/s", "GB/s", "roof", "implementation");
  for (const Record& r : run.records) {
    const Summary& t = r.microseconds;
    text += fmt::format("{:{}}  {:9} {:5} {:>10.1f} {:>6.1f}%{} {:>8} {:>8.2f} {:>5.0f}%  {}", r.name.substr(prefix),
                        width, r.pass, r.cache, t.median, 100 * (t.upper_quartile - t.lower_quartile) / t.median,
                        r.stable ? ' ' : '!', r.multiply_adds > 0 ? fmt::format("{:.1f}", r.gflops()) : "-", r.gbs(),
                        100 * r.RoofShare(run.peaks), r.implementation);
    if (r.correctness) {
      text += r.correctness->correct ? fmt::format("  correct, {:.2g} of the bound", r.correctness->worst)
                                     : fmt::format("  WRONG: {}", r.correctness->problem);
    }
    text += '\n';
  }
  text += "spread: between the quartiles, of the median; !: not stable within the time that was given\n";
  return text;
}

}  // namespace mathnas::benchmark
