#include <cstdio>
#include <limits>
#include <optional>

#include <CLI/CLI.hpp>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/train/device.h"
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

const char* spelled(DType dtype) {
  return dtype == DType::kF64 ? "double" : dtype == DType::kF32 ? "fp32" : "bf16";
}

struct Totals {
  int held = 0, above = 0, refused = 0;
};

double tolerance_of(const GoldenFile& file, DType dtype) {
  if (dtype == DType::kF64) return kDoubleTolerance;
  // bf16 is reported, not judged, but what is not a number fails in every precision.
  return dtype == DType::kF32 ? error_bound(file, 0x1p-24) : std::numeric_limits<double>::max();
}

/// On rank 0.
void judge(const std::string& path, const GoldenFile& file, const Report& report,
           const RunSettings& settings, bool verbose, Totals& totals) {
  const double tolerance = tolerance_of(file, settings.dtype);
  print_row(path, file, report, tolerance);
  if (verbose) {
    for (const Comparison& c : report.comparisons()) {
      fmt::print("    {:<60} {:.3e}\n", c.name, c.error);
    }
  }
  ++(report.worst().error <= tolerance ? totals.held : totals.above);
}

void print_totals(const Totals& totals, size_t files, DType dtype, const std::string& grid) {
  if (totals.held + totals.above == 0) {
    fmt::print("{} files, {}, {}: none fits the grid, NOTHING was checked\n", files, spelled(dtype),
               grid);
    return;
  }
  fmt::print("{} files, {}, {}: {}", files, spelled(dtype), grid,
             totals.above > 0        ? "FAILED"
             : dtype == DType::kBF16 ? "reported, every number finite"
                                     : "every error within its tolerance");
  if (totals.refused > 0)
    fmt::print("; {} do not fit the grid and were NOT checked", totals.refused);
  fmt::print("\n");
}

int check_files(comm::World& world, const std::vector<std::string>& paths,
                const RunSettings& settings, const std::string& dump, bool verbose) {
  const bool speaks = world.rank() == 0;
  std::string asked = std::string(spelled(settings.dtype)) + " --tensor " +
                      std::to_string(settings.tensor) +
                      (settings.sequence_parallel ? " --sequence" : "");
  for (const std::string& path : paths) asked += "\n" + path;
  comm::require_equal_texts(world, "what is asked", asked);
  std::vector<std::pair<std::string, Report>> reports;
  Totals totals;
  for (const std::string& path : paths) {
    std::optional<GoldenFile> file;
    comm::together(world, [&] { file.emplace(GoldenFile::open(path)); });
    try {
      Report report = run_file(world, *file, settings);
      if (speaks) judge(path, *file, report, settings, verbose, totals);
      reports.emplace_back(paths.size() > 1 ? path.substr(path.find_last_of('/') + 1) + "/" : "",
                           std::move(report));
    } catch (const Error& error) {
      if (error.exit_code() != ExitCode::kConfig) throw;
      if (speaks) fmt::print("{}: REFUSED: {}\n", path, error.what());
      ++totals.refused;
    }
  }
  if (speaks && !dump.empty()) write_dump(dump, reports);
  if (speaks) {
    const comm::Grid grid{world.size() / settings.tensor, settings.tensor, 0};
    print_totals(totals, paths.size(), settings.dtype, to_string(grid));
  }
  const bool above = comm::any_rank(world.all(), totals.above > 0, "golden");
  const ExitCode code = above                ? ExitCode::kCheckFailed
                        : totals.refused > 0 ? ExitCode::kConfig
                                             : ExitCode::kOk;
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Runs the project's model on golden files and compares every number they hold."};
  std::vector<std::string> paths;
  std::string precision = "double", device = "cpu", dump;
  bool verbose = false, over_nccl = false;
  RunSettings settings;
  app.add_option("files", paths,
                 "Golden files (case_*, train_*, decode_*), their weights beside them")
      ->required();
  app.add_option("--precision", precision,
                 "double: <= 1e-9; fp32: <= computed bound; bf16: reported")
      ->check(CLI::IsMember({"double", "fp32", "bf16"}));
  app.add_option("--dump", dump, "Write our values to this safetensors file");
  app.add_option("--tensor", settings.tensor,
                 "Under mpirun: ranks that share the model; the others are copies with rows of "
                 "their own")
      ->check(CLI::PositiveNumber);
  app.add_option("--device", device, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}));
  app.add_flag("--nccl", over_nccl,
               "Collectives over NCCL or not at all, also where ranks share a GPU");
  app.add_flag("--sequence", settings.sequence_parallel, "Sequence parallelism");
  app.add_flag("--verbose", verbose, "One line per tensor");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }

  settings.dtype = precision == "double" ? DType::kF64
                   : precision == "fp32" ? DType::kF32
                                         : DType::kBF16;
  if (over_nccl) settings.device_comm = config::DeviceComm::kNccl;
  std::optional<comm::World> world;
  try {
    world.emplace(comm::World::join());
    settings.device = train::resolve_device(
        *world, device == "cuda" ? config::DeviceChoice::kCuda : config::DeviceChoice::kCpu);
    return check_files(*world, paths, settings, dump, verbose);
  } catch (const Error& error) {
    const bool agreed = dynamic_cast<const comm::AgreedError*>(&error) != nullptr;
    const std::string place = world && !agreed ? world->describe_rank() + " " : "";
    if (!agreed || world->rank() == 0) {
      fmt::print(stderr, "golden_check: {}{}\n", place, error.what());
    }
    if (world && world->size() > 1 && !agreed) world->abort(error.exit_code());
    return static_cast<int>(error.exit_code());
  }
}
