#include "mathnas/benchmark/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace mathnas::benchmark {
namespace {

auto KeyOf(const Record& r) { return std::tie(r.name, r.pass, r.type, r.cache); }
std::string TextOf(const Record& r) { return fmt::format("{}, {} {} {}", r.name, r.pass, r.type, r.cache); }

void WarnIfUnlike(std::string_view what, const std::string& before, const std::string& after,
                  std::vector<std::string>& warnings) {
  if (before != after) warnings.push_back(fmt::format("another {}: {} before, {} now", what, before, after));
}

// Roofs that differ by more than a tenth.
void WarnIfSlower(std::string_view what, double before, double after, std::vector<std::string>& warnings) {
  if (before <= 0 || after <= 0 || std::abs(std::log(after / before)) < std::log(1.1)) return;
  warnings.push_back(fmt::format("the machine itself has {:.2f} times the {} that it had: times differ for that alone",
                                 after / before, what));
}

int64_t CountOf(const Comparison& c, Verdict verdict) {
  return std::count_if(c.changes.begin(), c.changes.end(), [&](const Change& x) { return x.verdict == verdict; });
}

}  // namespace

std::string_view Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSlower:
      return "slower";
    case Verdict::kFaster:
      return "faster";
    default:
      return "same";
  }
}

Verdict Judge(const Summary& before, const Summary& after, double noise) {
  if (after.median > before.median * (1 + noise) && after.lower_quartile > before.upper_quartile)
    return Verdict::kSlower;
  if (before.median > after.median * (1 + noise) && before.lower_quartile > after.upper_quartile)
    return Verdict::kFaster;
  return Verdict::kSame;
}

bool Comparison::has_slower() const { return CountOf(*this, Verdict::kSlower) > 0; }

absl::StatusOr<Comparison> Compare(const BenchmarkRun& before, const BenchmarkRun& after, double noise) {
  if (!(noise >= 0 && noise <= 1)) {
    return absl::InvalidArgumentError(fmt::format("noise is {}, expected a fraction, 0 to 1", noise));
  }
  Comparison c;
  WarnIfUnlike("processor", before.machine.processor, after.machine.processor, c.warnings);
  WarnIfUnlike("instruction set", before.machine.instruction_set, after.machine.instruction_set, c.warnings);
  WarnIfUnlike("library", before.machine.library, after.machine.library, c.warnings);
  WarnIfUnlike("number of threads", std::to_string(before.machine.threads), std::to_string(after.machine.threads),
               c.warnings);
  WarnIfSlower("multiply-adds per second", before.peaks.gflops, after.peaks.gflops, c.warnings);
  WarnIfSlower("bandwidth of memory", before.peaks.BandwidthOf(0, true), after.peaks.BandwidthOf(0, true), c.warnings);

  using Key = decltype(KeyOf(std::declval<const Record&>()));
  std::map<Key, const Record*> known;
  for (const Record& r : before.records) known.emplace(KeyOf(r), &r);
  double logarithms = 0;
  for (const Record& r : after.records) {
    const auto it = known.find(KeyOf(r));
    if (it == known.end()) {
      c.only_after.push_back(TextOf(r));
      continue;
    }
    c.changes.push_back({*it->second, r, Judge(it->second->microseconds, r.microseconds, noise)});
    logarithms += std::log(c.changes.back().ratio());
    known.erase(it);
  }
  for (const Record& r : before.records) {
    if (known.contains(KeyOf(r))) c.only_before.push_back(TextOf(r));
  }
  if (c.changes.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("nothing to compare: none of the {} records before is among the {} now (name, pass, type, cache)",
                    before.records.size(), after.records.size()));
  }
  c.geometric_mean = std::exp(logarithms / static_cast<double>(c.changes.size()));
  return c;
}

std::string ToJson(const Comparison& c) {
  auto changes = nlohmann::ordered_json::array();
  for (const Change& x : c.changes) {
    changes.push_back({{"name", x.after.name},
                       {"pass", x.after.pass},
                       {"type", x.after.type},
                       {"cache", x.after.cache},
                       {"before_us", x.before.microseconds.median},
                       {"after_us", x.after.microseconds.median},
                       {"ratio", x.ratio()},
                       {"verdict", Name(x.verdict)}});
  }
  const nlohmann::ordered_json document = {{"geometric_mean", c.geometric_mean},
                                           {"slower", CountOf(c, Verdict::kSlower)},
                                           {"faster", CountOf(c, Verdict::kFaster)},
                                           {"same", CountOf(c, Verdict::kSame)},
                                           {"warnings", c.warnings},
                                           {"changes", std::move(changes)},
                                           {"only_before", c.only_before},
                                           {"only_after", c.only_after}};
  return document.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string ToText(const Comparison& c) {
  std::string text;
  for (const std::string& w : c.warnings) text += fmt::format("warning: {}\n", w);
  std::vector<const Change*> sorted;
  for (const Change& x : c.changes) {
    if (x.verdict != Verdict::kSame) sorted.push_back(&x);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Change* a, const Change* b) { return a->ratio() > b->ratio(); });
  for (const Change* x : sorted) {
    text += fmt::format("{}  {:5.2f} x  {:.1f} -> {:.1f} us  {}\n", Name(x->verdict), x->ratio(),
                        x->before.microseconds.median, x->after.microseconds.median, TextOf(x->after));
    if (x->before.implementation != x->after.implementation) {
      text += fmt::format("        {} -> {}\n", x->before.implementation, x->after.implementation);
    }
  }
  for (const std::string& name : c.only_before) text += fmt::format("only before: {}\n", name);
  for (const std::string& name : c.only_after) text += fmt::format("only now: {}\n", name);
  return text + fmt::format("{} slower, {} faster, {} the same; geometric mean of the times {:.3f} x\n",
                            CountOf(c, Verdict::kSlower), CountOf(c, Verdict::kFaster), CountOf(c, Verdict::kSame),
                            c.geometric_mean);
}

}  // namespace mathnas::benchmark
