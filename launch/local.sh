#!/usr/bin/env bash
# Runs a command of lckv on this machine, on any number of ranks.
#
#   launch/local.sh [-n RANKS] [--oversubscribe] [--dry-run] COMMAND [ARGUMENTS...]
#   launch/local.sh -n 4 train configs/lckv_50m.yaml --set parallel.tensor=2
#
#   -n RANKS          default: one per GPU; 1 without GPUs, for a command whose words say that it uses the CPU, or that runs in one process
#   --oversubscribe   more ranks than GPUs, or than cores, are wanted
#   --dry-run         print what would be run, and do nothing
#
# Each rank takes an equal share of the cores and binds itself to it; the launcher binds nothing. One rank runs without mpirun.
# SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 to this script reach mpirun as SIGUSR1, which it passes to its ranks: lckv train saves and ends
# with 75. (SIGTERM and SIGINT to mpirun itself kill the ranks a second later.) A second SIGINT or SIGTERM kills.
#
#   variable              default        meaning
#   LCKV                  build/lckv     the program
#   LCKV_LAUNCH_OPTIONS   none           more options of mpirun, separated by blanks
# Exit code: that of lckv; 2: the command line is wrong.
set -euo pipefail
me=local.sh
home=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")") # also where a link names the script
# shellcheck source=launch/common.sh
source "$home/launch/common.sh"

# ---------------------------------------------------------------- what is asked
ranks="" oversubscribe=false dry_run=false
while [[ ${1:-} == -* ]]; do
  case $1 in
    --help | -h) print_help "${BASH_SOURCE[0]}"; exit 0 ;;
    -n) [ $# -gt 1 ] || refuse_usage "-n takes a number of ranks"; ranks=$2; shift ;;
    --oversubscribe) oversubscribe=true ;;
    --dry-run) dry_run=true ;;
    *) refuse_usage "unknown option $1; options of lckv stand behind its command" ;;
  esac
  shift
done
[ $# -gt 0 ] || refuse_usage "which command of lckv? local.sh -n 2 train RUN.yaml"
[[ -z $ranks || $ranks =~ ^[1-9][0-9]{0,5}$ ]] || refuse_usage "-n takes a number of ranks, not '$ranks'"
find_lckv

# ---------------------------------------------------------------- GPUs, cores, ranks
count_gpus() {
  local listed one count=0
  if [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
    IFS=, read -ra listed <<<"$CUDA_VISIBLE_DEVICES"
    for one in "${listed[@]}"; do
      [[ $one != -* ]] || break # as CUDA does: -1 hides itself and what stands behind it
      count=$((count + 1))
    done
    echo "$count"
  else
    { nvidia-smi -L 2>/dev/null || true; } | grep -c '^GPU ' || true
  fi
}
# The other commands run in one process.
is_of_ranks() {
  case $1 in
    tokenize | inspect | plan | checkpoint | export | import | report | completion) false ;;
    bench) [[ ${2:-} != ops && ${2:-} != generate ]] ;;
    doctor) [[ " $* " == *" --nodes "* ]] ;;
    *) true ;;
  esac
}
wants_cpu() { [[ " $* " =~ \ (--set[=\ ])?train\.device=cpu\ |\ --device[=\ ]cpu\  ]]; }

cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) # which would count those
gpus=0
wants_cpu "$@" || gpus=$(count_gpus)
if [ -z "$ranks" ]; then
  ranks=1
  if is_of_ranks "$@" && [ "$gpus" -gt 0 ]; then ranks=$gpus; fi
fi
if ! $oversubscribe && [ "$gpus" -gt 0 ] && [ "$ranks" -gt "$gpus" ]; then
  refuse_usage "$ranks ranks, but $gpus GPUs: one rank per GPU, or --oversubscribe, or --set train.device=cpu"
fi
if ! $oversubscribe && [ "$ranks" -gt "$cores" ]; then
  refuse_usage "$ranks ranks, but $cores cores that this process may use: fewer ranks, or --oversubscribe"
fi

command=("$lckv" "$@")
if $oversubscribe; then
  case $1 in
    train | plan) command+=(--set parallel.oversubscribe=true) ;;
    eval | generate) command+=(--oversubscribe) ;;
  esac
fi
if [ "$ranks" -gt 1 ]; then
  read -ra more <<<"${LCKV_LAUNCH_OPTIONS:-}"
  # Open MPI counts cores where the system counts hardware threads: whether the ranks fit was asked above.
  command=(mpirun -n "$ranks" --bind-to none --oversubscribe "${more[@]}" "${command[@]}")
fi

if $dry_run; then
  as_text "${command[@]}"
  exit 0
fi

# ---------------------------------------------------------------- the run
[ "$ranks" -gt 1 ] || exec "${command[@]}"
command -v mpirun >/dev/null || { echo "$me: no mpirun here; install Open MPI (tools/setup.sh), or -n 1" >&2; exit 2; }
if [ "$(id -u)" -eq 0 ]; then
  echo "$me: running as root, which Open MPI is told to allow" >&2
  allow_root
fi

stops=0
# shellcheck disable=SC2317  # called by the traps
stop() {
  stops=$((stops + 1))
  interrupted=true
  if [ "$stops" -eq 1 ]; then
    echo "$me: $1: lckv is told to stop, a run that trains saves first; once more kills" >&2
    kill -USR1 "$launched" 2>/dev/null || true
  else
    kill -TERM "$launched" 2>/dev/null || true
  fi
}
set -m # a process group of its own: Ctrl-C reaches this script alone
"${command[@]}" </dev/null &
launched=$!
for signal in INT TERM USR1; do
  # shellcheck disable=SC2064  # the name of now is meant
  trap "stop SIG$signal" "$signal"
done
wait_for_launched
if [ "$code" -ne 0 ]; then echo "$me: exit $code: $(meaning_of "$code")" >&2; fi
exit "$code"
