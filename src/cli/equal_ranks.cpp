#include "lckv/cli/equal_ranks.h"

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/kernels/table.h"
#include "lckv/model/init.h"

namespace lckv::cli {

void require_equal_ranks(comm::World& world, const comm::Communicators& ranks,
                         const model::ParameterSet& weights) {
  if (ranks.grid.ranks() == 1) return;
  const Device device = weights.buckets().front().device();
  comm::require_equal_texts(world, "kernels", ops::kernels(device).name);
  Stream stream;
  comm::require_equal_texts(world, "weights",
                            format("{:016x}", model::content_hash(stream, weights, *ranks.tp)));
}

}  // namespace lckv::cli
