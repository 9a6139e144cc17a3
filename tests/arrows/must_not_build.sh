#!/usr/bin/env bash
# Law of the house: a module may use only modules of a lower rank. Plants one violation in module tensor and expects the build to
# stop with the message that belongs to it.   usage: must_not_build.sh SOURCE_DIR BUILD_DIR undeclared_include|upward_call
set -u
source_dir=$1 build_dir=$2 fault=$3
case $fault in
  undeclared_include) expected='No such file or directory' ;;
  upward_call) expected='undefined reference' ;;
  *) echo "unknown fault $fault" >&2; exit 2 ;;
esac
cmake -S "$source_dir" -B "$build_dir" -G Ninja -DLCKV_BUILD_TESTS=OFF -DLCKV_PLANT_ARROW_FAULT="$fault" \
  -DCMAKE_BUILD_TYPE=Debug >"$build_dir.log" 2>&1 || { cat "$build_dir.log"; echo "configure failed"; exit 1; }
if output=$(cmake --build "$build_dir" --target link_check_tensor 2>&1); then
  echo "the build accepted $fault"; exit 1
fi
if ! grep -q "$expected" <<<"$output"; then
  echo "$output"; echo "the build failed without '$expected'"; exit 1
fi
# The same tree without the fault must build, or the failure above proves nothing.
if ! { cmake -S "$source_dir" -B "$build_dir" -DLCKV_PLANT_ARROW_FAULT= >/dev/null &&
  cmake --build "$build_dir" --target link_check_tensor >"$build_dir.log" 2>&1; }; then
  cat "$build_dir.log"; exit 1
fi
echo "refused $fault: $(grep -m1 "$expected" <<<"$output")"
