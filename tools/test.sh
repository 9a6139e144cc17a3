#!/usr/bin/env bash
# Builds everything, then runs the tests; ctest's summary comes last.
#   usage: tools/test.sh [ctest options]     e.g. -L unit, -R Plan; BUILD_DIR: another folder than build/
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/build.sh
ctest --test-dir "${BUILD_DIR:-build}" --output-on-failure -j2 "$@"
