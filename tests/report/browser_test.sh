#!/usr/bin/env bash
# The page of two real runs in a browser, as narrow as a phone: no script error, nothing loaded, no horizontal overflow, every
# curve with as many points as metrics.jsonl has lines of it, hovering and legends work. Then pages with planted faults, each
# of which must be found.
#   usage: browser_test.sh LCKV
# Needs chromium (tools/setup.sh installs it; CHROMIUM names another). Without one it fails; LCKV_SKIP_BROWSER=1 makes
# that a skip (exit 77), which ctest reports.
set -euo pipefail
lckv=$(realpath "${1:?usage: browser_test.sh LCKV}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

find_browser() {
  local name
  for name in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome; do
    command -v "$name" && return
  done
  echo "browser_test.sh: NOT TESTED: there is no chromium; tools/setup.sh installs it, or CHROMIUM=/path names it" >&2
  if [ "${LCKV_SKIP_BROWSER-}" = 1 ]; then
    echo "browser_test.sh: SKIPPED, for LCKV_SKIP_BROWSER=1: no page was opened" >&2
    return 77
  fi
  return 1
}
browser=$(find_browser)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# Two runs of one name: a Llama, and the same with four layers that read one.
make_runs() {
  local i
  for i in $(seq 400); do echo "the cat number $((i * 7919 % 1000)) sat on the mat"; done > text.txt
  "$lckv" tokenize text.txt --documents lines --tokenizer bytes --validation-frac 0.2 --validation-output validation.h5 \
    -o train.h5 > log 2>&1
  cat > run.yaml << 'YAML'
output: to be set
model: {hidden_size: 32, intermediate_size: 48, num_hidden_layers: 5, num_attention_heads: 4, num_key_value_heads: 2,
        vocab_size: 258, max_position_embeddings: 64}
data: {train: train.h5, validation: validation.h5, sequence_tokens: 32}
train: {steps: 60, sequences_per_step: 2, precision: fp32, threads: 1}
validation: {every_steps: 20, tokens: 256}
YAML
  "$lckv" train run.yaml --set output=llama/run >> log 2>&1
  "$lckv" train run.yaml --set output=lckv/run --set model.layer_types=0_3_3_3_4 --set model.forward_passes=2 \
    --set eval.every_steps=0 >> log 2>&1
}
make_runs || { cat log >&2; exit 1; }
"$lckv" report llama/run lckv/run -o report.html

# Opens page.html, given in $1, inside browser_check.html; prints what does not hold, fails if anything.
check_page() {
  cp "$1" page.html
  cp "$here/browser_check.html" check.html
  timeout 60 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --disable-extensions --no-first-run \
    --disable-background-networking --user-data-dir="$folder/profile" --allow-file-access-from-files \
    --window-size=800,900 --enable-logging=stderr --dump-dom "file://$folder/check.html" > dom 2> browser_log || {
    echo "the browser failed:"
    tail -5 browser_log
    return 1
  }
  sed -n '/<pre id="result">/,/<\/pre>/p' dom | sed 's/<[^>]*>//g' > result
  local holds=0
  if grep 'CONSOLE' browser_log; then holds=1; fi
  if grep '^FAIL' result; then holds=1; fi
  if ! grep -qx 'done' result; then
    echo "the checks did not end"
    holds=1
  fi
  return $holds
}

# The points of the curve $1 ("chart|run|kind") against the lines of $2 that hold the name $3.
check_count() {
  local curve lines
  curve=$(grep -F "count $1|" result | sed 's/.*|//')
  lines=$(grep -c "\"$3\":" "$2")
  if [ "$curve" != "$lines" ]; then
    echo "$1: $curve points, $2 has $lines lines with \"$3\""
    return 1
  fi
}

failed=0
if check_page report.html; then
  for run in llama lckv; do
    metrics=$run/run/metrics.jsonl
    check_count "Whole run|$run/run|raw" $metrics loss || failed=1
    check_count "Whole run|$run/run|smoothed" $metrics loss || failed=1
    check_count "All validated tokens|$run/run|own passes" $metrics validation_loss || failed=1
    check_count "Tokens per second|$run/run|raw" $metrics tokens_per_s || failed=1
    check_count "Norm of the gradient|$run/run|raw" $metrics grad_norm || failed=1
  done
else
  failed=1
fi
echo "report.html: $(grep -c '^ok' result) checks hold"

# $1: what is wrong with the page; $2: a sed script that makes it so; $3: what must be said of it.
must_be_found() {
  sed "$2" report.html > faulty.html
  if cmp -s report.html faulty.html; then
    echo "FAIL planted: $1: the fault is not in the page"
    failed=1
  elif check_page faulty.html > found; then
    echo "FAIL planted: $1: not found"
    failed=1
  elif ! grep -q "$3" found; then
    echo "FAIL planted: $1: found, but not as \"$3\":"
    cat found
    failed=1
  else
    echo "planted: $1: found"
  fi
}
must_be_found "a script error" "s/'use strict';/&\n  noSuchFunction();/" 'noSuchFunction is not defined'
must_be_found "an image from outside" 's|</main>|<img src="http://example.invalid/x.png">&|' 'example.invalid'
must_be_found "a part that is too wide" 's|</main>|<div style="width:600px">wide</div>&|' 'no horizontal overflow'
must_be_found "a point that is lost" '0,/"x":\[1,2,/s//"x":[2,/' 'points carried'
must_be_found "a legend that does nothing" "s/key.addEventListener('click'/key.addEventListener('never'/" 'the legend hides'
exit $failed
