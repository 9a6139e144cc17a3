#!/usr/bin/env bash
# Installs the Debian packages that building and testing lckv needs; does nothing when all are there.
#   usage: tools/setup.sh [--dry-run]     --dry-run: print what would be run
set -euo pipefail

packages=(
  build-essential g++ cmake ninja-build pkg-config ccache git
  libopenmpi-dev openmpi-bin libhdf5-dev libyaml-cpp-dev libsentencepiece-dev
  libdnnl-dev ocl-icd-opencl-dev  # oneDNN's CMake configuration asks for OpenCL
  libspdlog-dev libfmt-dev libcli11-dev nlohmann-json3-dev
  libxxhash-dev zlib1g-dev libzstd-dev libssl-dev libpcre2-dev
  libgtest-dev libgmock-dev libbenchmark-dev clang-format clang-tidy
  clang libclang-rt-14-dev  # the fuzzers' compiler; lckv itself is built by g++
)

dry_run=false
case ${1-} in
  '') ;;
  --dry-run) dry_run=true ;;
  *) echo "usage: tools/setup.sh [--dry-run]" >&2; exit 2 ;;
esac

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "setup.sh: no apt-get here; install what these Debian packages hold, by your system's own means:" >&2
  printf '  %s\n' "${packages[@]}" >&2
  exit 2
fi

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup.sh: all ${#packages[@]} packages are installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
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

echo "setup.sh: missing: ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
run "${apt[@]}" update
run "${apt[@]}" install --no-install-recommends "${missing[@]}"
