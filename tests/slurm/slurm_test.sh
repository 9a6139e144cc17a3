#!/usr/bin/env bash
# The launch scripts on a real Slurm, a private one of two nodes (cluster.sh): a run that the time limit interrupts under srun, one
# under mpirun, evaluations that follow them, the node check, and a run that must not be requeued.
#   usage: tests/slurm/slurm_test.sh [LCKV] [MAKE_WORLD]      default: build/lckv, build/make_world
#   environment: KEEP=1 leaves the folder; PLANT=no-requeue, requeue-all, lost-state: faults under which the test must fail
# Exit code: 0; 1 something did not hold; 77 Slurm cannot run here.
set -uo pipefail
repository=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
lckv=$(realpath "${1:-$repository/build/lckv}")
make_world=$(realpath "${2:-$repository/build/make_world}")
plant=${PLANT:-none}
steps=1000
# shellcheck source=tests/slurm/cluster.sh
source "$repository/tests/slurm/cluster.sh"

# Nothing of a job or cluster in which this may run.
for name in "${!SLURM_@}" "${!SBATCH_@}" "${!SRUN_@}" "${!SALLOC_@}" "${!LCKV_@}"; do unset "$name"; done
work=$(mktemp -d "${TMPDIR:-/tmp}/lckv_slurm_test.XXXXXX")
chmod 755 "$work"
# shellcheck disable=SC2317  # called by the trap
clean_up() {
  local job
  for job in "${jobs[@]}"; do timeout 10 scancel --signal=KILL --full "$job" 2>/dev/null; timeout 10 scancel "$job" 2>/dev/null; done
  [ ${#jobs[@]} -eq 0 ] || within_s 15 no_job_runs
  stop_slurm
  if [ -n "${KEEP:-}" ]; then echo "left: $work"; else rm -rf "$work"; fi
}
jobs=()
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

failures=0
part() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
wrong() { failures=$((failures + 1)); printf '        WRONG: %s\n' "$*"; }
holds() { local what=$1; shift; "$@" >/dev/null 2>&1 || wrong "$what"; }
equal() { [ "$2" = "$3" ] || wrong "$1: '$2' instead of '$3'"; }
log_has() { grep -qE -e "$2" "$1" || wrong "$(basename "$1") does not say '$2'"; }

# ---------------------------------------------------------------- what is trained
prepare() {
  cd "$work" || exit 1
  "$make_world" --out world --seed 1 --stories 300 --questions 20 &&
    "$lckv" tokenize world/train.jsonl -o world/train.h5 --tokenizer world/tokenizer.model --train-sentencepiece 512 &&
    "$lckv" tokenize world/validation.jsonl -o world/validation.h5 --tokenizer world/tokenizer.model || return
  cat >run.yaml <<YAML
output: reference
model:
  hidden_size: 32
  intermediate_size: 48
  num_hidden_layers: 5
  num_attention_heads: 4
  num_key_value_heads: 2
  vocab_size: 512
  max_position_embeddings: 64
  layer_types: 0_3_3_3_4
  forward_passes: 2
data:
  train: $work/world/train.h5
  sequence_tokens: 32
train:
  steps: $steps
  sequences_per_step: 2
  precision: fp32
  device: cpu
  threads: 1
checkpoint:
  every_steps: 400
  keep_last: 0
YAML
  # lckv; but in the first start of a job a process holds it until the signal comes, which Slurm sends when it looks, every 30 s:
  # training from its first step on, for all but a hundredth of each second, all ranks in the same moments; an evaluation, if asked.
  cat >held <<SH
#!/usr/bin/env bash
hold() {
  exec >/dev/null 2>&1 </dev/null
  trap 'kill -CONT \$\$; exit' USR1 # Slurm and mpirun send it to all processes of a rank
  [ "\$1" = eval ] || until [ -s "\$HELD_RUN/metrics.jsonl" ]; do sleep 0.02; kill -0 \$\$ || exit; done
  while kill -STOP \$\$; do
    now=\${EPOCHREALTIME#*.}
    sleep 0.\$(printf %06d \$((999999 - 10#\$now)))
    [ "\$1" = eval ] || { kill -CONT \$\$ && sleep 0.01; } || exit
  done
}
case "\$1 \${HELD_RUN:-} \${SLURM_RESTART_COUNT:-first}" in
  train\ /*\ first) hold train & ;;
  train\ /*) [ "$plant" != lost-state ] || rm -rf "\$HELD_RUN"/step-* ;;
  eval\ */srun\ first) hold eval & ;;
esac
exec "$lckv" "\$@"
SH
  chmod +x held
}

# The launch scripts; of a planted fault a copy that has it.
home=$repository
plant_in_train() {
  home=$work/planted
  mkdir "$home" && cp -r "$repository/launch" "$home"
  sed -i "$1" "$home/launch/slurm_train.sbatch"
  ! cmp -s {"$home","$repository"}/launch/slurm_train.sbatch || { echo "PLANT=$plant finds nothing to change" >&2; exit 2; }
}
plant_fault() {
  case $plant in
    none | lost-state) ;;
    no-requeue) plant_in_train 's/scontrol requeue/true/' ;;
    requeue-all) plant_in_train 's/-eq 75 \] ||/-ne 0 ] ||/' ;;
    *) echo "PLANT is no-requeue, requeue-all or lost-state, not '$plant'" >&2; exit 2 ;;
  esac
}

# ---------------------------------------------------------------- jobs
slurm_options=(--parsable --nodes=2 --ntasks-per-node=1 --gpus-per-node=0 --time=1)
# `job`, the id of what sbatch starts with these options and words.
submit() {
  job=$(timeout 20 sbatch "${slurm_options[@]}" "$@") || { wrong "sbatch $*"; job=0; return; }
  jobs+=("$job")
}
fact() { timeout 10 scontrol show job "$1" 2>/dev/null | sed -n "s/.*\b$2=\([^ ]*\).*/\1/p" | head -n 1; }
has_ended() { [[ $(fact "$1" JobState) =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY)$ ]]; }
# shellcheck disable=SC2317  # called through within_s
no_job_runs() { [ -z "$(timeout 5 squeue -h 2>/dev/null)" ]; }
await() {
  within_s "$2" has_ended "$1" && return
  wrong "job $1 has not ended after $2 s: $(fact "$1" JobState) $(fact "$1" Reason)"
}

