#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace lckv::data {

/// Items made by one thread, worked on by several, taken in the order they were made; at most
/// `capacity` exist at once.
///
/// An exception of `make` or `work` comes out of next() at the item's place, so that the first in
/// order is the one that is seen, whatever the number of threads. The destructor stops early and
/// waits.
template <class Item>
class OrderedWork {
 public:
  /// `make` returns nothing at the end; it runs in one thread. `work` runs in `threads` threads at
  /// once.
  OrderedWork(int threads, int capacity, std::function<std::optional<Item>()> make,
              std::function<void(Item&)> work)
      : capacity_(static_cast<size_t>(capacity)), make_(std::move(make)), work_(std::move(work)) {
    threads_.emplace_back([this] { run_maker(); });
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run_worker(); });
  }

  ~OrderedWork() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  /// The next finished item, nothing at the end.
  std::optional<Item> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_order_.empty() ? made_all_ : in_order_.front()->done; });
    if (in_order_.empty()) return std::nullopt;
    const std::shared_ptr<Slot> slot = std::move(in_order_.front());
    in_order_.pop_front();
    changed_.notify_all();
    if (slot->error) std::rethrow_exception(slot->error);
    return std::move(slot->item);
  }

 private:
  struct Slot {
    std::optional<Item> item;
    std::exception_ptr error;
    bool done = false;
  };

  void run_maker() {
    while (true) {
      auto slot = std::make_shared<Slot>();
      try {
        slot->item = make_();
      } catch (...) {
        slot->error = std::current_exception();
        slot->done = true;
      }
      std::unique_lock lock(mutex_);
      const bool last = !slot->item;
      changed_.wait(lock, [&] { return closing_ || in_order_.size() < capacity_; });
      if (closing_) return;
      if (!last) to_do_.push_back(slot);
      if (!last || slot->error) in_order_.push_back(std::move(slot));
      made_all_ = last;
      changed_.notify_all();
      if (last) return;
    }
  }

  void run_worker() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return closing_ || made_all_ || !to_do_.empty(); });
      if (closing_ || to_do_.empty()) return;
      const std::shared_ptr<Slot> slot = std::move(to_do_.front());
      to_do_.pop_front();
      lock.unlock();
      try {
        work_(*slot->item);
      } catch (...) {
        slot->error = std::current_exception();
      }
      lock.lock();
      slot->done = true;
      changed_.notify_all();
    }
  }

  const size_t capacity_;
  const std::function<std::optional<Item>()> make_;
  const std::function<void(Item&)> work_;
  std::mutex mutex_;  // of everything below
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Slot>> to_do_;
  std::deque<std::shared_ptr<Slot>> in_order_;
  bool made_all_ = false;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lckv::data
