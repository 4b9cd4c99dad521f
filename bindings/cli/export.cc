// mathnas export --table T --limit .. --format lp|mps --out F, or --checkpoint C --subnet S --format onnx --out F
#include <fstream>

#include "bindings/cli/command.h"
#include "bindings/cli/estimator_options.h"
#include "bindings/cli/export_onnx.h"
#include "bindings/cli/request_options.h"
#include "fmt/format.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/exchange/export_milp.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  RequestOptions request;
  OnnxExport onnx;
  std::string table, format = "lp", out;
};

absl::StatusOr<Answer> ExportTable(const Options& o, exchange::MilpFormat format) {
  if (auto s = RefuseOnnxOptions(o.onnx, o.format); !s.ok()) return s;
  if (o.table.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("--table: missing, expected a block table for --format {}", o.format));
  }
  auto table = core::Load(o.table);
  if (!table.ok()) return table.status();
  auto request = o.request.Make();
  if (!request.ok()) return request.status();
  auto text = exchange::ExportMilp(*table, *request, format);
  if (!text.ok()) return text.status();
  std::ofstream file(o.out, std::ios::binary);
  file << *text;
  file.close();
  if (!file) return absl::InternalError(fmt::format("{}: cannot be written", o.out));
  return Answer{{{"file", o.out}, {"format", o.format}, {"bytes", text->size()}},
                fmt::format("{}: {} bytes\n", o.out, text->size())};
}

absl::StatusOr<Answer> Export(Options& o) {
  if (o.format == "onnx") return ExportOnnx(o.common, o.onnx, o.out);
  auto format = exchange::ParseMilpFormat(o.format);
  if (!format.ok())
    return absl::InvalidArgumentError(fmt::format("--format {:.100}: expected lp, mps or onnx", o.format));
  return ExportTable(o, *format);
}

}  // namespace

void AddExport(CLI::App& app) {
  static Options o;
  CLI::App* command =
      AddCommand(app, "export",
                 "The search as a mixed-integer linear program for other solvers (it minimises), or a network as ONNX",
                 "mathnas export --table table.json --limit 'latency<=0.5' --format mps --out search.mps\n"
                 "  mathnas export --checkpoint run/checkpoint.safetensors --subnet @network.json --data fashion-mnist "
                 "--format onnx "
                 "--out network.onnx\n"
                 "  mathnas export found/network.mathnas --format onnx --out network.onnx",
                 o.common, [] { return Export(o); });
  command->add_option("--table", o.table, "lp, mps: a block table");
  o.request.AddTo(command);
  command->add_option("--format", o.format, "lp (CPLEX LP) or mps (free MPS) of a table, onnx of a network")
      ->capture_default_str();
  o.onnx.AddTo(command);
  command->add_option("--out", o.out, "The file to write; of a translator two, OUT.encoder.onnx and OUT.decoder.onnx")
      ->required();
}

}  // namespace mathnas::cli
