#!/usr/bin/env bash
# Everything that needs a GPU, on a machine that has one, from a folder made by
#   tools/bundle.sh FOLDER lckv test_kernels test_cuda golden_check mpi_test_comm stall_program
#   usage: tests/cuda/run_all.sh FOLDER RESULTS [laws] [sanitizer] [speed] [cudnn] [ranks] [nccl_faults] [nccl_shared_gpu]     default: all
# laws: every op, golden numbers, whole runs. sanitizer: memcheck and racecheck on the ops. speed: ops and training steps. cudnn: its attention, law and speed. ranks: grids on
# as many ranks as there are GPUs (NCCL), or, where there is one, on 2 and 4 ranks that share it (staged through the host).
# nccl_faults: ranks over NCCL that stop, die or go astray; needs two GPUs. nccl_shared_gpu: NCCL itself between two ranks on one GPU, where it can be talked into that.
# RESULTS gets a log of each part and JSON of the measurements; of training NAME.run.json also has command, driver, clocks and power. Exit 0: all passed.
# shellcheck disable=SC2317  # parts are called by their names
set -uo pipefail
[ $# -ge 2 ] || { sed -n '2,9p' "${BASH_SOURCE[0]}" >&2; exit 2; }
folder=$(realpath "$1")
mkdir -p "$2"
results=$(realpath "$2")
shift 2
parts=("${@:-laws}")
[ $# -gt 0 ] || parts=(laws sanitizer speed cudnn ranks nccl_faults nccl_shared_gpu)
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
export LCKV_REQUIRE_CUDA=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
gpus=$(nvidia-smi --list-gpus | wc -l)
golden=(tests/golden/case_*.safetensors tests/golden/train_*.safetensors tests/golden/decode_*.safetensors)
on_grids=(tests/golden/case_a*.safetensors tests/golden/train_*.safetensors)
failed=0

# part NAME SECONDS COMMAND...: its output goes to RESULTS/NAME.log
part() {
  local name=$1 limit=$2 begin=$SECONDS rc
  shift 2
  timeout "$limit" "$@" >"$results/$name.log" 2>&1
  rc=$?
  [ $rc -eq 0 ] || failed=1
  printf '%-34s %-8s %4d s  %s\n' "$name" "$([ $rc -eq 0 ] && echo ok || echo "exit $rc")" $((SECONDS - begin)) "$(tail -n1 "$results/$name.log" | cut -c1-110)"
}
ranks() {
  LCKV_TEST_RANKS=$1 OMP_NUM_THREADS=1 "$folder/mpirun" -n "$1" --oversubscribe --bind-to none -x LCKV_CUDA_PATH -x LCKV_REQUIRE_CUDA -x LCKV_TEST_RANKS "${@:2}"
}
# left_out NAME REASON
left_out() { printf '%-34s %-8s ******** %s\n' "$1" "LEFT OUT" "$2"; }
export -f ranks
export folder

laws() {
  part kernels 300 "$folder/test_kernels" --gtest_brief=1
  part golden_double 120 "$folder/golden_check" "${golden[@]}" --device cuda
  part golden_fp32 120 "$folder/golden_check" "${golden[@]}" --device cuda --precision fp32
  part golden_bf16 120 "$folder/golden_check" "${golden[@]}" --device cuda --precision bf16
  part runs 300 "$folder/test_cuda" --gtest_brief=1
}

sanitizer() {
  local ops='*cuda*:Attention.*:PagedAttention.*:-*Determinism*:*Speed*' # attention's tests go through all backends themselves
  part memcheck 400 compute-sanitizer --tool memcheck --error-exitcode 9 "$folder/test_kernels" --gtest_brief=1 --gtest_filter="$ops"
  part racecheck 400 compute-sanitizer --tool racecheck --error-exitcode 9 "$folder/test_kernels" --gtest_brief=1 --gtest_filter="$ops"
}

# measured NAME SECONDS COMMAND...: a part that writes RESULTS/NAME.json; RESULTS/NAME.run.json holds that beside the command, the driver and the
# clocks and power that the first GPU had meanwhile (median, smallest, largest).
measured() {
  local name=$1 limit=$2 watcher
  shift 2
  nvidia-smi -i 0 --query-gpu=clocks.sm,clocks.mem,power.draw --format=csv,noheader,nounits -lms 500 >"$results/$name.clocks.csv" &
  watcher=$!
  part "bench_$name" "$limit" "$@" --json "$results/$name.json"
  kill "$watcher"
  spread() { cut -d, -f"$1" "$results/$name.clocks.csv" | sort -n | awk '{v[NR] = $1} END {printf "{\"median\": %s, \"smallest\": %s, \"largest\": %s}", v[int((NR + 1) / 2)], v[1], v[NR]}'; }
  {
    printf '{"command": "%s", "gpu": "%s", "driver": "%s",\n' "${*//\"/\\\"}" "$(nvidia-smi -i 0 --query-gpu=name --format=csv,noheader)" "$(nvidia-smi -i 0 --query-gpu=driver_version --format=csv,noheader)"
    printf ' "sm_clock_mhz": %s,\n "memory_clock_mhz": %s,\n "power_w": %s,\n "measured": ' "$(spread 1)" "$(spread 2)" "$(spread 3)"
    cat "$results/$name.json"
    echo '}'
  } >"$results/$name.run.json"
}

speed() {
  part bench_ops 120 "$folder/lckv" bench ops --device cuda --json "$results/ops.json"
  for config in tinyllama tinyllama_lckv_w2; do
    measured "$config" 200 "$folder/lckv" bench train "configs/$config.yaml" --set train.sequences_per_step=64 --set train.device=cuda \
      --set "train.matmul_algorithms=$results/matmul_algorithms" --steps 5 --gemm-seconds 2
  done
}

cudnn() {
  part cudnn_attention 200 "$folder/test_kernels" --gtest_brief=1 --gtest_filter='CudnnAttention*'
  for config in tinyllama tinyllama_lckv_w2; do
    for deterministic in true false; do
      measured "${config}_cudnn_$deterministic" 200 "$folder/lckv" bench train "configs/$config.yaml" --set train.sequences_per_step=64 --set train.device=cuda \
        --set train.attention=cudnn --set train.deterministic="$deterministic" --set "train.matmul_algorithms=$results/matmul_algorithms" --steps 3 --gemm-seconds 1
    done
  done
}

ranks_part() {
  local n
  if [ "$gpus" -ge 2 ]; then
    part collectives_nccl 200 bash -c 'ranks "$@"' - "$gpus" "$folder/mpi_test_comm" --gtest_brief=1 --gtest_filter='*OnDevice*'
    part "grid_dp${gpus}_nccl" 200 bash -c 'ranks "$@"' - "$gpus" "$folder/golden_check" "${on_grids[@]}" --device cuda
    part "grid_tp${gpus}_nccl" 200 bash -c 'ranks "$@"' - "$gpus" "$folder/golden_check" "${on_grids[@]}" --device cuda --tensor "$gpus"
    part "bench_nccl_dp$gpus" 200 bash -c 'ranks "$@"' - "$gpus" "$folder/lckv" bench train configs/tinyllama.yaml --set train.sequences_per_step=$((32 * gpus)) \
      --steps 3 --gemm-seconds 1 --json "$results/nccl_dp.json"
    return
  fi
  for n in 2 4; do
    part "collectives_staged_$n" 200 bash -c 'ranks "$@"' - $n "$folder/mpi_test_comm" --gtest_brief=1 --gtest_filter='*OnDevice*:*Shared*'
    part "grid_dp${n}_one_gpu" 200 bash -c 'ranks "$@"' - $n "$folder/golden_check" "${on_grids[@]}" --device cuda
    part "grid_tp${n}_one_gpu" 200 bash -c 'ranks "$@"' - $n "$folder/golden_check" "${on_grids[@]}" --device cuda --tensor $n
  done
  part grid_dp2_x_tp2_one_gpu 200 bash -c 'ranks "$@"' - 4 "$folder/golden_check" "${on_grids[@]}" --device cuda --tensor 2 --sequence
}

nccl_faults() {
  if [ "$gpus" -lt 2 ]; then
    left_out nccl_faults "needs two GPUs, this machine has $gpus"
    return
  fi
  part nccl_faults 400 tests/cuda/nccl_faults.sh "$folder"
}

# Two ranks on the first GPU, which NCCL is to take: as 2.30 and later allow, or as ranks of two machines, over the loopback interface.
#   sharing_ranks multi_rank|two_hosts PROGRAM...
sharing_ranks() {
  local way=$1
  shift
  export CUDA_VISIBLE_DEVICES=0 LCKV_NCCL_SHARED_GPU=1 NCCL_MAX_CTAS=2
  if [ "$way" = multi_rank ]; then
    export NCCL_MULTI_RANK_GPU_ENABLE=1
    ranks 2 "$@"
  else
    export NCCL_SOCKET_IFNAME=lo NCCL_NET=Socket NCCL_IB_DISABLE=1 NCCL_P2P_DISABLE=1 NCCL_SHM_DISABLE=1
    # shellcheck disable=SC2016  # every rank's own
    ranks 2 bash -c 'export NCCL_HOSTID=machine-$OMPI_COMM_WORLD_RANK; exec "$@"' - "$@"
  fi
}
export -f sharing_ranks

nccl_shared_gpu() {
  local way log
  for way in multi_rank two_hosts; do
    log=$results/nccl_shared_${way}_trial.log
    if timeout -k 5 90 bash -c 'sharing_ranks "$@"' - "$way" "$folder/mpi_test_comm" --gtest_filter='*TheGroupsSay*Nccl' >"$log" 2>&1; then
      echo "nccl_shared_gpu: NCCL takes two ranks on one GPU as $way"
      part nccl_shared_collectives 300 bash -c 'sharing_ranks "$@"' - "$way" "$folder/mpi_test_comm" --gtest_brief=1 --gtest_filter='*OnDevice*Nccl'
      part nccl_shared_grid_tp2 300 bash -c 'sharing_ranks "$@"' - "$way" "$folder/golden_check" "${on_grids[@]}" --device cuda --tensor 2 --nccl
      return
    fi
    grep -qE 'Duplicate GPU detected' "$log" || failed=1  # anything but NCCL's own refusal is a fault of ours
    echo "nccl_shared_gpu: not as $way: $(grep -m1 -Ei 'ncclCommInitRank|NCCL|cuda' "$log" | cut -c1-150)"
  done
  left_out nccl_shared_gpu "this NCCL takes no two ranks on one GPU"
}

for name in "${parts[@]}"; do
  case $name in
    laws | sanitizer | speed | cudnn | nccl_faults | nccl_shared_gpu) "$name" ;;
    ranks) ranks_part ;;
    *) echo "run_all.sh: unknown part '$name'" >&2; exit 2 ;;
  esac
done
exit $failed
