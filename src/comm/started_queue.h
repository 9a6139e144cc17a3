#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>

namespace lckv::comm {

/// A thread that runs what is pushed, one after the other, in the order of pushing.
class StartedQueue {
 public:
  /// `lane`: the thread's name in timelines.
  explicit StartedQueue(std::string lane);
  /// Returns when everything pushed has run.
  ~StartedQueue();
  StartedQueue(const StartedQueue&) = delete;
  StartedQueue& operator=(const StartedQueue&) = delete;

  /// The future carries what `work` throws.
  std::shared_future<void> push(std::function<void()> work);

 private:
  void serve();

  std::string lane_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<void()>> queue_;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace lckv::comm
