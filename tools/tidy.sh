#!/usr/bin/env bash
# Runs clang-tidy over src/, kernels/ and data/ with the compile commands of build/, or of $BUILD_DIR.
#   usage: tools/tidy.sh [files]     default: every .cpp that the build compiles
# Version 14 cannot read parts of g++ 12's standard library (views, source_location), so the newest one installed is taken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_dir=${BUILD_DIR:-build}

# newest_tidy: the program with the highest version of its own report
newest_tidy() {
  compgen -c clang-tidy | grep -xE 'clang-tidy(-[0-9]+)?' | sort -u |
    while read -r program; do
      printf '%s %s\n' "$("$program" --version | grep -oE 'version [0-9]+' | grep -oE '[0-9]+')" "$program"
    done | sort -n | tail -n1
}

read -r version program < <(newest_tidy) || { echo "tidy.sh: clang-tidy is not installed" >&2; exit 2; }
if [ ! -f "$build_dir/compile_commands.json" ]; then
  echo "tidy.sh: $build_dir/compile_commands.json is missing; run tools/build.sh first" >&2
  exit 2
fi
if [ "$version" -lt 16 ]; then
  echo "tidy.sh: $program is version $version; below 16 expect false errors in standard headers" >&2
fi

if [ $# -gt 0 ]; then
  printf '%s\0' "$@"
else
  grep -oE '"file": "[^"]*\.cpp"' "$build_dir/compile_commands.json" | cut -d'"' -f4 | sort -u |
    grep -E "^$PWD/(src|kernels|data)/" | tr '\n' '\0'
fi | xargs -0 -P2 -n1 "$program" --quiet -p "$build_dir" --extra-arg=-Wno-unknown-warning-option
