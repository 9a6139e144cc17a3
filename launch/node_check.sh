#!/usr/bin/env bash
# Checks the nodes before a long run: every rank multiplies and copies, all exchange, clocks and free disk are compared.
#
#   launch/node_check.sh [--output FOLDER] [--need-gib N] [--dry-run]
#   salloc --nodes=4 --ntasks-per-node=8 --gpus-per-node=8 --cpus-per-task=8 launch/node_check.sh --output runs --need-gib 200
#
#   --output FOLDER   where a run will write; default: the current folder
#   --need-gib N      GiB that must be free there; default 0
#   --dry-run         print what would be run, and do nothing
#
# In a Slurm allocation, a rank per task; elsewhere on this machine, by launch/local.sh. What is measured, and what counts as bad, is
# said by `lckv doctor --nodes`. Exit code: 0; 1 a node, which is named, does not pass; 124 no answer in LCKV_CHECK_TIMEOUT_S; others
# as lckv.
#
#   variable               default               meaning
#   LCKV                   build/lckv            the program
#   LCKV_LAUNCHER          srun                  srun (--mpi=pmix), or mpirun inside the allocation
#   LCKV_LAUNCH_OPTIONS    none                  more options of the launcher, separated by blanks
#   LCKV_CHECK_ARGUMENTS   none                  more for lckv doctor, separated by blanks: --seconds 30 --min-rate-frac 0.9
#   LCKV_CHECK_TIMEOUT_S   300                   seconds after which a check without an answer has failed
set -euo pipefail
me=node_check
home=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")") # also where a link names the script
# shellcheck source=launch/common.sh
source "$home/launch/common.sh"

output=. need_gib=0 dry_run=false
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) print_help "${BASH_SOURCE[0]}"; exit 0 ;;
    --output | --need-gib) [ $# -gt 1 ] || refuse_usage "$1 takes a value" ;;&
    --output) output=$2; shift ;;
    --need-gib) need_gib=$2; shift ;;
    --dry-run) dry_run=true ;;
    *) refuse_usage "unknown argument $1" ;;
  esac
  shift
done
[[ $need_gib =~ ^[0-9]+(\.[0-9]+)?$ ]] || refuse_usage "--need-gib takes a number of GiB, not '$need_gib'"
limit_s=${LCKV_CHECK_TIMEOUT_S:-300}
[[ $limit_s =~ ^[1-9][0-9]*$ ]] || refuse_usage "LCKV_CHECK_TIMEOUT_S is a number of seconds, not '$limit_s'"

find_lckv
read -ra more <<<"${LCKV_CHECK_ARGUMENTS:-}"
doctor=(doctor --nodes --output "$output" --need-gib "$need_gib" "${more[@]}")
if [ -n "${SLURM_JOB_ID:-}" ]; then
  build_launcher "${BASH_SOURCE[0]}"
  check=("${launcher[@]}" "$lckv" "${doctor[@]}")
else
  check=("$home/launch/local.sh" "${doctor[@]}")
fi
if $dry_run; then
  as_text "${check[@]}"
  exit 0
fi

allow_root
code=0
timeout --kill-after=10 "$limit_s" "${check[@]}" || code=$?
nodes="${SLURM_JOB_NODELIST:-$(hostname -s)}"
case $code in
  0) ;;
  1) say "a node of $nodes does not pass, or the launcher failed, see above; sbatch --exclude=NODE leaves a node out" >&2 ;;
  124 | 137) say "no answer in $limit_s s from $nodes (LCKV_CHECK_TIMEOUT_S)" >&2; code=124 ;;
  *) say "the check could not be done on $nodes, exit $code: $(meaning_of "$code")" >&2 ;;
esac
exit "$code"
