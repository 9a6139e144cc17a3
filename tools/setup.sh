#!/usr/bin/env bash
# Installs the Debian packages that building and testing lckv needs; does nothing when all are there.
#   usage: tools/setup.sh [--dry-run] [--build-only]
#   --dry-run: print what would be run    --build-only: nothing that some tests alone need
set -euo pipefail

packages=(
  build-essential g++ cmake ninja-build pkg-config ccache git
  libopenmpi-dev openmpi-bin libhdf5-dev libyaml-cpp-dev libsentencepiece-dev
  libdnnl-dev ocl-icd-opencl-dev  # oneDNN's CMake configuration asks for OpenCL
  libspdlog-dev libfmt-dev libcli11-dev nlohmann-json3-dev
  libxxhash-dev zlib1g-dev libzstd-dev libssl-dev libpcre2-dev
  libisal-dev  # CRC32C of event files
  protobuf-compiler  # tests read by it what event files hold
  libgtest-dev libgmock-dev libbenchmark-dev clang-format clang-tidy
  clang libclang-rt-14-dev  # the fuzzers' compiler; lckv itself is built by g++
)

# For some tests alone, which fail or are skipped, and say so, without them. A system that does not have them is set up all the same.
optional=(
  slurm-wlm munge  # tests/slurm
  shellcheck       # tests/launch
  zsh fish         # tests/cli/completion_test.cpp
  chromium         # tests/report
)

dry_run=false
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=true ;;
    --build-only) optional=() ;;
    *) echo "usage: tools/setup.sh [--dry-run] [--build-only]" >&2; exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "setup.sh: no apt-get here; install what these Debian packages hold, by your system's own means:" >&2
  printf '  %s\n' "${packages[@]}" >&2
  exit 2
fi

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=() left_out=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done
for package in "${optional[@]}"; do
  is_installed "$package" || left_out+=("$package")
done
if [ ${#missing[@]} -eq 0 ] && [ ${#left_out[@]} -eq 0 ]; then
  echo "setup.sh: all $((${#packages[@]} + ${#optional[@]})) packages are installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    [ ${#left_out[@]} -eq 0 ] || echo "setup.sh: left out, some tests will fail or be skipped: ${left_out[*]}" >&2
    [ ${#missing[@]} -gt 0 ] || exit 0
    echo "setup.sh: missing: ${missing[*]}; installing them needs root or sudo" >&2
    exit 2
  fi
  as_root=(sudo)
fi

run() {
  if $dry_run; then
    echo "$*"
  else
    "$@"
  fi
}

apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
if [ ${#missing[@]} -gt 0 ]; then
  echo "setup.sh: missing: ${missing[*]}"
  run "${apt[@]}" update
  run "${apt[@]}" install --no-install-recommends "${missing[@]}"
fi
if [ ${#left_out[@]} -gt 0 ]; then
  echo "setup.sh: missing, for some tests alone: ${left_out[*]}"
  is_known() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }
  is_known "${left_out[0]}" || run "${apt[@]}" update || true
  for package in "${left_out[@]}"; do
    run "${apt[@]}" install --no-install-recommends "$package" || echo "setup.sh: $package is left out: some tests will fail or be skipped" >&2
  done
fi
