#!/usr/bin/env bash
# Sets up, configures (Ninja, Release) and builds everything into build/, or into $BUILD_DIR.
#   usage: tools/build.sh [CMake options]     e.g. -DLCKV_SANITIZE=address
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_dir=${BUILD_DIR:-build}

tools/setup.sh
cmake -S . -B "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE=Release "$@"
cmake --build "$build_dir"
