#include "lckv/base/text.h"
#include "lckv/comm/communicator.h"

namespace lckv::comm {

namespace {

/// A place in a group whose other ranks do not exist.
class PaperCommunicator final : public Communicator {
 public:
  using Communicator::Communicator;

 private:
  void run(Stream&, const Collective& call) override {
    throw InternalError(format("{}: {} \"{}\" in a group of {} that is only planned", name(),
                               comm::name(call.kind), call.label, size()));
  }
};

}  // namespace

std::unique_ptr<Communicator> make_alone(const std::string& name) {
  return std::make_unique<PaperCommunicator>(name, 0, 1);
}

std::unique_ptr<Communicator> make_planned(const std::string& name, int rank, int size) {
  return std::make_unique<PaperCommunicator>(name, rank, size);
}

}  // namespace lckv::comm
