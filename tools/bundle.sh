#!/usr/bin/env bash
# Makes a folder that runs on another x86-64 Linux without installing anything: programs, the libraries that they need beside the C library,
# Open MPI. CUDA's own libraries are found on the target: by its loader, in /usr/local/cuda, or in the folders that LCKV_CUDA_PATH names.
#   usage: tools/bundle.sh FOLDER [PROGRAM...]     PROGRAM: of the build folder (BUILD_DIR, default build/); default lckv
# The target needs a C library as new as this machine's. FOLDER/lckv runs as it is; FOLDER/mpirun starts several ranks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -ge 1 ] || { sed -n '2,5p' "${BASH_SOURCE[0]}" >&2; exit 2; }
build_dir=${BUILD_DIR:-build}
folder=$1
shift
programs=("${@:-lckv}")

rm -rf "$folder"
mkdir -p "$folder/lib"

# The target's own, which go with its kernel and its driver.
is_systems() { [[ $1 =~ ^(ld-linux|libc\.|libm\.|libdl\.|libpthread\.|librt\.|libresolv\.|libutil\.|libcuda\.|libnvidia) ]]; }

# libraries FILE...: name and place of each library that they need
libraries() { ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u; }

take_libraries() {
  local name place
  while read -r name place; do
    is_systems "$name" || [ -e "$folder/lib/$name" ] || cp -L "$place" "$folder/lib/$name"
  done < <(libraries "$@")
}

for program in "${programs[@]}"; do
  [ -x "$build_dir/$program" ] || { echo "bundle.sh: $build_dir/$program: no such program; build it first" >&2; exit 5; }
  install -s "$build_dir/$program" "$folder/"
done
take_libraries "${programs[@]/#/$build_dir/}"

# Open MPI finds its parts relative to OPAL_PREFIX and to the folders named here.
path_of() { ompi_info --path "$1" --parsable | cut -d: -f3; }
libdir=$(path_of libdir)
mkdir -p "$folder/openmpi/bin" "$folder/openmpi/lib" "$folder/openmpi/share" "$folder/openmpi/pmix/lib"
cp -L "$(command -v mpirun)" "$folder/openmpi/bin/orterun"
cp -L "$(command -v orted)" "$folder/openmpi/bin/orted"
cp -rL "$(path_of pkglibdir)" "$folder/openmpi/lib/"
cp -rL "$(path_of pkgdatadir)" "$folder/openmpi/share/openmpi"
mkdir -p "$folder/openmpi/etc"
cp -rL "$(path_of sysconfdir)/." "$folder/openmpi/etc/"
pmix=$(dirname "$libdir")/../pmix2
if [ -d "$pmix/lib/pmix" ]; then
  cp -rL "$pmix/lib/pmix" "$folder/openmpi/pmix/lib/"
fi
take_libraries "$folder/openmpi/bin/orterun" "$folder/openmpi/bin/orted" "$folder"/openmpi/lib/openmpi3/mca_{btl_vader,btl_self,btl_tcp,pml_ob1,pmix_*,ess_*,oob_*,coll_*,hwloc_*}*.so
find "$folder/lib" "$folder/openmpi" -name '*.so*' -type f -exec strip --strip-unneeded {} + 2>/dev/null || true

cat >"$folder/mpirun" <<'END'
#!/usr/bin/env bash
# mpirun of this folder, wherever it lies. Options as Open MPI's.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export OPAL_PREFIX=$here/openmpi OPAL_BINDIR=$here/openmpi/bin OPAL_LIBDIR=$here/openmpi/lib OPAL_PKGLIBDIR=$here/openmpi/lib/openmpi3
export OPAL_DATADIR=$here/openmpi/share OPAL_PKGDATADIR=$here/openmpi/share/openmpi OPAL_SYSCONFDIR=$here/openmpi/etc
export PMIX_INSTALL_PREFIX=$here/openmpi/pmix OMPI_MCA_mca_base_component_show_load_errors=0 PMIX_MCA_mca_base_component_show_load_errors=0
export PMIX_MCA_pcompress_base_silence_warning=1 OMPI_MCA_pml=ob1 OMPI_MCA_btl=${OMPI_MCA_btl-self,vader,tcp}
export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
exec "$here/openmpi/bin/orterun" "$@"
END
chmod +x "$folder/mpirun"
echo "bundle.sh: $(du -sh "$folder" | cut -f1) in $folder: ${programs[*]}"
