// Text, numbers and tables as HTML.
#ifndef MATHNAS_REPORT_MARKUP_H_
#define MATHNAS_REPORT_MARKUP_H_

#include <string>
#include <string_view>
#include <vector>

#include "mathnas/report/report.h"

namespace mathnas::report {

// Text for element content and for attributes in double quotes. Control characters and bytes that are not UTF-8 become
// U+FFFD; tabs and newlines stay.
std::string Escape(std::string_view text);

// <data value="EXACT">SHORT</data>: people read the short form, programs the exact one.
std::string Data(double value, std::string_view shown);
// The same with `Short` and the unit; a dash if not finite.
std::string Number(double value, std::string_view unit = {});
// The same; a dash and the reason if missing.
std::string Number(const Reading& reading, std::string_view unit = {});
// The same in a form of its own.
std::string Formatted(const Reading& reading, std::string (*format)(double), std::string_view unit = {});
std::string Dash(std::string_view reason);

// A table of names and values, "" if there are none.
std::string SettingsTable(const std::vector<Setting>& settings);

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_MARKUP_H_
