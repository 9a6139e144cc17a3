#include "lckv/mpi_test/world.h"

namespace lckv::test {

comm::World& world() {
  static comm::World instance = comm::World::join();
  return instance;
}

}  // namespace lckv::test