loss_curve() { sed -n 's/^{"step":\([0-9]*\),"loss":\([^,]*\),.*"grad_norm":\([^,]*\),.*/\1 \2 \3/p' "$1/metrics.jsonl"; }
states_of() { (cd "$1" && echo step-*); }

# A run that was interrupted, saved, requeued, continued, finished; and is the uninterrupted one.
check_run() {
  local launcher=$1 id=$2 run=$work/$1 log=$work/$1.log folder last
  equal "$launcher: job" "$(fact "$id" JobState)" COMPLETED
  [ "$(fact "$id" Restarts)" -ge 1 ] || wrong "$launcher: was not requeued"
  log_has "$log" 'SIGUSR1: passed on'
  log_has "$log" 'lckv train ended with 75 \(stopped by a signal'
  log_has "$log" 'job [0-9]+, start 2, on 2 nodes \(n\[1-2\]\), 2 tasks'
  log_has "$log" "on 2 ranks \(dp 2 x tp 1\)"
  log_has "$log" "continuing after step [1-9][0-9]* of $steps"
  log_has "$log" 'the run is finished'
  equal "$launcher: lines of the loss curve" "$(loss_curve "$run" | wc -l)" "$steps"
  holds "$launcher: the loss curve is not that of the uninterrupted run" cmp <(loss_curve "$run") <(loss_curve "$work/reference")
  last=$(printf 'step-%08d' "$steps")
  for folder in rank-00000 rank-00001; do
    holds "$launcher: $last/$folder is not that of the uninterrupted run" cmp {"$run","$work/reference"}/"$last/$folder.safetensors"
  done
  log_has "$log" "train: $(LCKV_LAUNCHER=$launcher dry_run slurm_train.sbatch run.yaml --set "output=$run" | sed -n 's/^train: //p')\$"
}
dry_run() { LCKV_HOME="" bash "$home/launch/$1" --dry-run "${@:2}"; }

# The job of evaluations that a training job submitted: sbatch's answer in its log.
eval_job_of() { sed -n '/ evaluate: /{n;s/^\([0-9]*\).*/\1/p}' "$work/$1.log" | head -n 1; }
# Every saved state has results, each made once, by the command that the dry run told.
check_evaluations() {
  local launcher=$1 id=$2 run=$work/$1 log=$work/$1.eval.log state="" told
  equal "evaluations of $launcher: job" "$(fact "$id" JobState)" COMPLETED
  for state in $(states_of "$run"); do
    grep -q '"perplexity"' "$run/evaluations/$state/result.json" 2>/dev/null || wrong "$state of $launcher has no perplexity"
    equal "$state of $launcher: evaluated so often" "$(grep -c "$state: evaluated" "$log")" 1
  done
  equal "evaluations of $launcher" "$(cd "$run/evaluations" && echo step-*)" "$(states_of "$run")"
  mv "$run/evaluations" "$run/moved"
  told=$(LCKV_LAUNCHER=$launcher dry_run slurm_eval.sbatch "$run" --perplexity "$work/world/validation.h5" --threads 1 | sed -n "s/^$state: //p")
  equal "evaluations of $launcher: command" "$(cat "$run/moved/$state/command")" "$told"
  mv "$run/moved" "$run/evaluations"
}

