#!/usr/bin/env bash
# Tells a running `lckv train` or `lckv eval` to stop in every phase, alone and as two ranks of which one is told, and measures how
# long it takes until the program says so and until it has ended. Prints a table; fails when a limit or an exit code does not hold,
# or when the same command does not then continue to the end.
#   usage: tests/cli/signal_latency.sh [PROGRAM] [PATTERN]     PROGRAM: default build/lckv; PATTERN: the cases whose label matches
#   environment: NOTICE_LIMIT_MS (1000), EXIT_LIMIT_MS (10000), KEEP=1 leaves the logs
# Start-up phases count from the moment when the process has become lckv; "loading" is that moment itself, in which the dynamic
# loader runs and nobody can catch a signal: there the signal may also kill, and must leave nothing behind.
set -uo pipefail
repository=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
lckv=$(realpath "${1:-$repository/build/lckv}")
pattern=${2:-.}
notice_limit_ms=${NOTICE_LIMIT_MS:-1000}
exit_limit_ms=${EXIT_LIMIT_MS:-10000}
patience_ms=$((exit_limit_ms + 20000)) # then a process is killed
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
mpirun=(mpirun -n 2 --oversubscribe --bind-to none --mca btl "self,vader")

work=$(mktemp -d "${TMPDIR:-/tmp}/lckv_signal_latency.XXXXXX")
launched=""
clean_up() {
  [ -n "$launched" ] && kill -KILL "$launched" 2>/dev/null
  if [ -n "${KEEP:-}" ]; then echo "logs: $work"; else rm -rf "$work"; fi
}
trap clean_up EXIT
mkfifo "$work/never"
exec {never}<>"$work/never"

# ---------------------------------------------------------------- time and processes, without a fork
now_us() { now=${EPOCHREALTIME/[.,]/}; }
pause_ms() { read -rt "$(($1 / 1000)).$(printf '%03d' $(($1 % 1000)))" -u "$never" _; return 0; }

