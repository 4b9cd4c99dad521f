// The report as one HTML file.
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "mathnas/report/agreement.h"
#include "mathnas/report/block_values.h"
#include "mathnas/report/cell_drawing.h"
#include "mathnas/report/html_style.h"
#include "mathnas/report/markup.h"
#include "mathnas/report/numbers.h"
#include "mathnas/report/plots.h"
#include "mathnas/report/report.h"
#include "mathnas/report/stack_drawing.h"
#include "mathnas/report/wording.h"

namespace mathnas::report {
namespace {

std::string Section(std::string_view title, std::string_view lead, const std::string& content) {
  if (content.empty()) return "";
  std::string under = lead.empty() ? "" : fmt::format("<p class=\"lead\">{}</p>\n", lead);
  return fmt::format("<section>\n<h2>{}</h2>\n{}{}</section>\n", title, under, content);
}

std::string ThreeDigits(double value) { return Short(value, 3); }
std::string SignedThreeDigits(double value) { return Signed(value, 3); }

std::string Tile(const std::string& title, const std::string& big, const std::string& below) {
  return fmt::format("<div class=\"tile\"><h3>{}</h3><div class=\"big\">{}</div><p>{}</p></div>\n", title, big, below);
}

std::string Badge(Verdict verdict) {
  auto [style, text] = [&]() -> std::pair<std::string_view, std::string_view> {
    switch (verdict) {
      case Verdict::kMet:
        return {"met", "budget met"};
      case Verdict::kMetInMedian:
        return {"median", "met in the median only"};
      case Verdict::kMissed:
        return {"missed", "budget missed"};
      case Verdict::kUnknown:
        break;
    }
    return {"unknown", "not measured"};
  }();
  return fmt::format("<span class=\"badge {}\">{}</span>", style, text);
}

std::string LimitMarkup(const Budget& budget, const ChosenNetwork& network) {
  return fmt::format("{} {} {}", Escape(budget.limit.metric), Escape(core::Name(budget.limit.op)),
                     Formatted({budget.limit.value}, AsGiven, UnitOf(budget, network)));
}

std::string Header(const Report& report) {
  std::string facts;
  for (const std::string& fact : {report.space, report.dataset, report.created_at}) {
    if (!fact.empty()) facts += (facts.empty() ? "" : " · ") + Escape(fact);
  }
  std::string notes;
  for (const std::string& note : report.notes) notes += fmt::format("<li>{}</li>\n", Escape(note));
  if (!notes.empty()) notes = fmt::format("<ul class=\"notes\">\n{}</ul>\n", notes);
  return fmt::format("<header>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n{}</header>\n", Escape(report.title), facts,
                     notes);
}

std::string Tiles(const Report& report) {
  std::string tiles;
  for (const TestScore& test : TestsOf(report.chosen)) {
    tiles +=
        Tile(fmt::format("Test {}, fine-tuned", Escape(test.name)), Number(test.fine_tuned, test.unit),
             Number(test.inherited, test.unit) + " before fine-tuning" +
                 (test.count > 0 ? fmt::format("; {} {}", Number(static_cast<double>(test.count)), Escape(test.items))
                                 : ""));
  }
  for (const Budget& budget : report.budgets) {
    BudgetCheck check = CheckBudget(budget, report.chosen);
    tiles += Tile("Measured " + Escape(budget.limit.metric), Number(check.measured, UnitOf(budget, report.chosen)),
                  fmt::format("{}<br/>predicted {}<br/>{}", LimitMarkup(budget, report.chosen), Number(check.predicted),
                              Badge(check.verdict)));
  }
  const Proof& proof = report.proof;
  tiles +=
      Tile("Search", Escape(StatusText(proof)),
           fmt::format(
               "{}<br/>{} networks looked at{}",
               IsKnown(proof.gap) ? "gap to the proven bound " + GapText(proof) : "gap: " + Escape(Reason(proof.gap)),
               Number(static_cast<double>(proof.explored)),
               IsKnown(proof.seconds) ? " in " + Data(proof.seconds.value, Duration(proof.seconds.value)) : ""));
  for (const Audit& audit : report.audits) {
    if (audit.metric != report.landscape.y_metric) continue;
    Agreement agreement = ComputeAgreement(audit);
    tiles += Tile("Rank correlation, audited", Formatted(agreement.spearman, Correlation),
                  fmt::format("Spearman, predicted to measured {}<br/>{} random networks, mean error {}",
                              Escape(audit.metric), Number(static_cast<double>(agreement.networks)),
                              Formatted(agreement.mae, ThreeDigits, DifferenceUnit(audit.unit))));
  }
  return fmt::format("<div class=\"tiles\">\n{}</div>\n", tiles);
}

std::string MetricsTable(const ChosenNetwork& network) {
  if (network.metrics.empty()) return "";
  std::string rows;
  for (const Comparison& c : network.metrics) {
    std::string spread;
    if (IsKnown(c.measured_low) && IsKnown(c.measured_high)) {
      spread = fmt::format("{} to {}", Number(c.measured_low), Number(c.measured_high));
    } else if (IsKnown(c.measured)) {
      const Reading& missing = IsKnown(c.measured_low) ? c.measured_high : c.measured_low;
      spread = Dash(missing.reason);
    }
    std::string difference;
    if (IsKnown(c.predicted) && IsKnown(c.measured)) {
      double value = c.measured.value - c.predicted.value;
      difference = Data(value, Difference(value, c.measured.value));
      if (c.unit == "%") difference += " points";
      if (c.unit != "%" && Difference(value, c.measured.value) != "0" && c.predicted.value != 0) {
        difference += fmt::format(" ({}{})", value > 0 ? "+" : "", Percent(value / std::abs(c.predicted.value)));
      }
    }
    std::string how = Escape(c.method);
    if (c.samples > 0) how += fmt::format("{}n = {}", how.empty() ? "" : "; ", Number(static_cast<double>(c.samples)));
    rows += fmt::format(
        "<tr><th scope=\"row\">{}{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td>"
        "<td class=\"number\">{}</td><td class=\"number\">{}</td><td><small>{}</small></td></tr>\n",
        Escape(c.metric), c.unit.empty() ? "" : fmt::format(" <span class=\"unit\">[{}]</span>", Escape(c.unit)),
        Number(c.predicted), Number(c.measured), spread, difference, how);
  }
  return fmt::format(
      "<div class=\"scroll\"><table class=\"wide\">\n<thead><tr><th scope=\"col\">metric</th>"
      "<th scope=\"col\" class=\"number\">predicted</th><th scope=\"col\" class=\"number\">measured</th>"
      "<th scope=\"col\" class=\"number\">quartiles</th><th scope=\"col\" class=\"number\">measured − predicted</th>"
      "<th scope=\"col\">how</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
      rows);
}

std::string BudgetList(const Report& report) {
  std::string items;
  for (const Budget& budget : report.budgets) {
    BudgetCheck check = CheckBudget(budget, report.chosen);
    items += fmt::format("<p>{} Budget {}{}: {}.</p>\n", Badge(check.verdict), LimitMarkup(budget, report.chosen),
                         budget.origin.empty() ? "" : fmt::format(" ({})", Escape(budget.origin)), Escape(check.text));
  }
  return items;
}

std::string ProofTable(const Report& report) {
  const Proof& proof = report.proof;
  if (proof.explored == 0 && !IsKnown(proof.objective)) return "";
  std::string rows;
  auto row = [&](std::string_view name, const std::string& value) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", name, value);
  };
  row("status", Escape(StatusText(proof)));
  if (proof.status != core::SearchStatus::kInfeasible) {
    row("predicted " + Escape(proof.objective_metric), Number(proof.objective, proof.objective_unit));
    row("proven bound", Number(proof.bound, proof.objective_unit));
    row("gap", IsKnown(proof.gap) ? Data(proof.gap.value, GapText(proof)) : Number(proof.gap));
  }
  row("networks looked at",
      Number(static_cast<double>(proof.explored)) + (IsKnown(proof.networks) ? " of " + Number(proof.networks) : ""));
  if (!proof.estimator.empty()) row("estimator", Escape(proof.estimator));
  row("time", Formatted(proof.seconds, Duration));
  return fmt::format(
      "<div><h3>What the search proved</h3>\n<table class=\"settings\">\n{}</table>\n"
      "<p class=\"note\">Of the predictions of the estimator; the measurements are above.</p></div>\n",
      rows);
}

std::string CellFigure(const ChosenNetwork& network) {
  std::string cell = DrawCell(network.cell);
  if (cell.empty()) return "";
  std::vector<bool> live = LiveEdges(network.cell);
  bool dead = std::find(live.begin(), live.end(), false) != live.end();
  return fmt::format(
      "<figure><h3>The cell</h3>\n{}<figcaption class=\"note\">Node 0 is the input, the last node the output, "
      "each node the sum of what arrives.{}</figcaption></figure>\n",
      cell, dead ? " Dashed: <code>none</code>, or an operator that the output does not depend on." : "");
}

std::string StackFigure(const ChosenNetwork& network) {
  const std::string stacks = DrawStacks(network.stacks);
  if (stacks.empty()) return "";
  return fmt::format(
      "<figure><h3>The layers</h3>\n{}<figcaption class=\"note\">The first layer is at the bottom; a bar is as long as "
      "the layer's feed-forward part, the whole box as the largest of the space. A decoder layer has heads for what "
      "was "
      "said, and heads for the encoder layers that lines lead from.</figcaption></figure>\n",
      stacks);
}

std::string ChosenNetworkSection(const Report& report) {
  const ChosenNetwork& network = report.chosen;
  std::string html;
  if (network.architecture.empty()) {
    html = report.proof.status == core::SearchStatus::kInfeasible && report.proof.explored > 0
               ? "<p>" + Dash("no network keeps the budget") + "</p>\n"
               : "<p>" + Dash("no network was chosen") + "</p>\n";
  } else {
    html = fmt::format("<p><code>{}</code></p>\n", Escape(network.architecture));
  }
  html += BudgetList(report) + MetricsTable(network);
  std::string below = CellFigure(network) + StackFigure(network) + ProofTable(report);
  return below.empty() ? html : html + fmt::format("<div class=\"columns drawing\">\n{}</div>\n", below);
}

std::string AuditFigure(const Audit& audit) {
  Agreement a = ComputeAgreement(audit);
  std::string rows;
  auto row = [&](std::string_view name, const std::string& value) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", name, value);
  };
  row("networks",
      Number(static_cast<double>(a.networks)) +
          (a.left_out > 0 ? fmt::format("; {} left out: a number is missing", Number(static_cast<double>(a.left_out)))
                          : ""));
  std::string spearman = Formatted(a.spearman, Correlation);
  if (IsKnown(a.spearman_low) && IsKnown(a.spearman_high)) {
    spearman += fmt::format(" (95 % interval {} to {})", Formatted(a.spearman_low, Correlation),
                            Formatted(a.spearman_high, Correlation));
  } else if (IsKnown(a.spearman)) {
    spearman += fmt::format(" <small>({})</small>", Escape(Reason(a.spearman_low)));
  }
  row("Spearman", spearman);
  row("Kendall τ<sub>b</sub>", Formatted(a.kendall, Correlation));
  row("mean absolute error", Formatted(a.mae, ThreeDigits, DifferenceUnit(audit.unit)));
  row("the same, relative (MAPE)", Formatted(a.mape, Percent));
  row("mean of predicted − measured", Formatted(a.bias, SignedThreeDigits, DifferenceUnit(audit.unit)));
  std::string plot = AuditPlot(audit);
  if (plot.empty()) plot = "<p>" + Dash("no network has both numbers") + "</p>\n";
  std::string method = audit.method.empty() ? "" : fmt::format("<p class=\"note\">{}</p>\n", Escape(audit.method));
  return fmt::format("<figure><h3>{}</h3>\n{}<table class=\"settings\">\n{}</table>\n{}</figure>\n",
                     Escape(audit.metric), plot, rows, method);
}

