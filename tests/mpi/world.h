#pragma once

#include "lckv/comm/world.h"

namespace lckv::test {

/// The world of this test program: two or more ranks, as many as the runner was told.
comm::World& world();

}  // namespace lckv::test
