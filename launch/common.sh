#!/usr/bin/env bash
# What the launch scripts share; sourced by them, which first set `me`, the name by which they speak, and `home`, the repository.
# shellcheck disable=SC2034  # what is set here is read there
: "${me:?}" "${home:?}"

say() { printf '%s %s: %s\n' "$(date -u +%FT%TZ)" "$me" "$*"; }
refuse_usage() { printf '%s: %s (see --help)\n' "$me" "$*" >&2; exit 2; }

# The comment at the top of a script is its help.
print_help() { sed -n -e '1d' -e '/^#SBATCH/q' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$1"; }

# A command as a shell would read it.
as_text() {
  local quoted
  printf -v quoted '%q ' "$@"
  printf '%s\n' "${quoted% }"
}

# The value $2 of the variable $1, where a number is asked for.
require_number() { [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] || refuse_usage "$1 is a number, not '$2'"; }

# The program, as an absolute path: LCKV, or build/lckv of the repository `home`.
find_lckv() {
  lckv=${LCKV:-$home/build/lckv}
  if [ ! -f "$lckv" ] || [ ! -x "$lckv" ]; then
    printf '%s: no program at %s; build it (tools/build.sh), or name it: LCKV=PROGRAM\n' "$me" "$lckv" >&2
    exit 2
  fi
  lckv=$(realpath "$lckv")
}

# What an exit code of lckv, or of its launcher, means.
meaning_of() {
  case $1 in
    0) echo "done" ;;
    1) echo "a check did not hold, or the launcher failed" ;;
    2) echo "the command line is wrong" ;;
    3) echo "the configuration is wrong" ;;
    4) echo "the data are wrong, or documents could not be scored" ;;
    5) echo "the file system or the memory refused" ;;
    6) echo "the device refused" ;;
    7) echo "communication failed: the log names the ranks" ;;
    8) echo "training diverged" ;;
    70) echo "a bug in lckv" ;;
    75) echo "stopped by a signal or its time limit after saving; the same command continues" ;;
    124) echo "no answer in time" ;;
    126 | 127) echo "the program could not be started" ;;
    130) echo "interrupted, partial output removed" ;;
    *) if [ "$1" -gt 128 ]; then echo "killed by SIG$(kill -l $(($1 - 128)) 2>/dev/null || echo " $1")"; else echo "not a code of lckv"; fi ;;
  esac
}

# Open MPI refuses to start as root unless it is told twice.
allow_root() {
  [ "$(id -u)" -eq 0 ] || return 0
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

# The value of an #SBATCH line of a script, "" where there is none.
sbatch_line() { sed -n "s/^#SBATCH --$2=\([^ ]*\).*/\1/p" "$1" | head -n 1; }

# `launcher`, the words in front of lckv in an allocation: a rank per task. Outside an allocation, for a dry run, the tasks are those
# of the #SBATCH lines of script $1.
build_launcher() {
  local cpus=${SLURM_CPUS_PER_TASK:-} more
  [ -n "${SLURM_JOB_ID:-}" ] || cpus=$(sbatch_line "$1" cpus-per-task)
  read -ra more <<<"${LCKV_LAUNCH_OPTIONS:-}"
  case ${LCKV_LAUNCHER:-srun} in
    # Since Slurm 22.05 a step does not inherit --cpus-per-task.
    srun) launcher=(srun --mpi=pmix --kill-on-bad-exit=1 ${cpus:+"--cpus-per-task=$cpus"} "${more[@]}") ;;
    mpirun) launcher=(mpirun --bind-to none "${more[@]}") ;;
    *) refuse_usage "LCKV_LAUNCHER is srun or mpirun, not '$LCKV_LAUNCHER'" ;;
  esac
}

# The folder of a run: `output` of its file, unless an argument overrides it.
run_folder() {
  local config=$1 folder word
  shift
  folder=$(sed -n 's/^output:[[:space:]]*//p' "$config" |
    sed -e 's/^"\([^"]*\)".*/\1/' -e t -e "s/^'\([^']*\)'.*/\1/" -e t -e 's/[[:space:]]#.*//' -e 's/[[:space:]]*$//' | head -n 1)
  for word in "$@"; do
    word=${word#--set=}
    [[ $word == output=* ]] && folder=${word#output=}
  done
  printf '%s\n' "$folder"
}

# ---------------------------------------------------------------- a program that is told of signals
# launch COMMAND...: runs it, passes SIGUSR1 on to it, and leaves its exit code in `code`, whether SIGUSR1 came in `told_to_stop`, and
# whether SIGTERM did (Slurm sends it to the ranks itself) in `cancelled`. A signal that came before keeps the program from being
# started: `code` is then 75.
launched="" told_to_stop=false cancelled=false interrupted=false code=0
on_stop() {
  told_to_stop=true interrupted=true
  say "SIGUSR1: ${launched:+passed on, }the time is nearly over"
  [ -z "$launched" ] || kill -USR1 "$launched" 2>/dev/null || true
}
on_cancel() {
  cancelled=true interrupted=true
  say "SIGTERM: this job is being cancelled, requeued or preempted"
}
listen() { trap on_stop USR1; trap on_cancel TERM; }

launch() {
  code=75
  if $told_to_stop || $cancelled; then return; fi
  "$@" &
  launched=$!
  # A signal that came between the test above and now was not passed on.
  if $told_to_stop; then kill -USR1 "$launched" 2>/dev/null || true; fi
  wait_for_launched
  launched=""
}

# The exit code of `launched`, in `code`. A trapped signal, whose trap sets `interrupted`, ends `wait` too early.
wait_for_launched() {
  while :; do
    interrupted=false code=0
    wait "$launched" || code=$?
    $interrupted || break
  done
}