std::string AuditSection(const Report& report) {
  std::string figures;
  for (const Audit& audit : report.audits) figures += AuditFigure(audit);
  return figures.empty() ? "" : fmt::format("<div class=\"columns\">\n{}</div>\n", figures);
}

std::string TrainingPart(std::string_view title, const Training& training) {
  if (training.epochs.empty() && training.settings.empty()) return "";
  std::string plots = LossPlot(training) + AccuracyPlot(training);
  std::string curves = plots.empty() ? training.epochs.empty() ? "<p>" + Dash("no epochs recorded") + "</p>\n"
                                                               : "<p>" + Dash("no finite loss or accuracy") + "</p>\n"
                                     : fmt::format("<div class=\"columns\">\n{}</div>\n", plots);
  std::string settings = SettingsTable(training.settings);
  if (!settings.empty()) settings = fmt::format("<details><summary>Settings</summary>\n{}</details>\n", settings);
  return fmt::format("<h3>{}</h3>\n{}{}", title, curves, settings);
}

std::string StageTimes(const std::vector<Stage>& stages) {
  if (stages.empty()) return "";
  double total = 0, longest = 0;
  for (const Stage& stage : stages) {
    if (!IsKnown(stage.seconds)) continue;
    total += stage.seconds.value;
    longest = std::max(longest, stage.seconds.value);
  }
  std::string rows;
  for (const Stage& stage : stages) {
    std::string bar;
    if (IsKnown(stage.seconds) && longest > 0) {
      bar = fmt::format("<div class=\"bar\" style=\"width:{:.1f}%\"></div>",
                        100 * std::clamp(stage.seconds.value / longest, 0.0, 1.0));
    }
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"bars\">{}</td>"
        "<td><small>{}</small></td></tr>\n",
        Escape(stage.name), Formatted(stage.seconds, Duration), bar, Escape(stage.note));
  }
  return fmt::format(
      "<h3>Time per stage</h3>\n<table class=\"wide\">\n<tbody>{}<tr><th scope=\"row\">total</th>"
      "<td class=\"number\">{}</td><td></td><td></td></tr></tbody></table>\n",
      rows, Formatted({total}, Duration));
}

