#!/usr/bin/env bash
# The launch scripts without a Slurm: help, usage that is refused, the commands that --dry-run tells, and what launch/local.sh makes of
# signals. lckv is a script here, which tells how it was started.
set -uo pipefail
repository=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
launch=$repository/launch
work=$(mktemp -d "${TMPDIR:-/tmp}/lckv_launch_test.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/here" && cd "$work/here" || exit 1
unset SLURM_JOB_ID LCKV_HOME LCKV_LAUNCHER LCKV_LAUNCH_OPTIONS LCKV_EVAL LCKV_CHECK_NODES OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
export CUDA_VISIBLE_DEVICES="" LCKV=$work/lckv
cat >"$LCKV" <<'SH'
#!/usr/bin/env bash
trap 'echo "told to stop"; exit 75' USR1
echo "$* as ${OMPI_COMM_WORLD_RANK:-the only} of ${OMPI_COMM_WORLD_SIZE:-1}"
[ "$1" != wait ] || { touch "$2/started.${OMPI_COMM_WORLD_RANK:-0}"; for ((i = 0; i < 200; ++i)); do sleep 0.1; done; }
[ "${*: -2:1}" != --json ] || echo '{}' >"${*: -1}"
exit "${LCKV_TEST_EXIT:-0}"
SH
chmod +x "$LCKV"
echo 'output: "runs/a run"   # where' >run.yaml

failures=0 cases=0
# expect CODE TEXT COMMAND...: ends with the code and says the text
expect() {
  local want=$1 text=$2 said code
  shift 2
  said=$(timeout 60 "$@" 2>&1)
  code=$?
  cases=$((cases + 1))
  [ "$code" -eq "$want" ] && [[ $said == *"$text"* ]] && return
  failures=$((failures + 1))
  printf 'WRONG: %s\n  exit %s instead of %s, or does not say: %s\n' "$*" "$code" "$want" "$text"
  printf '%s\n' "$said" | sed 's/^/  | /'
}

for script in local.sh node_check.sh quickstart.sh slurm_train.sbatch slurm_eval.sbatch; do
  expect 0 -- bash "$launch/$script" --help
  expect 2 "see --help" bash "$launch/$script" --no-such-option
  ln -s "$launch/$script" "$work/link to $script"
  expect 2 "see --help" bash "$work/link to $script" --no-such-option
done

# ---------------------------------------------------------------- local.sh
expect 2 "which command" bash "$launch/local.sh"
expect 2 "not '0'" bash "$launch/local.sh" -n 0 train
expect 2 "not '99999999999999999999'" bash "$launch/local.sh" -n 99999999999999999999 train
expect 2 "takes a number" bash "$launch/local.sh" -n
expect 2 "no program at" env LCKV="$work/absent" "$launch/local.sh" train
expect 2 "cores that this process may use" "$launch/local.sh" -n 100000 train
expect 2 "3 ranks, but 2 GPUs" env CUDA_VISIBLE_DEVICES=0,1 "$launch/local.sh" -n 3 train
expect 0 "$LCKV train run.yaml" "$launch/local.sh" --dry-run train run.yaml
expect 0 "mpirun -n 2 --bind-to none --oversubscribe $LCKV train run.yaml --set parallel.oversubscribe=true" \
  "$launch/local.sh" --dry-run -n 2 --oversubscribe train run.yaml
expect 0 "--tag-output $LCKV eval a\\ run --oversubscribe" \
  env LCKV_LAUNCH_OPTIONS=--tag-output "$launch/local.sh" --dry-run -n 2 --oversubscribe eval "a run"
expect 0 "$LCKV generate a --oversubscribe" "$launch/local.sh" --dry-run -n 2 --oversubscribe generate a
# -1 hides the GPUs behind it.
expect 2 "2 ranks, but 1 GPUs" env CUDA_VISIBLE_DEVICES=GPU-0a,-1,2 "$launch/local.sh" --dry-run -n 2 train run.yaml
# Seven GPUs are seven ranks, unless the CPU is asked for.
expect 0 "mpirun -n 7 " env CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6 "$launch/local.sh" --dry-run --oversubscribe train run.yaml
expect 0 "$LCKV train run.yaml --set train.device=cpu" \
  env CUDA_VISIBLE_DEVICES=0,1 "$launch/local.sh" --dry-run train run.yaml --set train.device=cpu
# What runs in one process is started once.
expect 0 "bench generate a as the only of 1" env CUDA_VISIBLE_DEVICES=0,1 "$launch/local.sh" bench generate a
expect 0 "mpirun -n 2 " env CUDA_VISIBLE_DEVICES=0,1 "$launch/local.sh" --dry-run --oversubscribe bench train a
expect 0 "report a as the only of 1" env CUDA_VISIBLE_DEVICES=0,1 "$launch/local.sh" report a
expect 0 "doctor as the only of 1" env CUDA_VISIBLE_DEVICES=0,1 "$launch/local.sh" doctor
expect 0 "mpirun -n 2 " env CUDA_VISIBLE_DEVICES=0,1 "$launch/local.sh" --dry-run --oversubscribe doctor --nodes
expect 0 "train run.yaml as the only of 1" "$launch/local.sh" train run.yaml
expect 0 "train run.yaml as 2 of 3" "$launch/local.sh" -n 3 --oversubscribe plain train run.yaml
expect 3 "exit 3: the configuration is wrong" env LCKV_TEST_EXIT=3 "$launch/local.sh" -n 2 --oversubscribe plain

started() { [ -e started.0 ] && [ -e started.1 ]; }
for signal in INT TERM USR1; do
  rm -f started.*
  # As a terminal would start it: a background process of a script ignores SIGINT.
  (set -m; "$launch/local.sh" -n 2 --oversubscribe wait "$PWD" >told.log 2>&1 & echo $! >told.pid; wait $!; echo $? >told.code) &
  for ((i = 0; i < 300; ++i)); do started && break; sleep 0.1; done
  kill -"$signal" "$(<told.pid)"
  wait $!
  cases=$((cases + 1))
  [ "$(<told.code)" = 75 ] && grep -q "SIG$signal: lckv is told to stop" told.log && continue
  failures=$((failures + 1))
  echo "WRONG: local.sh told by SIG$signal ended with $(<told.code)"
  sed 's/^/  | /' told.log
done
rm -f started.* told.*

# ---------------------------------------------------------------- in and for Slurm
expect 2 "which run" bash "$launch/slurm_train.sbatch"
expect 2 "cannot read the run file absent.yaml" bash "$launch/slurm_train.sbatch" absent.yaml
expect 2 "this is not a Slurm job" bash "$launch/slurm_train.sbatch" run.yaml
expect 2 "LCKV_EVAL is none, finish or follow" env LCKV_EVAL=later bash "$launch/slurm_train.sbatch" --dry-run run.yaml
expect 2 "evaluate what" env LCKV_EVAL=follow bash "$launch/slurm_train.sbatch" --dry-run run.yaml
expect 2 "LCKV_MAX_RESTARTS is a number, not 'many'" env LCKV_MAX_RESTARTS=many bash "$launch/slurm_train.sbatch" --dry-run run.yaml
expect 2 "LCKV_CHECK_NODES is 0 or 1, not 'yes'" env LCKV_CHECK_NODES=yes bash "$launch/slurm_train.sbatch" --dry-run run.yaml
expect 2 "LCKV_NEED_GIB is a number of GiB, not 'abc'" env LCKV_NEED_GIB=abc bash "$launch/slurm_train.sbatch" --dry-run run.yaml
for output in '"runs/q"' ''; do
  expect 2 "give --set output=FOLDER" env LCKV_EVAL=follow LCKV_EVAL_ARGUMENTS="--perplexity x.h5" \
    bash "$launch/slurm_train.sbatch" --dry-run run.yaml --set "output=$output"
done
expect 2 "cannot read the run file ." bash "$launch/slurm_train.sbatch" --dry-run .
expect 2 "srun or mpirun, not 'ssh'" env LCKV_LAUNCHER=ssh bash "$launch/slurm_train.sbatch" --dry-run run.yaml
expect 2 "not the repository's root" env SLURM_JOB_ID=1 SLURM_SUBMIT_DIR="$work" bash "$launch/slurm_train.sbatch" run.yaml
expect 0 "train: srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task=8 $LCKV train run.yaml --set a=1" \
  bash "$launch/slurm_train.sbatch" --dry-run run.yaml --set a=1
expect 0 "train: srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task=3 $LCKV train run.yaml" \
  env SLURM_JOB_ID=1 SLURM_CPUS_PER_TASK=3 LCKV_HOME="$repository" bash "$launch/slurm_train.sbatch" --dry-run run.yaml
expect 0 "evaluate, at finish: sbatch --array=0-3 $launch/slurm_eval.sbatch runs/a\\ run --perplexity x.h5" \
  env LCKV_EVAL=finish LCKV_EVAL_OPTIONS=--array=0-3 LCKV_EVAL_ARGUMENTS="--perplexity x.h5" bash "$launch/slurm_train.sbatch" --dry-run run.yaml
expect 0 "check: $launch/node_check.sh --output other --need-gib 9" \
  env LCKV_CHECK_NODES=1 LCKV_NEED_GIB=9 bash "$launch/slurm_train.sbatch" --dry-run run.yaml --set output=other
for output in 'runs/a#1   # the first' '"runs/a#1" # the first' "'runs/a#1'"; do
  echo "output: $output" >other.yaml
  expect 0 "check: $launch/node_check.sh --output runs/a#1 --need-gib 0" \
    env LCKV_CHECK_NODES=1 bash "$launch/slurm_train.sbatch" --dry-run other.yaml
done
rm other.yaml
mkdir -p run/step-00000002/ run/step-00000001 run/step-00000003.tmp run/evaluations/step-00000001
expect 2 "evaluate what" bash "$launch/slurm_eval.sbatch" run
expect 2 "LCKV_EVAL_PATIENCE_MIN is a number, not 'long'" \
  env LCKV_EVAL_PATIENCE_MIN=long bash "$launch/slurm_eval.sbatch" --dry-run run --perplexity x.h5
expect 2 "LCKV_EVAL_POLL_S is a number of seconds, not '30s5'" \
  env LCKV_EVAL_POLL_S=30s5 bash "$launch/slurm_eval.sbatch" --dry-run run --perplexity x.h5
expect 2 "is not a run's folder" bash "$launch/slurm_eval.sbatch" --dry-run absent --perplexity x.h5
expect 0 "step-00000002: mpirun --bind-to none $LCKV eval run/step-00000002 --tasks piqa --output run/evaluations/step-00000002.tmp --json" \
  env LCKV_LAUNCHER=mpirun bash "$launch/slurm_eval.sbatch" --dry-run run --tasks piqa --output @RESULTS@
dry=$(bash "$launch/slurm_eval.sbatch" --dry-run run --perplexity x.h5 | grep -c '^step-')
cases=$((cases + 1))
[ "$dry" = 2 ] || { failures=$((failures + 1)); echo "WRONG: $dry states to evaluate instead of one, and those that appear"; }
# The page of a run that failed does not end the follower of the job that trains it again.
mkdir "$work/bin" "$work/failed" "$work/failed/step-00000001"
echo '  "state": "failed",' >"$work/failed/status.json"
cat >"$work/bin/squeue" <<'SH'
#!/usr/bin/env bash
[ ! -d "$LCKV_TEST_RUN/step-00000002" ] || { echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }
mkdir "$LCKV_TEST_RUN/step-00000002"
echo RUNNING
SH
chmod +x "$work/bin/squeue"
follow=(env PATH="$work/bin:$PATH" LCKV_TEST_RUN="$work/failed" SLURM_JOB_ID=7 LCKV_HOME="$repository" LCKV_EVAL_POLL_S=1
  LCKV_LAUNCHER=mpirun LCKV_LAUNCH_OPTIONS="-n 1" bash "$launch/slurm_eval.sbatch" "$work/failed" --perplexity x.h5)
expect 0 "the run: failed" env LCKV_TRAIN_JOB=6 "${follow[@]}"
expect 0 "step-00000002" ls "$work/failed/evaluations"
rm -r "$work/failed/step-00000002"
expect 0 "the run: failed" "${follow[@]}"
expect 2 "" ls "$work/failed/step-00000002"
expect 2 "not 'much'" "$launch/node_check.sh" --need-gib much
expect 0 "$launch/local.sh doctor --nodes --output runs --need-gib 2.5" "$launch/node_check.sh" --dry-run --output runs --need-gib 2.5
expect 0 "srun --mpi=pmix --kill-on-bad-exit=1 $LCKV doctor --nodes --output . --need-gib 0" env SLURM_JOB_ID=1 "$launch/node_check.sh" --dry-run
expect 1 "does not pass" env LCKV_TEST_EXIT=1 "$launch/node_check.sh"
expect 0 "build/lckv train configs/quickstart.yaml --set train.steps=40" "$launch/quickstart.sh" --dry-run --short

left=$(find . -newer run.yaml -type f)
cases=$((cases + 1))
[ -z "$left" ] || { failures=$((failures + 1)); echo "WRONG: dry runs wrote $left"; }
echo "$cases cases, $failures wrong"
[ "$failures" -eq 0 ]
