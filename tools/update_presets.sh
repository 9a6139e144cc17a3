#!/usr/bin/env bash
# Writes into configs/ the figures that tests/cli/presets_test.cpp expects there: lines Cost, Memory and Time of the run files, rows of README.md.
# For a change that moves what a plan costs or holds, once it is known to be right. Usage: tools/update_presets.sh [build/test_cli]
set -euo pipefail
cd "$(dirname "$0")/.."
tests=${1:-build/test_cli}
if [ $# -gt 1 ] || [ ! -x "$tests" ]; then
  echo "update_presets.sh: no program at $tests: tools/update_presets.sh [build/test_cli]" >&2
  exit 2
fi

# FILE, a tab, the line that it should hold: as the test's messages say.
expected() {
  { "$tests" --gtest_filter='EveryPreset.*' --gtest_brief=1 || true; } | awk '
    / # (Cost|Memory|Time): / && /^[^ ]+: # / { file = substr($0, 1, index($0, ": # ") - 1) ".yaml" }
    /^is not  # / { print file "\t" substr($0, 9) }
    /^no row / { print "README.md\t" substr($0, 8) }'
}

# The line of `file` that begins like `line`, up to its first ": " or "](", becomes `line`; a row keeps its last column, which people write.
replace() {
  local file=$1 line=$2
  LINE=$line awk '
    BEGIN { line = ENVIRON["LINE"]; mark = line ~ /^#/ ? ": " : "]("; begin = substr(line, 1, index(line, mark) + 1) }
    index($0, begin) != 1 { print; next }
    line ~ /^#/ { print line; next }
    { count = split($0, cell, "|"); print line cell[count - 1] "|" }' "$file" >"$file.new"
  mv "$file.new" "$file"
}

for _ in comments rows; do  # rows hold what the comments say
  while IFS=$'\t' read -r file line; do
    echo "$file: $line"
    replace "configs/$file" "$line"
  done < <(expected)
done