std::string RunSection(const Report& report) {
  std::vector<Setting> settings;
  auto add = [&](std::string name, std::string value) {
    if (!value.empty()) settings.push_back({std::move(name), std::move(value)});
  };
  const Environment& environment = report.environment;
  add("device", environment.device);
  add("machine", environment.machine);
  if (environment.threads > 0) add("threads", std::to_string(environment.threads));
  for (const Setting& version : environment.versions) settings.push_back(version);
  std::string machine = SettingsTable(settings), macro = SettingsTable(report.macro);
  std::string columns;
  if (!machine.empty()) columns += "<div><h3>Machine</h3>\n" + machine + "</div>\n";
  if (!macro.empty()) columns += "<div><h3>Network around the blocks</h3>\n" + macro + "</div>\n";
  std::string html = StageTimes(report.stages);
  if (!columns.empty()) html += fmt::format("<div class=\"columns\">\n{}</div>\n", columns);
  if (!report.command.empty()) {
    html += fmt::format("<h3>To repeat it</h3>\n<p><code>{}</code></p>\n", Escape(report.command));
  }
  return html;
}

}  // namespace

std::string RenderHtml(const Report& report) {
  std::string front = FrontPlot(report);
  if (front.empty()) front = "<p>" + Dash("no predictions recorded") + "</p>\n";
  std::string blocks = BlockValues(report);
  std::string training =
      TrainingPart("Supernet", report.supernet) + TrainingPart("Fine-tuning of the chosen network", report.fine_tuning);
  std::string body =
      Header(report) + Tiles(report) + Section("The chosen network", "", ChosenNetworkSection(report)) +

      Section("The whole space",
              "Every network as the estimator sees it, and the best that is to be had for each cost.", front) +
      Section("Audit: random networks, predicted and then measured", "On the dashed line the two are equal.",
              AuditSection(report)) +
      Section("Block values",
              "What each candidate contributes, with the spread and the number of measurements where recorded. "
              "<span class=\"nowrap\"><span class=\"key better\"></span>improves the metric,</span> "
              "<span class=\"nowrap\"><span class=\"key worse\"></span>worsens it,</span> "
              "stronger = more; ● chosen, ref = reference block.",
              blocks) +
      Section("Training", "", training) + Section("The run", "", RunSection(report));
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n"
      "<style>{}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
      Escape(report.title), kStyle, body);
}

}  // namespace mathnas::report
