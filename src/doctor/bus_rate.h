#pragma once

#include "lckv/comm/communicator.h"

namespace lckv::doctor {

/// Collective: bytes per second that each rank of the group has to send in an all_reduce on the
/// memory of `device` (of one kind on all ranks), the slowest rank's, median of the calls of about
/// `budget_s`. The same on all ranks; 0 in a group of one.
double measure_bus(comm::Communicator& group, Device device, double budget_s);

}  // namespace lckv::doctor
