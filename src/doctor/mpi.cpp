#include "lckv/doctor/mpi.h"

#include <cstdlib>

#include <unistd.h>

#include "lckv/base/text.h"
#include "lckv/comm/library_versions.h"
#include "lckv/doctor/programs.h"

namespace lckv::doctor {

namespace {

constexpr auto kRootVariables = "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1";

/// The line that says most of what went wrong: the first that is not decoration.
std::string telling_line(const std::string& output) {
  for (const std::string& line : split(output, '\n')) {
    if (line.find_first_not_of("-* \t\r") != std::string::npos) return line.substr(0, 160);
  }
  return "no message";
}

std::string try_two_ranks(const std::string& mpirun, const std::string& program) {
  constexpr double kPatience_s = 20;
  const ProgramOutcome outcome =
      run_program({mpirun, "-n", "2", "--oversubscribe", "--bind-to", "none", program, "--version"},
                  kPatience_s, {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"});
  if (outcome.timed_out) return format("no answer within {} s", kPatience_s);
  if (outcome.exit_code == 0 && outcome.output.find("lckv ") != std::string::npos) return "ok";
  return format("exit {}: {}", outcome.exit_code, telling_line(outcome.output));
}

bool is_linked_version(const MpiFacts& mpi) {
  return mpi.library.find("v" + mpi.mpirun_version) != std::string::npos;
}

Finding judge_mpirun(const MpiFacts& mpi) {
  if (mpi.mpirun.empty()) {
    return missing("MPI", "mpirun", "not in PATH: one rank only", install_command("openmpi-bin"));
  }
  if (mpi.mpirun_version.empty() || !is_linked_version(mpi)) {
    return warn(
        "MPI", "mpirun",
        format("{} {} does not belong to {}: each rank may train alone", mpi.mpirun,
               mpi.mpirun_version.empty() ? "(not Open MPI)" : mpi.mpirun_version, mpi.library),
        "put the folder of that Open MPI's mpirun first in PATH");
  }
  return ok("MPI", "mpirun", format("{} {}", mpi.mpirun, mpi.mpirun_version));
}

Finding judge_trial(const MpiFacts& mpi) {
  if (mpi.trial == "ok") return ok("MPI", "two ranks", "start and find each other");
  return warn("MPI", "two ranks", mpi.trial,
              "see what it says: mpirun -n 2 --oversubscribe lckv --version");
}

}  // namespace

std::string version_of_mpirun(const std::string& output) {
  const std::string first = split(output, '\n')[0];
  constexpr std::string_view kMark = " (Open MPI) ";
  const size_t at = first.find(kMark);
  return at == std::string::npos ? "" : first.substr(at + kMark.size());
}

MpiFacts read_mpi(bool tries, const std::string& program) {
  MpiFacts mpi;
  mpi.library = comm::mpi_library_version();
  mpi.mpirun = find_in_path("mpirun");
  mpi.is_root = geteuid() == 0;
  mpi.allows_root = std::getenv("OMPI_ALLOW_RUN_AS_ROOT") != nullptr &&
                    std::getenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM") != nullptr;
  if (mpi.mpirun.empty()) return mpi;
  mpi.mpirun_version = version_of_mpirun(run_program({mpi.mpirun, "--version"}, 10).output);
  if (tries) mpi.trial = try_two_ranks(mpi.mpirun, program);
  return mpi;
}

std::vector<Finding> judge_mpi(const MpiFacts& mpi) {
  std::vector<Finding> findings = {ok("MPI", "library", mpi.library), judge_mpirun(mpi)};
  if (mpi.mpirun.empty()) return findings;
  if (mpi.is_root && !mpi.allows_root) {
    findings.push_back(warn("MPI", "root", "Open MPI refuses to start as root", kRootVariables));
  }
  if (!mpi.trial.empty()) findings.push_back(judge_trial(mpi));
  return findings;
}

}  // namespace lckv::doctor
