// The report as a few lines of plain text.
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "mathnas/report/agreement.h"
#include "mathnas/report/numbers.h"
#include "mathnas/report/report.h"
#include "mathnas/report/utf8.h"
#include "mathnas/report/wording.h"

namespace mathnas::report {
namespace {

constexpr size_t kColumns = 100;
constexpr size_t kLabel = 10;  // columns of the first word of a line
constexpr size_t kMaxBudgets = 2;
constexpr size_t kMaxMetrics = 6;  // beside one test
constexpr size_t kMaxAudits = 2;
constexpr size_t kMaxStacks = 2;
constexpr size_t kMaxTests = 2;
constexpr size_t kNameColumns = 18;

// One line without control characters: what the text says cannot move the cursor or end the line.
std::string Plain(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    auto [code, bytes] = FirstCharacter(text);
    if (code == kReplacement || IsControl(code)) {
      plain += code == '\n' || code == '\t' ? ' ' : '?';
    } else {
      plain += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return plain;
}

// Columns of plain text; characters of East Asian scripts and pictographs are counted as two.
size_t Width(char32_t code) { return code >= 0x1100 ? 2 : 1; }

// As much of the beginning as fits.
std::string_view Fitting(std::string_view text, size_t columns) {
  size_t used = 0, bytes = 0;
  while (bytes < text.size()) {
    Character character = FirstCharacter(text.substr(bytes));
    used += Width(character.code);
    if (used > columns) break;
    bytes += character.bytes;
  }
  return text.substr(0, bytes);
}

size_t Columns(std::string_view text) {
  size_t used = 0;
  while (!text.empty()) {
    Character character = FirstCharacter(text);
    used += Width(character.code);
    text.remove_prefix(character.bytes);
  }
  return used;
}

std::string Shortened(const std::string& text, size_t columns) {
  if (Fitting(text, columns).size() == text.size()) return text;
  return std::string(Fitting(text, columns - 3)) + "...";
}

// Exactly `columns` wide.
std::string Cell(const std::string& text, size_t columns) {
  std::string cell = Shortened(Plain(text), columns);
  size_t used = Columns(cell);
  return cell.append(columns > used ? columns - used : 0, ' ');
}

class Lines {
 public:
  void Add(const std::string& text) {
    std::string line = Shortened(Plain(text), kColumns);
    line.erase(line.find_last_not_of(' ') + 1);
    text_ += line + "\n";
  }
  void Add(std::string_view label, const std::string& text) { Add(fmt::format("{:<{}}{}", label, kLabel, text)); }

  // Over at most two lines, broken behind a separator of architecture strings if there is one.
  void AddBroken(std::string_view label, const std::string& text) {
    std::string plain = Plain(text);
    std::string_view first = Fitting(plain, kColumns - kLabel);
    if (first.size() < plain.size()) {
      size_t at = first.find_last_of(" +,");
      if (at != std::string_view::npos && at > first.size() / 2) first = first.substr(0, at + 1);
    }
    Add(label, std::string(first));
    if (first.size() < plain.size()) Add("", plain.substr(first.size()));
  }
  std::string Text() && { return std::move(text_); }

 private:
  std::string text_;
};

std::string Joined(std::initializer_list<std::string> parts) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!part.empty()) joined += (joined.empty() ? "" : ", ") + part;
  }
  return joined.empty() ? "-" : joined;
}

std::string Text(const Reading& reading, const std::string& unit = "") {
  return IsKnown(reading) ? WithUnit(Short(reading.value), unit) : fmt::format("- ({})", Reason(reading));
}

std::string_view Word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kMet:
      return "MET";
    case Verdict::kMetInMedian:
      return "MET IN THE MEDIAN ONLY";
    case Verdict::kMissed:
      return "MISSED";
    case Verdict::kUnknown:
      break;
  }
  return "NOT MEASURED";
}

void AddBudgets(const Report& report, Lines& lines) {
  if (report.budgets.empty()) lines.Add("Budget", "-");
  for (size_t i = 0; i < std::min(report.budgets.size(), kMaxBudgets); ++i) {
    const Budget& budget = report.budgets[i];
    BudgetCheck check = CheckBudget(budget, report.chosen);
    lines.Add("Budget",
              fmt::format("{} {} {}{}: {}", budget.limit.metric, core::Name(budget.limit.op),
                          WithUnit(AsGiven(budget.limit.value), UnitOf(budget, report.chosen)),
                          budget.origin.empty() ? "" : fmt::format(" ({})", budget.origin), Word(check.verdict)));
    if (i == 0) lines.Add("", check.text);
  }
}

void AddNetwork(const ChosenNetwork& network, Lines& lines) {
  if (network.stacks.empty()) {
    return lines.AddBroken("Network", network.architecture.empty() ? "-" : network.architecture);
  }
  std::string_view label = "Network";
  for (size_t i = 0; i < std::min(network.stacks.size(), kMaxStacks); ++i) {
    std::string text = network.stacks[i].title;
    for (const StackLayer& layer : network.stacks[i].layers) {
      text += fmt::format("{} {}", &layer == &network.stacks[i].layers.front() ? ":" : " +", layer.text);
    }
    lines.Add(std::exchange(label, ""), text);
  }
}

void AddSearch(const Proof& proof, Lines& lines) {
  std::string text = StatusText(proof);
  if (text != "not run") {
    text += fmt::format(", {}{} networks", Short(static_cast<double>(proof.explored)),
                        IsKnown(proof.networks) ? " of " + Short(proof.networks.value) : "");
    if (IsKnown(proof.seconds)) text += " in " + Duration(proof.seconds.value);
    if (IsKnown(proof.bound))
      text += fmt::format(", bound {}", WithUnit(Short(proof.bound.value), proof.objective_unit));
    if (IsKnown(proof.gap)) text += ", gap " + GapText(proof);
    if (!proof.estimator.empty()) text += ", " + proof.estimator;
  }
  lines.Add("Search", text);
}

