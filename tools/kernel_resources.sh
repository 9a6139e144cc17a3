#!/usr/bin/env bash
# What ptxas gives every CUDA kernel on sm_80 and sm_90a: registers, static shared memory, stack, spilled bytes. Compiles kernels/cuda/*.cu
# anew, two at a time, and keeps nothing (under a minute).
#   usage: tools/kernel_resources.sh [--check | --update]
#     without: prints the table      --update: writes it to tests/kernels/kernel_resources.txt
#     --check: exit 1 when a hot kernel spills on sm_90a, or when registers or spills are not those of the file. Of another nvcc than the
#              file's nothing is compared but the hot kernels' spills.
# $LCKV_NVCC names the compiler, default nvcc. Exit codes: 1 a check did not hold, 2 usage, 5 no compiler or it failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
table=tests/kernels/kernel_resources.txt
nvcc=${LCKV_NVCC:-nvcc}
mode=${1:-}
case $mode in
  '' | --check | --update) ;;
  *) sed -n '4,8p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
version=$("$nvcc" --version 2>/dev/null | sed -n 's/^Cuda compilation tools, //p') || true
[ -n "$version" ] || { echo "kernel_resources.sh: $nvcc: no such compiler" >&2; exit 5; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"/include/lckv
ln -s "$PWD/kernels" "$folder/include/lckv/kernels"
for module in base tensor; do ln -s "$PWD/src/$module" "$folder/include/lckv/$module"; done

# compile FILE: what ptxas says, into the folder. The flags are those of CMakeLists.txt.
# shellcheck disable=SC2317  # called through xargs
compile() {
  nice "$nvcc" -std=c++20 -O3 -DFMT_SHARED -DFMT_CONSTEVAL= -I "$folder/include" -gencode=arch=compute_80,code=sm_80 \
    -gencode=arch=compute_90a,code=sm_90a -Xptxas -v -fatbin "$1" -o "$folder/$(basename "$1").fatbin" \
    > "$folder/$(basename "$1" .cu).log" 2>&1 && return
  cat "$folder/$(basename "$1" .cu).log" >&2
  return 1
}
export -f compile
export nvcc folder
printf '%s\n' kernels/cuda/*.cu | xargs -P 2 -I{} bash -c 'compile {}' ||
  { echo "kernel_resources.sh: the kernels do not compile" >&2; exit 5; }

# Kernels of other people's headers (CUB) change with the toolkit: left out. A name keeps its template arguments, not its parameters.
resources_of() {
  awk '/Compiling entry function/ { split($0, quoted, "\047"); name = quoted[2]; arch = quoted[4] }
       /bytes stack frame/ { stack = $1; stores = $5; loads = $9 }
       /Used [0-9]+ registers/ {
         smem = 0
         for (i = 2; i <= NF; ++i) if ($i ~ /^smem/) smem = $(i - 2)
         match($0, /Used [0-9]+/)
         print name, arch, substr($0, RSTART + 5, RLENGTH - 5), smem, stack, stores, loads
       }' "$1" | c++filt |
    sed -E '/(^| )cub::/d; s/^void //; s/lckv::ops::cuda:://g; s/\(anonymous namespace\):://g' |
    awk -v file="$2" '{
      numbers = $(NF - 5) " " $(NF - 4) " " $(NF - 3) " " $(NF - 2) " " $(NF - 1) " " $NF
      name = $0
      sub(/ sm_[0-9a-z]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+$/, "", name)
      depth = 0  # the parameters begin at the first parenthesis outside of < >
      for (i = 1; i <= length(name); ++i) {
        letter = substr(name, i, 1)
        if (letter == "<") ++depth
        if (letter == ">") --depth
        if (letter == "(" && depth == 0) { parameters = substr(name, i); name = substr(name, 1, i - 1); break }
      }
      gsub(/ /, "", name)
      if (name !~ /</) name = name parameters  # overloads
      gsub(/ /, "", name)
      split(numbers, n, " ")
      printf "%-7s %-32s %9d %7d %7d %7d %7d  %s\n", n[1], file, n[2], n[3], n[4], n[5], n[6], name
    }'
}
{
  echo "# tools/kernel_resources.sh --update, nvcc: $version"
  printf '# %-5s %-32s %9s %7s %7s %7s %7s  %s\n' arch file registers shared stack stores loads kernel
  for log in "$folder"/*.log; do resources_of "$log" "$(basename "$log" .log)"; done | LC_ALL=C sort -k1,1 -k2,2 -k8
} > "$folder/table"
rows=$(grep -vc '^#' "$folder/table") || true
[ "$rows" -gt 0 ] || { echo "kernel_resources.sh: ptxas named no kernel" >&2; exit 5; }

case $mode in
  '') head -2 "$folder/table"; grep -v '^#' "$folder/table" | LC_ALL=C sort -k1,1r -k6,6nr -k3,3nr -k2,2 -k8 ;;
  --update) cp "$folder/table" "$table"; echo "$table: $rows kernels" ;;
esac

[ "$mode" = --check ] || exit 0
rc=0
failed() {
  printf 'kernel_resources.sh: %s\n' "$@" >&2
  rc=1
}

# The kernels of a training step in bf16; losses, sums and casts have F32 beside it. Where they spill on the GPU that is measured, something
# went wrong.
hot='attention_forward_mma attention_forward_wgmma attention_backward_keys_wgmma attention_backward_queries_wgmma paged_attention_mma attention_backward_keys_mma attention_backward_queries_mma rmsnorm rmsnorm_backward swiglu rope cross_entropy
  cross_entropy_part adamw reduce copy'
for file in $hot; do
  hot_kernels=$(awk -v file="$file" '$1 == "sm_90a" && $2 == file && $8 !~ /double/ &&
    (file !~ /^(rmsnorm|swiglu|rope|adamw)/ || $8 ~ /bfloat16/ || $8 !~ /float/)' "$folder/table")
  [ -n "$hot_kernels" ] || failed "no kernel for sm_90a in kernels/cuda/$file.cu: which one is hot instead?"
  spilled=$(awk '$6 + $7 > 0' <<< "$hot_kernels")
  [ -z "$spilled" ] || failed 'hot kernels spill registers:' "$spilled"
done

[ -f "$table" ] || { failed "$table: missing"; exit $rc; }
numbers() { awk '!/^#/ { print $1, $2, $8, "registers", $3, "spills", $6, $7 }' "$1"; }
if [ "$(head -1 "$table")" != "$(head -1 "$folder/table")" ]; then
  echo "kernel_resources.sh: not compared, $table is of another compiler: $(head -1 "$table")"
elif ! difference=$(diff <(numbers "$table") <(numbers "$folder/table")); then
  failed "not what $table says (<); where that is meant, --update it:" "$difference"
fi
[ $rc -ne 0 ] || echo "$rows kernels: as they should be"
exit $rc
