// mathnas export --table T --limit .. --format lp|mps --out F
#include <fstream>

#include "bindings/cli/command.h"
#include "bindings/cli/estimator_options.h"
#include "bindings/cli/request_options.h"
#include "fmt/format.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/exchange/export_milp.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  RequestOptions request;
  std::string table, format = "lp", out;
};

absl::StatusOr<Answer> Export(const Options& o) {
  auto table = core::Load(o.table);
  if (!table.ok()) return table.status();
  auto request = o.request.Make();
  if (!request.ok()) return request.status();
  auto format = exchange::ParseMilpFormat(o.format);
  if (!format.ok()) return format.status();
  auto text = exchange::ExportMilp(*table, *request, *format);
  if (!text.ok()) return text.status();
  std::ofstream file(o.out, std::ios::binary);
  file << *text;
  file.close();
  if (!file) return absl::InternalError(fmt::format("{}: cannot be written", o.out));
  return Answer{{{"file", o.out}, {"format", o.format}, {"bytes", text->size()}},
                fmt::format("{}: {} bytes\n", o.out, text->size())};
}

}  // namespace

void AddExport(CLI::App& app) {
  static Options o;
  CLI::App* command =
      AddCommand(app, "export", "The search as a mixed-integer linear program for other solvers; it minimises",
                 "mathnas export --table table.json --limit 'latency<=0.5' --format mps --out search.mps", o.common,
                 [] { return Export(o); });
  command->add_option("--table", o.table, "A block table")->required();
  o.request.AddTo(command);
  command->add_option("--format", o.format, "lp (CPLEX LP) or mps (free MPS)")->capture_default_str();
  command->add_option("--out", o.out, "The file to write")->required();
}

}  // namespace mathnas::cli