# Runs "$@" every 2 ms until it succeeds; fails after patience.
until_true() {
  now_us
  local give_up=$((now + patience_ms * 1000))
  until "$@"; do
    now_us
    [ "$now" -lt "$give_up" ] || return 1
    ended "$launched" && return 1
    pause_ms 2
  done
}
ended() {
  local stat=""
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  stat=${stat##*) }
  [ "${stat%% *}" = Z ]
}
is_lckv() { [ "/proc/$1/exe" -ef "$lckv" ]; }
# A child of mpirun that has become lckv, the newest.
find_rank() {
  local folder stat fields
  told=""
  for folder in /proc/[0-9]*; do
    is_lckv "${folder#/proc/}" || continue
    { read -r stat <"$folder/stat"; } 2>/dev/null || continue
    read -ra fields <<<"${stat##*) }" # state, parent, ...
    [ "${fields[1]}" = "$launched" ] && told=${folder#/proc/}
  done
  [ -n "$told" ]
}
# Its handlers are installed: SIGTERM is bit 14 of the caught signals.
catches() {
  local key value
  while read -r key value; do
    [ "$key" = SigCgt: ] && { (((16#$value >> 14) & 1)); return; }
  done 2>/dev/null <"/proc/$1/status"
  return 1
}
log_has() {
  local lines
  mapfile -t lines <"$log"
  [[ "${lines[*]}" == *"$1"* ]]
}
# "validating", of the line that says so.
phase_noticed() {
  local line
  while read -r line; do
    [[ $line =~ noticed\ while\ ([^:]*): ]] && { echo "${BASH_REMATCH[1]}"; return; }
  done <"$log"
  echo "-"
}

# ---------------------------------------------------------------- what is trained and evaluated
prepare() {
  local i
  for ((i = 0; i < 400; ++i)); do echo "the cat number $((i * 7919 % 1000)) sat on the mat"; done >"$work/train.txt"
  for ((i = 0; i < 40; ++i)); do cat "$work/train.txt"; done >"$work/long.txt"
  for name in train long; do
    "$lckv" tokenize "$work/$name.txt" --documents lines --tokenizer bytes -o "$work/$name.h5" >"$work/tokenize.log" 2>&1 ||
      { cat "$work/tokenize.log"; exit 1; }
  done
  cat >"$work/run.yaml" <<YAML
output: run
model:
  hidden_size: 32
  intermediate_size: 48
  num_hidden_layers: 5
  num_attention_heads: 4
  num_key_value_heads: 2
  vocab_size: 258
  max_position_embeddings: 64
  layer_types: 0_3_3_3_4
  forward_passes: 2
data:
  train: $work/train.h5
  sequence_tokens: 32
train:
  steps: 1000
  sequences_per_step: 2
  precision: fp32
  threads: 1
YAML
}
# Validates at the end only, for seconds.
validating=(--set train.steps=20 --set "data.validation=$work/long.h5")
# A state of some 200 MB takes a while to write.
saving=(--set train.steps=6 --set checkpoint.every_steps=2 --set model.hidden_size=128 --set model.intermediate_size=8192)

in_training() { [ -s "$run/metrics.jsonl" ]; }
in_saving() { compgen -G "$run/step-*.tmp" >/dev/null; }
in_validation() { [[ -s $run/status.json && "$(<"$run/status.json")" == *'"state": "validating"'* ]]; }

# ---------------------------------------------------------------- one case
failures=0 cases=0
printf '%-5s %-6s %-22s %-8s %11s %9s %5s  %-11s %s\n' ranks what told-in signal noticed-ms exit-ms code said verdict

# start RANKS COMMAND...: `launched` is what was started, `told` the process that will be told
start() {
  local ranks=$1
  shift
  : >"$log"
  if [ "$ranks" = 1 ]; then
    "$lckv" "$@" >"$log" 2>&1 &
    launched=$! told=$!
    until_true is_lckv "$told"
  else
    "${mpirun[@]}" "$lckv" "$@" >"$log" 2>&1 &
    launched=$!
    until_true find_rank
  fi
}

# Waits for the end of what was started: `noticed_ms` ("-" when nothing was said), `exit_ms`, `code`.
measure_end() {
  local sent=$1
  noticed_ms=- code=-
  until_true noticed_or_ended
  log_has "noticed while" && { now_us; noticed_ms=$(((now - sent) / 1000)); }
  until_true ended "$launched" || kill -KILL "$launched" "$told" 2>/dev/null
  now_us
  exit_ms=$(((now - sent) / 1000))
  wait "$launched" 2>/dev/null
  code=$?
  launched=""
}
noticed_or_ended() { log_has "noticed while" || ended "$launched"; }

verdict=""
complain() { verdict="${verdict:+$verdict; }$1"; }

judge() {
  local want=$1 what=$2
  [[ " $want " == *" $code "* ]] || complain "exit code is not $want"
  [ "$exit_ms" -le "$exit_limit_ms" ] || complain "ended after $exit_limit_ms ms"
  [ "$code" = 75 ] || [ "$what" = eval ] || return
  # An evaluation that finds the signal itself may have ended before the watcher's next look.
  [ "$noticed_ms" != - ] || { [ "$what" = eval ] && [ "$exit_ms" -le 100 ]; } || complain "did not say that it noticed"
  [ "$noticed_ms" = - ] || [ "$noticed_ms" -le "$notice_limit_ms" ] || complain "noticed after $notice_limit_ms ms"
}

must_continue() {
  local ranks=$1
  shift
  local launcher=()
  [ "$ranks" = 1 ] || launcher=("${mpirun[@]}")
  timeout 120 "${launcher[@]}" "$lckv" "$@" >"$log.continued" 2>&1 || complain "the same command then ends with $?"
  [ -z "$(compgen -G "$run/*.tmp")" ] || complain "left $(compgen -G "$run/*.tmp")"
}

# try RANKS WHAT LABEL SIGNAL WHEN CODES ARGUMENTS...
#   WHAT    train (must then continue) | limit (of time: training that ends by itself) | eval | bench
#   WHEN    loading; a number: milliseconds after the start, but not before main(); a function that becomes true
#   CODES   that are right, separated by blanks
try() {
  local ranks=$1 what=$2 label=$3 signal=$4 when=$5 codes=$6
  shift 6
  [[ "$ranks $what $label $signal" =~ $pattern ]] || return
  cases=$((cases + 1)) verdict=""
  run=$work/run.$cases log=$work/log.$cases
  local command=("$@")
  [ "$what" = train ] || [ "$what" = limit ] && command+=(--set "output=$run")
  start "$ranks" "${command[@]}"
  case $when in
    loading) ;;
    [0-9]*) pause_ms "$when"; until_true catches "$told" ;;
    *) until_true "$when" || complain "never came there" ;;
  esac
  [ "$signal" = USR1-all ] && told=$launched # mpirun passes it on
  now_us
  local sent=$now
  [ "$signal" = none ] || kill -"${signal%-all}" "$told" 2>/dev/null || complain "had ended before"
  measure_end "$sent"
  judge "$codes" "$what"
  [ "$what" = train ] && must_continue "$ranks" "${command[@]}"
  printf '%-5s %-6s %-22s %-8s %11s %9s %5s  %-11s %s\n' "$ranks" "$what" "$label" "$signal" "$noticed_ms" "$exit_ms" "$code" \
    "$(phase_noticed)" "${verdict:-ok}"
  [ -z "$verdict" ] && return
  failures=$((failures + 1))
  tail -n 12 "$log" | sed 's/^/    | /'
}

# ---------------------------------------------------------------- the cases
prepare
train=(train "$work/run.yaml")
"$lckv" "${train[@]}" --set "output=$work/model" --set train.steps=50 >"$work/model.log" 2>&1 || { cat "$work/model.log"; exit 1; }
eval=(eval "$work/model" --perplexity "$work/long.h5" --threads 1)

for ranks in 1 2; do
  steps=$((ranks == 1 ? 3000 : 600)) # of a millisecond, on ranks of several: seconds that outlast the start-up
  for signal in TERM USR1; do
    killed=$((128 + $(kill -l "$signal")))
    try $ranks train loading $signal loading "75 $killed" "${train[@]}" --set train.steps=50
    for delay in 0 50 200 400; do
      try $ranks train "start-up + $delay ms" $signal $delay 75 "${train[@]}" --set train.steps="$steps"
    done
    try $ranks train training $signal in_training 75 "${train[@]}" --set train.steps="$steps"
    try $ranks train validation $signal in_validation 75 "${train[@]}" "${validating[@]}"
    try $ranks train "saving" $signal in_saving 75 "${train[@]}" "${saving[@]}" --set checkpoint.asynchronous=false
    try $ranks train "saving behind" $signal in_saving 75 "${train[@]}" "${saving[@]}"
    try $ranks eval "start-up + 0 ms" $signal 0 130 "${eval[@]}"
    try $ranks eval scoring $signal 1500 130 "${eval[@]}"
  done
  try $ranks limit "2 s over" none 2000 75 "${train[@]}" --set train.steps=1000000 --set train.time_limit_s=2
done
try 2 train "training, by mpirun" USR1-all in_training 75 "${train[@]}" --set train.steps="$steps"
try 2 bench "start-up + 0 ms" TERM 0 143 bench comm --max-bytes 4096 --seconds 2

echo "$cases cases, $failures wrong"
[ "$failures" = 0 ]
