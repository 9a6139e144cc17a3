#!/usr/bin/env bash
# Two ranks over NCCL, one of which stops, hangs, dies, fails or goes astray: every such world must end in time, with the documented exit code,
# name who is to blame on stderr and leave no process behind.
#   usage: tests/cuda/nccl_faults.sh FOLDER     FOLDER: of tools/bundle.sh, with stall_program; needs two GPUs
# Exit 0: all did.
set -uo pipefail
[ $# -eq 1 ] || { sed -n '2,5p' "${BASH_SOURCE[0]}" >&2; exit 2; }
folder=$(realpath "$1")
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
stall_s=4
ends_s=6    # from the report on: stacks, and mpirun, which kills a second after it has asked
world_s=90  # all of it: NCCL is loaded, finds its peers
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

lives() { [ -e "/proc/$1" ] && ! grep -qs '^State:.*Z' "/proc/$1/status"; }

# stays PID: whether it lives on for 10 s; a driver may take its time to end what runs on the GPU
stays() {
  local try
  for ((try = 0; try < 50; ++try)); do
    lives "$1" || return 1
    sleep 0.2
  done
}

# What is wrong with the world that has just ended; nothing when all is well.
#   problems END_S EXIT_CODE WANTED PATTERN...
problems() {
  local end_s=$1 code=$2 wanted=$3 pattern told pid took_s
  shift 3
  [ "$code" -eq "$wanted" ] || echo "exit code $code instead of $wanted"
  for pattern in "$@"; do
    grep -Eq -- "$pattern" "$scratch/output" || echo "no line like: $pattern"
  done
  for told in "$scratch"/told-*; do
    [ -e "$told" ] || continue
    took_s=$((end_s - $(stat -c %Y "$told")))
    [ "$took_s" -le "$ends_s" ] || echo "ended $took_s s after its report, expected $ends_s at most"
  done
  while read -r pid; do
    ! stays "$pid" || { echo "process $pid is left"; kill -KILL "$pid"; }
  done < <(cat "$scratch"/pid-*)
}

# world WHAT RANK EXIT_CODE PATTERN...: WHAT of stall_program, done by RANK
world() {
  local what=$1 rank=$2 wanted=$3 begin=$SECONDS code found
  shift 3
  rm -f "$scratch"/*
  timeout -k 5 "$world_s" "$folder/mpirun" -n 2 --oversubscribe --bind-to none "$folder/stall_program" "$what" "$rank" "$scratch" "$stall_s" nccl \
    >"$scratch/output" 2>&1
  code=$?
  found=$(problems "$(date +%s)" "$code" "$wanted" "$@")
  printf '%-16s rank %d  %-6s %3d s\n' "$what" "$rank" "$([ -z "$found" ] && echo ok || echo WRONG)" $((SECONDS - begin))
  [ -n "$found" ] || return 0
  failed=1
  printf '    %s\n' "$found"
  sed 's/^/    | /' "$scratch/output"
}

# Waits are reported in the second after the time-out.
for_s="for [$stall_s$((stall_s + 1))]\\.[0-9] s"
sum="in dp \\(device\\): all_reduce \"gradients\", 4\\.00 MiB, call 21, $for_s"
apart="lckv: stalled: different collectives in dp \\(device\\), call 21, $for_s"
is() { echo "rank $1 \\([^)]*, pid [0-9]+\\)"; }

world is_late 1 0 '^done$'
for rank in 0 1; do
  waiting=$((1 - rank))
  world stops "$rank" 7 "lckv: stalled: $(is $rank) does not answer since .*; rank $waiting waits for it $sum"
  world never_comes "$rank" 7 "lckv: stalled: $(is $rank) has not begun it: hanging, without progress $for_s; rank $waiting waits for it $sum"
  world dies "$rank" 137 "process rank $rank .*signal 9"
done
world never_starts 1 7 "lckv: stalled: $(is 1) has not begun it: hanging, without progress $for_s; rank 0 waits for it $sum"
world calls_another 1 7 "$apart" "$(is 0) in all_reduce \"gradients\", 4\\.00 MiB" "$(is 1) in broadcast \"weights\", 4\\.00 MiB"
world sums_less 1 7 "$apart" "$(is 0) in all_reduce \"gradients\", 4\\.00 MiB" "$(is 1) in all_reduce \"gradients\", 2\\.00 MiB"
world fails 1 5 'stall_program: disk full'
[ $failed -eq 0 ] && echo "every world ended as it should"
exit $failed