# ---------------------------------------------------------------- the test
start_slurm "$work/cluster" || {
  printf '\n**** SKIPPED: tests/slurm: no Slurm can run here: %s\n\n' "$why_no_slurm"
  exit 77
}
part "Slurm runs"
prepare >"$work/prepare.log" 2>&1 || { cat "$work/prepare.log"; exit 1; }
plant_fault
export LCKV=$work/held LCKV_HOME=$home OMP_WAIT_POLICY=passive OMPI_MCA_btl=self,vader,tcp
# Beside others' work one rank may have half a core: the rates are printed, and not judged.
export LCKV_CHECK_ARGUMENTS="--seconds 1 --min-rate-frac 0"
export LCKV_EVAL_ARGUMENTS="--perplexity $work/world/validation.h5 --threads 1" LCKV_EVAL_POLL_S=1

# Warned 50 s before the end of a minute, at the first look that Slurm takes.
train() {
  HELD_RUN=$work/$1 LCKV_LAUNCHER=$1 LCKV_EVAL_OPTIONS="--parsable --nodes=1 --time=5 --output=$work/$1.eval.log" \
    LCKV_EVAL=$2 LCKV_CHECK_NODES=$3 submit --signal=B:USR1@50 --output="$work/$1.log" \
    "$home/launch/slurm_train.sbatch" run.yaml --set "output=$work/$1"
}
train srun follow 0
srun_job=$job
train mpirun finish 1
mpirun_job=$job
part "two runs are submitted: job $srun_job by srun, job $mpirun_job by mpirun"

LCKV_EVAL=follow LCKV_EVAL_OPTIONS="--parsable --nodes=1 --time=5 --output=$work/refused.eval.log" submit --output="$work/refused.log" \
  "$home/launch/slurm_train.sbatch" run.yaml --set train.stepz=3 --set "output=$work/refused"
refused_job=$job
submit --output="$work/check.log" --wrap "exec '$home/launch/node_check.sh' --output '$work' --need-gib 0"
check_job=$job
LCKV_CHECK_NODES=1 LCKV_NEED_GIB=1000000 submit --output="$work/full_disk.log" \
  "$home/launch/slurm_train.sbatch" run.yaml --set "output=$work/full_disk"
full_disk_job=$job
part "a run with a wrong configuration, job $refused_job; a node check, job $check_job; a run without room, job $full_disk_job"
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 120 "$repository/launch/local.sh" -n 2 --oversubscribe train run.yaml \
  >reference.log 2>&1 || { tail reference.log; wrong "the uninterrupted run"; }
part "the uninterrupted run is finished"

await "$refused_job" 60
equal "the wrong configuration: job" "$(fact "$refused_job" JobState) $(fact "$refused_job" ExitCode) restarts $(fact "$refused_job" Restarts)" \
  "FAILED 3:0 restarts 0"
log_has refused.log 'ended with 3: the configuration is wrong. Not requeued'
jobs+=("$(eval_job_of refused)")
await "$(eval_job_of refused)" 60 # which waits for no run that does not come
log_has refused.eval.log 'the run: never began'
await "$check_job" 60
equal "the node check: job" "$(fact "$check_job" JobState) $(fact "$check_job" ExitCode)" "COMPLETED 0:0"
await "$full_disk_job" 60
equal "a run without room: job" "$(fact "$full_disk_job" JobState) $(fact "$full_disk_job" ExitCode)" "FAILED 1:0"
log_has full_disk.log "$(hostname -s).* GiB"
log_has full_disk.log 'a node of n\[1-2\] does not pass'
log_has full_disk.log 'the node check ended with 1'
[ ! -e full_disk/metrics.jsonl ] || wrong "a run without room was trained"
part "the wrong configuration was not requeued, the nodes were checked"

# The first evaluation of the run under srun is cut off by the signal, as at a time limit.
first_evaluation_runs() { grep -q 'step-[0-9]*: srun' "$work/srun.eval.log"; }
if within_s 100 first_evaluation_runs; then
  srun_eval_job=$(eval_job_of srun)
  sleep 0.5
  holds "the signal to the evaluations" scancel --batch --signal=USR1 "$srun_eval_job"
  part "an evaluation was cut off"
else
  wrong "srun: no state was evaluated while the run waited"
fi

await "$srun_job" 150
await "$mpirun_job" 100
part "both runs have ended"
check_run srun "$srun_job"
check_run mpirun "$mpirun_job"

[ "$(fact "$(eval_job_of srun)" Restarts)" -ge 1 ] || wrong "srun: the evaluations were not requeued"
for launcher in srun mpirun; do
  eval_job=$(eval_job_of "$launcher")
  [ -n "$eval_job" ] || { wrong "$launcher: no evaluations were submitted"; continue; }
  jobs+=("$eval_job")
  await "$eval_job" 60
  check_evaluations "$launcher" "$eval_job"
done
part "all saved states are evaluated"

if [ "$failures" -ne 0 ]; then
  for log in "$work"/{srun,mpirun,refused,check,full_disk,srun.eval,mpirun.eval,refused.eval}.log; do
    echo "---- $(basename "$log")"
    grep -v 'warning step' "$log" 2>/dev/null | tail -n 40
  done
fi
echo "$failures wrong"
[ "$failures" -eq 0 ]
