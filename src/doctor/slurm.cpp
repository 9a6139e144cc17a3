#include "lckv/doctor/slurm.h"

#include <algorithm>

#include "lckv/base/text.h"
#include "lckv/doctor/programs.h"

namespace lckv::doctor {

namespace {

/// The names in the list: "pmix_v4, cray_shasta" or one on each line, whatever stands around.
std::vector<std::string> words_of(std::string text) {
  for (char& c : text) {
    if (c == ',' || c == '\n' || c == '\t') c = ' ';
  }
  return split(text, ' ');
}

bool has_pmix(const std::string& list) {
  const std::vector<std::string> words = words_of(list);
  return std::any_of(words.begin(), words.end(),
                     [](const std::string& word) { return word.starts_with("pmix"); });
}

/// The last line that says something.
std::string last_line(const std::string& output) {
  std::string last = "no message";
  for (const std::string& line : split(output, '\n')) {
    if (!line.empty()) last = line;
  }
  return last;
}

}  // namespace

SlurmFacts read_slurm() {
  SlurmFacts slurm;
  slurm.srun = find_in_path("srun");
  if (slurm.srun.empty()) return slurm;
  const ProgramOutcome outcome = run_program({slurm.srun, "--mpi=list"}, 10);
  slurm.exit_code = outcome.timed_out ? -1 : outcome.exit_code;
  slurm.mpi_list = outcome.timed_out ? "no answer within 10 s" : outcome.output;
  return slurm;
}

std::vector<Finding> judge_slurm(const SlurmFacts& slurm) {
  if (slurm.srun.empty()) return {ok("Slurm", "srun", "not here: mpirun starts the ranks")};
  if (slurm.exit_code != 0) {
    return {warn("Slurm", "srun", format("{}: {}", slurm.srun, last_line(slurm.mpi_list)),
                 "start ranks with mpirun, or run this on a node of the cluster")};
  }
  if (has_pmix(slurm.mpi_list)) return {ok("Slurm", "srun", slurm.srun + ", --mpi=pmix is there")};
  return {missing("Slurm", "pmix",
                  format("{} has no PMIx plugin: srun's ranks do not find each other", slurm.srun),
                  "start ranks with mpirun inside salloc or sbatch, or build Slurm --with-pmix")};
}

}  // namespace lckv::doctor
