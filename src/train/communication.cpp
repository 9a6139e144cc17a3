#include "lckv/train/communication.h"

#include <algorithm>

#include "lckv/base/text.h"

namespace lckv::train {

namespace {

using comm::CollectiveKind;
using K = model::ValueKind;

class StepTraffic {
 public:
  StepTraffic(const Trainer& trainer, int64_t micro_batches)
      : trainer_(trainer),
        network_(trainer.network()),
        d_(network_.dims()),
        micro_batches_(micro_batches),
        act_bytes_(size_bytes(trainer.weights().dtype())),
        acc_bytes_(size_bytes(accumulator(trainer.weights().dtype()))) {}

  std::vector<CommunicationRow> count() {
    for (int64_t i = 0; i < micro_batches_; ++i) micro_batch();
    shared_gradients();
    optimizer();
    return std::move(rows_);
  }

 private:
  void add(const comm::Communicator& group, const char* label, CollectiveKind kind,
           int64_t whole_bytes) {
    if (group.size() == 1) return;
    auto row = std::find_if(rows_.begin(), rows_.end(),
                            [&](const CommunicationRow& r) { return r.label == label; });
    if (row == rows_.end()) row = rows_.insert(row, {group.name(), label, kind, 0, 0});
    ++row->calls;
    row->sent_bytes += comm::sent_bytes(kind, whole_bytes, group.size());
  }

  // [N, C] of activations among the ranks of a copy, as model/tensor_parallel.h moves them.
  void gather_rows(const char* label) {
    if (d_.sequence_parallel) {
      add(*ranks().tp, label, CollectiveKind::kAllGather, d_.N() * d_.C * act_bytes_);
    }
  }
  void sum_partials(const char* label) {
    add(*ranks().tp, label,
        d_.sequence_parallel ? CollectiveKind::kReduceScatter : CollectiveKind::kAllReduce,
        d_.N() * d_.C * act_bytes_);
  }

  void micro_batch() {
    sum_partials("tp embedding");
    const auto& cells = network_.plan().cells;
    for (int c = 0; c < static_cast<int>(cells.size()); ++c) forward(c);
    head();
    for (int c = static_cast<int>(cells.size()) - 1; c >= 0; --c) {
      if (cells[static_cast<size_t>(c)].keeps_grad) backward(c);
    }
    if (d_.sequence_parallel) {
      add(*ranks().tp, "tp embedding dout", CollectiveKind::kAllGather, d_.N() * d_.C * acc_bytes_);
    }
  }

  void forward(int c) {
    const model::Cell& cell = network_.plan().cells[static_cast<size_t>(c)];
    const bool owns_queries = cell.runs_attention && cell.query_from == c;
    if (owns_queries || (cell.writes_kv && !cell.runs_attention)) gather_rows("tp attention in");
    if (cell.runs_attention) sum_partials("tp attention out");
    if (!cell.runs_block) return;
    gather_rows("tp mlp in");
    sum_partials("tp mlp out");
  }

  void backward(int c) {
    const model::Cell& cell = network_.plan().cells[static_cast<size_t>(c)];
    const model::CellValues& values = network_.executor().memory().cells[static_cast<size_t>(c)];
    if (values.recomputes(K::kNormed)) gather_rows("tp attention in");
    if (values.recomputes(K::kMid)) sum_partials("tp attention out");
    if (values.recomputes(K::kMlpNormed)) gather_rows("tp mlp in");
    if (cell.runs_block) {
      gather_rows("tp mlp dout");
      sum_partials("tp mlp dx");
    }
    if (cell.runs_attention) gather_rows("tp attention dy");
    const bool turns_queries =
        model::writes_gradient(network_.plan(), c, model::WeightGroup::kQuery);
    if (cell.writes_kv || turns_queries) sum_partials("tp attention dx");
  }

  void head() {
    gather_rows("tp head in");
    for (int64_t begin = 0; begin < d_.N(); begin += network_.head_chunk_rows()) {
      const int64_t rows = std::min(network_.head_chunk_rows(), d_.N() - begin);
      add(*ranks().tp, "tp loss", CollectiveKind::kAllGather,
          d_.tp * 3 * rows * size_bytes(DType::kF64));
    }
    sum_partials("tp head dx");
  }

  /// Parameters that several ranks of a copy hold.
  void shared_gradients() {
    for (const model::Parameter& p : table().parameters) {
      if (p.first_row != 0) continue;  // a storage is summed at once
      const int64_t bytes = table().storage_of(p).shape.numel() * acc_bytes_;
      if (p.role == model::Role::kKey) {
        add(*ranks().kv, "kv gradient", CollectiveKind::kAllReduce, bytes);
      }
      if (p.role == model::Role::kNorm && d_.sequence_parallel) {
        add(*ranks().tp, "tp norm gradient", CollectiveKind::kAllReduce, bytes);
      }
    }
  }

  void optimizer() {
    for (const model::Bucket& bucket : table().buckets) {
      add(*ranks().dp, "dp gradients", CollectiveKind::kReduceScatter, bucket.elems * acc_bytes_);
      add(*ranks().dp, "dp weights", CollectiveKind::kAllGather, bucket.elems * act_bytes_);
    }
    const int64_t one = size_bytes(DType::kF64);
    add(*ranks().dp, "scored targets", CollectiveKind::kAllReduce, one);
    add(*ranks().dp, "loss", CollectiveKind::kAllReduce, one);
    add(*ranks().world, "gradient norm", CollectiveKind::kAllReduce, 2 * one);
  }

  const comm::Communicators& ranks() const { return trainer_.ranks(); }
  const model::ParameterTable& table() const { return trainer_.weights().table(); }

  const Trainer& trainer_;
  const model::Model& network_;
  const model::Dims& d_;
  int64_t micro_batches_, act_bytes_, acc_bytes_;
  std::vector<CommunicationRow> rows_;
};

}  // namespace

std::vector<CommunicationRow> communication_per_step(const Trainer& trainer,
                                                     int64_t micro_batches) {
  return StepTraffic(trainer, micro_batches).count();
}

std::string to_text(const std::vector<CommunicationRow>& rows) {
  if (rows.empty()) return "none, one process\n";
  std::string text;
  int64_t total = 0;
  for (const CommunicationRow& row : rows) {
    text += format("  {:<6} {:<20} {:<15} {:>6} calls {:>11} sent by a rank\n", row.group,
                   row.label, name(row.kind), row.calls, human_bytes(double(row.sent_bytes)));
    total += row.sent_bytes;
  }
  return text + format("  total {:>62}\n", human_bytes(double(total)));
}

}  // namespace lckv::train
