#!/usr/bin/env bash
# Formats our C++ and CUDA sources in place; --check changes nothing and fails when a file is not formatted. Comments are
# broken by hand: those wider than 100 columns are named, and fail it too.
#   usage: tools/format.sh [--check]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1-} in
  '') mode=(-i) ;;
  --check) mode=(--dry-run --Werror) ;;
  *) echo "usage: tools/format.sh [--check]" >&2; exit 2 ;;
esac
mapfile -d '' -t sources < <(find src kernels tests data -type f \
  \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0 | sort -z)
clang-format "${mode[@]}" "${sources[@]}"
if LC_ALL=C.UTF-8 grep -nP '^(?=.{101}) *//' "${sources[@]}" >&2; then
  echo "tools/format.sh: these comments are wider than 100 columns" >&2
  exit 1
fi
