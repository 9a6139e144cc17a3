#pragma once

#include <memory>

#include "lckv/tensor/stream.h"

namespace lckv {

/// Work recorded from a stream once and launched as one, with the arguments of the recording. GPU
/// streams alone.
class Graph {
 public:
  Graph() = default;
  explicit operator bool() const { return graph_ != nullptr; }

  /// Runs `work`, which queues on `stream` and must neither synchronize nor allocate; nothing of it
  /// is executed yet. What `work` throws is passed on.
  template <class Work>
  static Graph record(Stream& stream, Work&& work) {
    Recording recording(stream);
    work();
    return recording.end();
  }
  void launch(Stream& stream) const;

 private:
  /// Ends the capture also when the work throws.
  class Recording {
   public:
    explicit Recording(Stream& stream);
    ~Recording();
    Graph end();

   private:
    Stream& stream_;
    bool ended_ = false;
  };

  std::shared_ptr<void> graph_;
};

}  // namespace lckv
