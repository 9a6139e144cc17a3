#pragma once

#include "lckv/comm/communicator.h"

namespace lckv::comm {

/// The contract of Communicator's functions on one rank's arguments: throws ShapeError, DTypeError
/// or InternalError naming group, collective, label and argument.
void check_collective(const Communicator& group, const Collective& call);

}  // namespace lckv::comm
