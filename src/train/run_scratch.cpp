#include "lckv/train/run_scratch.h"

#include <algorithm>

#include "lckv/base/text.h"
#include "lckv/comm/nccl_memory.h"
#include "lckv/kernels/attention_backend.h"
#include "lckv/kernels/scratch_bytes.h"
#include "lckv/tensor/cuda_runtime.h"

namespace lckv::train {

namespace {

/// The attentions of a training step, with views that have no memory but the strides that the model
/// gives them.
class Attentions {
 public:
  Attentions(const Trainer& trainer, bool document_mask, Device device)
      : plan_(trainer.network().plan()),
        d_(trainer.network().dims()),
        device_(device),
        act_(trainer.weights().dtype()),
        acc_(accumulator(act_)) {
    if (document_mask) first_key_ = ConstView(nullptr, DType::kI32, {d_.B, d_.T}, device_);
  }

  /// Most that one of them takes with our own kernels.
  int64_t own_bytes() const {
    const bool has_backward =
        std::any_of(plan_.cells.begin(), plan_.cells.end(),
                    [](const model::Cell& cell) { return cell.runs_attention && cell.keeps_grad; });
    return has_backward ? ops::own_attention_backward_scratch_bytes(d_.B, d_.T, d_.Hq_tp(), acc_)
                        : 0;
  }

  /// Most that one of them takes with the kernels chosen; asks the GPU.
  int64_t chosen_bytes() const {
    const Stream stream(device_);
    int64_t most = 0;
    for (const model::Cell& cell : plan_.cells) {
      if (cell.runs_attention) most = std::max(most, bytes_of(stream, cell));
    }
    return most;
  }

 private:
  View rows(DType dtype, int64_t columns) const {
    return {nullptr, dtype, {d_.N(), columns}, device_};
  }
  /// [N, H*D] -> [B, T, H, D]
  View sequences(const View& rows, int64_t H) const {
    return rows.unflatten(1, H, d_.D).unflatten(0, d_.B, d_.T);
  }
  View queries() const { return sequences(rows(act_, d_.Cq_tp()), d_.Hq_tp()); }
  View keys(DType dtype) const {
    return sequences(rows(dtype, 2 * d_.Ckv_tp()).slice(1, 0, d_.Ckv_tp()), d_.Hkv_tp());
  }
  View values(DType dtype) const {
    return sequences(rows(dtype, 2 * d_.Ckv_tp()).slice(1, d_.Ckv_tp(), 2 * d_.Ckv_tp()),
                     d_.Hkv_tp());
  }

  int64_t bytes_of(const Stream& stream, const model::Cell& cell) const {
    ops::AttentionMask mask;
    mask.strict = cell.masks_self;
    mask.window_tokens = plan_.layers[static_cast<size_t>(cell.layer)].window_tokens;
    mask.first_key = first_key_;
    const View q = queries(), k = keys(act_), v = values(act_);
    const View lse(nullptr, acc_, {d_.B, d_.Hq_tp(), d_.T}, device_);
    const int64_t forward = ops::attention_forward_scratch_bytes(stream, q, lse, q, k, v, mask);
    if (!cell.keeps_grad) return forward;
    const bool reads_constants = cell.kv_from == model::kZeroKv ||
                                 !plan_.cells[static_cast<size_t>(cell.kv_from)].keeps_grad;
    const View dk = reads_constants ? View() : keys(acc_),
               dv = reads_constants ? View() : values(acc_);
    return std::max(forward, ops::attention_backward_scratch_bytes(stream, q, dk, dv, q, q, lse, q,
                                                                   k, v, mask));
  }

  const model::Plan& plan_;
  const model::Dims& d_;
  Device device_;
  DType act_, acc_;
  ConstView first_key_;
};

void add_attention(model::ScratchMemory& scratch, const Attentions& attentions,
                   config::Attention choice) {
  const std::string name = "attention";
  if (choice == config::Attention::kOwn) {
    scratch.add(name, attentions.own_bytes());
  } else if (cuda::device_count() > 0) {
    scratch.add(name, attentions.chosen_bytes());
  } else {
    scratch.unknown.push_back("workspace of cuDNN's attention, which is not known without a GPU");
  }
}

}  // namespace

model::ScratchMemory plan_run_scratch(const RunObjects& planned, const config::RunConfig& config,
                                      Device device) {
  model::ScratchMemory scratch;
  if (planned.evaluation) {
    for (const Arena::Piece& piece : planned.evaluation->pieces()) {
      scratch.pieces.push_back({"evaluation", piece.name, piece.bytes});
    }
  }
  if (device.kind == DeviceKind::kCpu) return scratch;
  const Trainer& trainer = planned.trainer;
  const model::Dims& d = trainer.network().dims();
  const DType acc = accumulator(trainer.weights().dtype());
  scratch.add("matmul", ops::matmul_scratch_bytes());
  scratch.add("partial sums", ops::rmsnorm_backward_scratch_bytes(d.N_tp(), d.C, acc));
  scratch.add("sorted tokens", ops::embedding_backward_scratch_bytes(d.N(), d.V_tp()));
  add_attention(scratch, Attentions(trainer, config.data.document_mask, device),
                config.train.attention);
  const int64_t staging = nccl_staging_bytes(trainer.ranks());
  if (staging > 0) scratch.add("nccl staging", staging);
  return scratch;
}

int64_t nccl_staging_bytes(const comm::Communicators& ranks) {
  int64_t bytes = 0;
  for (const auto* group : {&ranks.world, &ranks.dp, &ranks.tp, &ranks.kv}) {
    if (ranks.over_nccl && (*group)->size() > 1) bytes += comm::kNcclStagingBytes;
  }
  return bytes;
}

model::ScratchMemory plan_run_scratch(const config::RunConfig& config, DType dtype,
                                      const comm::Communicators& ranks, Device device) {
  Arena paper = Arena::planning(device);
  return plan_run_scratch(RunObjects(paper, config, dtype, ranks), config, device);
}

}  // namespace lckv::train