void AddMetrics(const std::vector<Comparison>& metrics, size_t most, Lines& lines) {
  lines.Add(fmt::format("{}{:>13}{:>13}{:>13}   {}", Cell("", kNameColumns), "predicted", "measured", "difference",
                        "quartiles"));
  if (metrics.empty()) lines.Add("- (no network was chosen)");
  for (size_t i = 0; i < std::min(metrics.size(), most); ++i) {
    const Comparison& c = metrics[i];
    bool both = IsKnown(c.predicted) && IsKnown(c.measured);
    std::string last;
    if (IsKnown(c.measured_low) && IsKnown(c.measured_high)) {
      last = fmt::format("{} to {}", Short(c.measured_low.value), Short(c.measured_high.value));
    } else if (!both) {
      last = fmt::format("({})", Reason(IsKnown(c.measured) ? c.predicted : c.measured));
    }
    lines.Add(fmt::format("{}{:>13}{:>13}{:>13}   {}",
                          Cell(c.unit.empty() ? c.metric : fmt::format("{} [{}]", c.metric, c.unit), kNameColumns),
                          Short(c.predicted.value), Short(c.measured.value),
                          both ? Difference(c.measured.value - c.predicted.value, c.measured.value) : "-", last));
  }
}

void AddAudits(const std::vector<Audit>& audits, Lines& lines) {
  if (audits.empty()) lines.Add("Audit", "- (no networks were audited)");
  size_t names = 11;
  for (size_t i = 0; i < std::min(audits.size(), kMaxAudits); ++i) {
    names = std::max(names, std::min(Columns(Plain(audits[i].metric)) + 1, kNameColumns));
  }
  for (size_t i = 0; i < std::min(audits.size(), kMaxAudits); ++i) {
    Agreement a = ComputeAgreement(audits[i]);
    std::string mape = IsKnown(a.mape) ? Percent(a.mape.value) : "-";
    lines.Add(
        i == 0 ? "Audit" : "",
        fmt::format("{}{:>3} networks: Spearman {}, Kendall {}, MAPE {}, MAE {}", Cell(audits[i].metric, names),
                    a.networks, Correlation(a.spearman.value), Correlation(a.kendall.value), mape,
                    IsKnown(a.mae) ? WithUnit(Short(a.mae.value, 3), DifferenceUnit(audits[i].unit)) : Text(a.mae)));
  }
}

// The total, and as many of the longest stages as fit.
void AddTimes(std::vector<Stage> stages, Lines& lines) {
  if (stages.empty()) return lines.Add("Time", "-");
  std::erase_if(stages, [](const Stage& stage) { return !IsKnown(stage.seconds); });
  std::stable_sort(stages.begin(), stages.end(),
                   [](const Stage& a, const Stage& b) { return a.seconds.value > b.seconds.value; });
  double total = 0;
  for (const Stage& stage : stages) total += stage.seconds.value;
  std::string text = Duration(total);
  constexpr size_t kRoom = kColumns - kLabel - 5;  // for ", ..."
  size_t shown = 0;
  for (; shown < stages.size(); ++shown) {
    std::string next = fmt::format("{}{} {}", shown == 0 ? ": " : ", ", Plain(stages[shown].name),
                                   Duration(stages[shown].seconds.value));
    if (Columns(text + next) > kRoom) break;
    text += next;
  }
  lines.Add("Time", shown < stages.size() ? text + ", ..." : text);
}

}  // namespace

std::string RenderTerminalSummary(const Report& report) {
  Lines lines;
  std::string title = Shortened(Plain(report.title.empty() ? "MathNAS report" : report.title), kColumns);
  lines.Add(title);
  lines.Add(std::string(kColumns, '-'));
  lines.Add("Space", Joined({report.space,
                             IsKnown(report.proof.networks) ? Short(report.proof.networks.value) + " networks" : ""}));
  lines.Add("Data", Joined({report.dataset}));
  const Environment& environment = report.environment;
  lines.Add("Device",
            Joined({environment.device, environment.threads > 0 ? fmt::format("{} threads", environment.threads) : "",
                    environment.machine}));
  AddNetwork(report.chosen, lines);
  AddBudgets(report, lines);
  AddSearch(report.proof, lines);
  lines.Add("");
  std::vector<TestScore> tests = TestsOf(report.chosen);
  tests.resize(std::min(tests.size(), kMaxTests));
  AddMetrics(report.chosen.metrics, kMaxMetrics + 1 - tests.size(), lines);
  lines.Add("");
  std::string_view label = "Test";
  for (const TestScore& test : tests) {
    lines.Add(std::exchange(label, ""),
              fmt::format("{} {} fine-tuned, {} before", test.name, Text(test.fine_tuned, test.unit),
                          Text(test.inherited, test.unit)) +
                  (test.count > 0 ? fmt::format(", {} {}", Short(static_cast<double>(test.count)), test.items) : ""));
  }
  AddAudits(report.audits, lines);
  AddTimes(report.stages, lines);
  if (!report.notes.empty()) {
    lines.Add("Notes", report.notes.size() == 1
                           ? report.notes[0]
                           : fmt::format("{} (and {} more)", report.notes[0], report.notes.size() - 1));
  }
  return std::move(lines).Text();
}

}  // namespace mathnas::report
