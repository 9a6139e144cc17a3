#!/usr/bin/env bash
# Builds the fuzzers of the readers into build-fuzz/ (clang, AddressSanitizer, UBSan), or into $BUILD_DIR, and runs each on its corpus.
#   usage: tools/fuzz.sh [SECONDS] [NAME...]     SECONDS of each, default 60; NAME: safetensors, tensor_set, manifest, run_file, token_store
#   FUZZ_SEED (default 1), FUZZ_JOBS (fuzzers side by side, default one per core)
# Fails, naming the input, on a crash, an undefined operation, a leak, an input that takes 10 s or 1 GiB, or a law that does not hold.
# The input is written to findings/ in the build folder; run the fuzzer on it again to see the message.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_dir=${BUILD_DIR:-build-fuzz}
seed=${FUZZ_SEED:-1}
jobs=${FUZZ_JOBS:-$(nproc)}
known=(safetensors tensor_set manifest run_file token_store)

seconds=60
if [[ ${1-} =~ ^[0-9]+$ ]]; then
  seconds=$1
  shift
fi
names=("${@:-${known[@]}}")
for name in "${names[@]}"; do
  [[ " ${known[*]} " == *" $name "* ]] || { echo "usage: tools/fuzz.sh [SECONDS] [NAME...]   NAME: ${known[*]}" >&2; exit 2; }
done

tools/setup.sh
cmake -S . -B "$build_dir" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DLCKV_BUILD_FUZZERS=ON
cmake --build "$build_dir" --target fuzzers

build_dir=$(realpath "$build_dir")
findings=$build_dir/findings
mkdir -p "$findings"
scratch=$(mktemp -d -p /dev/shm lckv_fuzz_XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# run_fuzzer NAME ARGUMENT...: its output goes to the end of findings/NAME.log
run_fuzzer() {
  local name=$1
  shift
  TMPDIR=$scratch ASAN_OPTIONS=malloc_context_size=2:quarantine_size_mb=8 UBSAN_OPTIONS=print_stacktrace=1 \
    "$build_dir/fuzz_$name" -timeout=10 -rss_limit_mb=1024 "$@" >>"$findings/$name.log" 2>&1 </dev/null
}

# fuzz NAME: whether nothing was found. A time-out must happen again: it may have been the machine that stood still.
fuzz() {
  local name=$1 options=(-max_len=4096 -dict=tests/fuzz/json.dict)
  case $name in
    run_file) options=(-max_len=4096 -dict=tests/fuzz/run_file.dict) ;;
    token_store) options=(-max_len=256) ;;
  esac
  mkdir -p "$build_dir/corpus/$name"
  rm -f "$findings/$name.log"
  run_fuzzer "$name" -max_total_time="$seconds" -seed="$seed" -len_control=0 -print_final_stats=1 -artifact_prefix="$findings/$name-" \
    "${options[@]}" "$build_dir/corpus/$name" "tests/fuzz/corpus/$name" && return
  grep -aq 'libFuzzer: timeout' "$findings/$name.log" && run_fuzzer "$name" "$(last 'Test unit written to ' "$name")"
}

# last PATTERN NAME: what the log's last line with PATTERN holds behind it
last() { grep -aoP "$1\K[^ ]+" "$findings/$2.log" | tail -n1; }

echo "fuzz.sh: ${names[*]}: $seconds s each, $jobs side by side, seed $seed"
rm -f "$findings"/*.ok
for name in "${names[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
  (fuzz "$name" && touch "$findings/$name.ok") &
done
wait || true
failed=()
for name in "${names[@]}"; do
  [ -e "$findings/$name.ok" ] || failed+=("$name")
done

for name in "${failed[@]}"; do
  echo "fuzz.sh: $name found something:" >&2
  grep -av '^#' "$findings/$name.log" | grep -avE 'NEW_FUNC|# Uses' | grep -aE -m1 -A25 'ERROR|runtime error|does not hold|terminate' >&2 || tail -n20 "$findings/$name.log" >&2
  echo "fuzz.sh: input: $(last 'Test unit written to ' "$name"); again by: $build_dir/fuzz_$name INPUT" >&2
done
printf '%-12s %11s %8s %7s %7s  %s\n' fuzzer executions per\ s edges corpus result
for name in "${names[@]}"; do
  result=ok
  [[ " ${failed[*]-} " == *" $name "* ]] && result=FAILED
  printf '%-12s %11s %8s %7s %7s  %s\n' "$name" "$(last 'number_of_executed_units: +' "$name")" "$(last 'average_exec_per_sec: +' "$name")" \
    "$(last ' cov: ' "$name")" "$(last ' corp: ' "$name" | cut -d/ -f1)" "$result"
done
[ ${#failed[@]} -eq 0 ]
