#include <cstdio>
#include <limits>

#include <CLI/CLI.hpp>

#include "lckv/base/text.h"
#include "run_file.h"

namespace {

using namespace lckv;
using namespace lckv::golden;

constexpr double kDoubleTolerance = 1e-9;

void write_dump(const std::string& path,
                const std::vector<std::pair<std::string, Report>>& reports) {
  std::vector<checkpoint::NamedTensor> tensors;
  for (const auto& [prefix, report] : reports) {
    for (const Report::Dumped& dumped : report.dumped()) {
      tensors.push_back({prefix + dumped.name,
                         ConstView(dumped.values.data(), DType::kF64, dumped.shape), DType::kF64});
    }
  }
  checkpoint::write_safetensors(path, tensors);
}

void print_row(const std::string& path, const GoldenFile& file, const Report& report,
               double tolerance) {
  std::string line =
      format("{:<44}", path.size() > 44 ? "..." + path.substr(path.size() - 41) : path);
  const auto add = [&](const char* label, const std::string& prefix) {
    line += format(" {} {:.1e}", label, report.worst(prefix).error);
  };
  if (file.kind == FileKind::kCase) {
    add("logits", "logits");
    add("nll", "nll");
    add("loss", "loss");
    add("grad", "grad.");
    line += " (" + report.worst("grad.").name + ")";
  } else if (file.kind == FileKind::kTrain) {
    add("losses", "losses");
    add("norms", "grad_norms");
    add("weights", "final.");
    line += " (" + report.worst("final.").name + ")";
  } else {
    add("logits", "logits");
    add("parallel", "logits_parallel");
  }
  const bool holds = report.worst().error <= tolerance;
  const bool judged = tolerance < std::numeric_limits<double>::max();
  fmt::print("{}  {}\n", line,
             !holds    ? format("ABOVE {:.1e}", tolerance)
             : !judged ? "finite, not judged"
                       : format("<= {:.1e}", tolerance));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Runs the project's model on golden files and compares every number they hold."};
  std::vector<std::string> paths;
  std::string precision = "double", dump;
  bool verbose = false;
  app.add_option("files", paths,
                 "Golden files (case_*, train_*, decode_*), their weights beside them")
      ->required();
  app.add_option("--precision", precision,
                 "double: <= 1e-9; fp32: <= computed bound; bf16: reported")
      ->check(CLI::IsMember({"double", "fp32", "bf16"}));
  app.add_option("--dump", dump, "Write our values to this safetensors file");
  app.add_flag("--verbose", verbose, "One line per tensor");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }

  RunSettings settings;
  settings.dtype = precision == "double" ? DType::kF64
                   : precision == "fp32" ? DType::kF32
                                         : DType::kBF16;
  try {
    bool all_hold = true;
    std::vector<std::pair<std::string, Report>> reports;
    for (const std::string& path : paths) {
      const GoldenFile file = GoldenFile::open(path);
      // bf16 is reported, not judged, but what is not a number fails in every precision.
      const double tolerance = precision == "double" ? kDoubleTolerance
                               : precision == "fp32" ? error_bound(file, 0x1p-24)
                                                     : std::numeric_limits<double>::max();
      Report report = run_file(file, settings);
      print_row(path, file, report, tolerance);
      if (verbose) {
        for (const Comparison& c : report.comparisons())
          fmt::print("    {:<60} {:.3e}\n", c.name, c.error);
      }
      all_hold = all_hold && report.worst().error <= tolerance;
      reports.emplace_back(paths.size() > 1 ? path.substr(path.find_last_of('/') + 1) + "/" : "",
                           std::move(report));
    }
    if (!dump.empty()) write_dump(dump, reports);
    fmt::print("{} files, {}: {}\n", paths.size(), precision,
               !all_hold             ? "FAILED"
               : precision == "bf16" ? "reported, every number finite"
                                     : "every error within its tolerance");
    return all_hold ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "golden_check: {}\n", error.what());
    return static_cast<int>(error.exit_code());
  }
}
