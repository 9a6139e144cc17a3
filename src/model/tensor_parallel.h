#pragma once

#include "lckv/comm/communicator.h"
#include "lckv/model/dims.h"
#include "lckv/tensor/stream.h"

namespace lckv::model {

/// How the ranks of one model copy work on a block together: each projects with its own heads and
/// its part of the MLP, and the results are partial sums of [N, C] (Shoeybi et al. 2019,
/// arXiv:1909.08053). With sequence parallelism the norm regions between them hold N_tp rows on
/// each rank (Korthikanti et al. 2022, arXiv:2205.05198). Of one rank nothing is communicated.
///
/// Functions with a label are collective over the copy's ranks.
class TensorParallel {
 public:
  TensorParallel(comm::Communicator& group, const Dims& dims);

  comm::Communicator& group() const { return group_; }
  bool is_split() const { return group_.size() > 1; }
  bool sequence_parallel() const { return sequence_parallel_; }
  /// The one rank that adds the residual to its partial sum.
  bool adds_residual() const { return group_.rank() == 0; }

  /// This rank's rows of the norm regions: [N, ..] -> [N_tp, ..]; all of them without sequence
  /// parallelism.
  View own_rows(const View& whole) const;
  /// whole [N, C]: own_rows(whole) were written; afterwards every row is there.
  void gather_rows(Stream& stream, const View& whole, const char* label) const;
  /// partial [N, C]: afterwards own_rows(partial) hold the sums over ranks.
  void sum_partials(Stream& stream, const View& partial, const char* label) const;

 private:
  comm::Communicator& group_;
  bool sequence_parallel_;
};

}  // namespace lckv::model
