#include "mathnas/report/markup.h"

#include <cmath>

#include "fmt/format.h"
#include "mathnas/report/numbers.h"
#include "mathnas/report/utf8.h"

namespace mathnas::report {

std::string Escape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    auto [code, bytes] = FirstCharacter(text);
    if (code == '&') {
      escaped += "&amp;";
    } else if (code == '<') {
      escaped += "&lt;";
    } else if (code == '>') {
      escaped += "&gt;";
    } else if (code == '"') {
      escaped += "&quot;";
    } else if (code == '\'') {
      escaped += "&#39;";
    } else if (code == kReplacement || (IsControl(code) && code != '\n' && code != '\t')) {
      escaped += "\uFFFD";
    } else {
      escaped += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return escaped;
}

std::string Data(double value, std::string_view shown) {
  return fmt::format(R"(<data value="{}">{}</data>)", Exact(value), Escape(shown));
}

std::string Dash(std::string_view reason) {
  if (reason.empty()) return R"(<span class="missing">–</span>)";
  return fmt::format(R"(<span class="missing">–&#160;<small>{}</small></span>)", Escape(reason));
}

std::string Number(double value, std::string_view unit) {
  if (!std::isfinite(value)) return R"(<span class="missing">–</span>)";
  std::string number = Data(value, Short(value));
  return unit.empty() ? number : number + "&#160;" + Escape(unit);
}

std::string Number(const Reading& reading, std::string_view unit) {
  return IsKnown(reading) ? Number(reading.value, unit) : Dash(Reason(reading));
}

std::string Formatted(const Reading& reading, std::string (*format)(double), std::string_view unit) {
  if (!IsKnown(reading)) return Dash(Reason(reading));
  std::string number = Data(reading.value, format(reading.value));
  return unit.empty() ? number : number + "&#160;" + Escape(unit);
}

std::string SettingsTable(const std::vector<Setting>& settings) {
  if (settings.empty()) return "";
  std::string rows;
  for (const Setting& setting : settings) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", Escape(setting.name), Escape(setting.value));
  }
  return fmt::format("<table class=\"settings\">\n{}</table>\n", rows);
}

}  // namespace mathnas::report
