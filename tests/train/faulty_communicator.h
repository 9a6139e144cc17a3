#pragma once

#include <functional>
#include <memory>
#include <string>

#include "lckv/comm/communicator.h"

namespace lckv::test {

/// Passes every collective on but those of one label, which a planted fault spoils. What a trainer
/// with that bug would do, without a switch in the product.
class FaultyCommunicator : public comm::Communicator {
 public:
  /// Runs in place of the collective; calls `proceed` to carry it out.
  using Fault =
      std::function<void(const comm::Collective& call, const std::function<void()>& proceed)>;

  FaultyCommunicator(std::unique_ptr<comm::Communicator> inner, std::string label, Fault fault)
      : Communicator(inner->name(), inner->rank(), inner->size()),
        inner_(std::move(inner)),
        label_(std::move(label)),
        fault_(std::move(fault)) {}

  int spoiled() const { return spoiled_; }

 protected:
  void run(Stream& stream, const comm::Collective& call) override {
    const auto proceed = [&] { pass_on(stream, call); };
    if (label_ != call.label) return proceed();
    ++spoiled_;
    fault_(call, proceed);
  }

 private:
  void pass_on(Stream& stream, const comm::Collective& call) {
    switch (call.kind) {
      case comm::CollectiveKind::kAllReduce:
        return inner_->all_reduce(stream, call.x, call.op, call.label);
      case comm::CollectiveKind::kReduceScatter:
        return inner_->reduce_scatter(stream, call.own, call.x, call.label);
      case comm::CollectiveKind::kAllGather:
        return inner_->all_gather(stream, call.x, call.own, call.label);
      case comm::CollectiveKind::kBroadcast:
        return inner_->broadcast(stream, call.x, call.root, call.label);
      case comm::CollectiveKind::kBarrier:
        return inner_->barrier(call.label);
    }
  }

  std::unique_ptr<comm::Communicator> inner_;
  std::string label_;
  Fault fault_;
  int spoiled_ = 0;
};

}  // namespace lckv::test
