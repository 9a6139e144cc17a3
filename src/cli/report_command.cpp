#include <chrono>

#include <fmt/chrono.h>
#include <fmt/core.h>

#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/output_name.h"
#include "lckv/report/report.h"

namespace lckv::cli {

namespace {

std::string now_text() {
  return format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::chrono::system_clock::now()));
}

}  // namespace

ExitCode run_report(const ReportArgs& args) {
  require_output(args.output);
  const report::Runs runs = report::read_runs(args.runs);
  const report::ReportOptions options{
      .across = args.across == "tokens" ? report::Across::kTokens : report::Across::kSteps,
      .title = args.title};
  const std::string page = report::page_html(runs, options, now_text());
  checkpoint::write_file_atomically(args.output, page);
  fmt::print("{}: {} of {} run{}\n", args.output, human_bytes(static_cast<double>(page.size())),
             runs.size(), runs.size() > 1 ? "s" : "");
  return ExitCode::kOk;
}

}  // namespace lckv::cli
