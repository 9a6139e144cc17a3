#pragma once

#include <functional>
#include <memory>
#include <string>

#include "lckv/comm/communicator.h"

namespace lckv::test {

/// Stands before a group: `handle` runs in place of every collective of two or more ranks, started
/// ones included, which so become blocking. What a program with a bug would do, without a switch in
/// the product.
class Intercepted final : public comm::Communicator {
 public:
  using Proceed = std::function<void()>;
  /// Calls `proceed` to carry the collective out.
  using Handler = std::function<void(const comm::Communicator& group, const comm::Collective& call,
                                     const Proceed& proceed)>;

  Intercepted(std::unique_ptr<comm::Communicator> group, Handler handle)
      : Communicator(group->name(), group->rank(), group->size()),
        group_(std::move(group)),
        handle_(std::move(handle)) {}

 private:
  void run(Stream& stream, const comm::Collective& call) override {
    handle_(*this, call, [&] { pass_on(stream, call); });
  }

  void pass_on(Stream& stream, const comm::Collective& call) {
    switch (call.kind) {
      case comm::CollectiveKind::kAllReduce:
        return group_->all_reduce(stream, call.x, call.op, call.label);
      case comm::CollectiveKind::kReduceScatter:
        return group_->reduce_scatter(stream, call.own, call.x, call.label);
      case comm::CollectiveKind::kAllGather:
        return group_->all_gather(stream, call.x, call.own, call.label);
      case comm::CollectiveKind::kBroadcast:
        return group_->broadcast(stream, call.x, call.root, call.label);
      case comm::CollectiveKind::kBarrier:
        return group_->barrier(call.label);
    }
  }

  std::unique_ptr<comm::Communicator> group_;
  Handler handle_;
};

/// A fault: the collective does not happen, each rank keeps what it has.
inline void drop(const comm::Communicator&, const comm::Collective&, const Intercepted::Proceed&) {}

/// Lets `fault` run in place of the collectives of this label. Returns how often, as it goes on.
inline std::shared_ptr<int> plant(std::unique_ptr<comm::Communicator>& group,
                                  const std::string& label, const Intercepted::Handler& fault) {
  auto met = std::make_shared<int>(0);
  group = std::make_unique<Intercepted>(
      std::move(group), [=](const comm::Communicator& ranks, const comm::Collective& call,
                            const Intercepted::Proceed& proceed) {
        if (call.label != label) return proceed();
        ++*met;
        fault(ranks, call, proceed);
      });
  return met;
}

}  // namespace lckv::test
