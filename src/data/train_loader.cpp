#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/cut_batch.h"
#include "lckv/data/loader.h"
#include "lckv/data/sample_order.h"

namespace lckv::data {
namespace {

/// Where a batch of a share begins.
struct Place {
  int64_t step = 0;   // position of the step's first sequence
  int64_t given = 0;  // sequences of the share that the step's earlier batches hold

  void advance(int64_t B, const SequenceShare& share) {
    given += B;
    if (given < share.end - share.begin) return;
    step += share.per_step;
    given = 0;
  }
};

const SequenceShare& checked(const SequenceShare& share, int64_t B) {
  LCKV_CHECK(0 <= share.begin && share.begin < share.end && share.end <= share.per_step,
             format("no share: [{}, {}) of {} sequences", share.begin, share.end, share.per_step));
  LCKV_CHECK(B > 0 && (share.end - share.begin) % B == 0,
             format("batches of {} do not divide the share [{}, {})", B, share.begin, share.end));
  return share;
}

}  // namespace

struct TrainLoader::State {
  State(const config::DataConfig& c, int64_t batch_sequences, const SequenceShare& s)
      : config(c),
        B(batch_sequences),
        share(checked(s, batch_sequences)),
        corpus(c.train),
        order(require_sequences(corpus, c.sequence_tokens), c.seed) {
    LCKV_CHECK(c.prefetch_batches > 0, "TrainLoader needs prefetch_batches > 0");
    thread = std::thread([this] { run(); });
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      closing = true;
    }
    changed.notify_all();
    thread.join();
  }

  Batch make(int64_t first_position) const {
    std::vector<int64_t> sequences(static_cast<size_t>(B));
    for (int64_t row = 0; row < B; ++row)
      sequences[static_cast<size_t>(row)] = order(first_position + row);
    Batch batch = cut_batch(corpus, sequences, config.sequence_tokens, config.document_mask);
    batch.first_sequence = first_position;
    return batch;
  }

  // The loader thread. A batch that was under way during a seek belongs to an older `generation`
  // and is dropped.
  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(
          lock, [&] { return closing || (!error && std::ssize(ready) < config.prefetch_batches); });
      if (closing) return;
      const int64_t first_position = to_make.step + share.begin + to_make.given;
      const uint64_t begun_in = generation;
      lock.unlock();
      Batch batch;
      std::exception_ptr failure;
      try {
        batch = make(first_position);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (begun_in != generation) continue;
      error = failure;
      if (!error) ready.push_back(std::move(batch));
      to_make.advance(B, share);
      changed.notify_all();
    }
  }

  const config::DataConfig config;
  const int64_t B;
  const SequenceShare share;
  const TokenCorpus corpus;
  const SampleOrder order;

  mutable std::mutex mutex;  // of everything below
  std::condition_variable changed;
  std::deque<Batch> ready;
  std::exception_ptr error;
  uint64_t generation = 0;
  Place to_hand_out;
  Place to_make;
  bool closing = false;
  std::thread thread;
};

TrainLoader::TrainLoader(const config::DataConfig& config, int64_t B, SequenceShare share)
    : state_(std::make_unique<State>(config, B, share)) {}

TrainLoader::TrainLoader(const config::DataConfig& config, int64_t B)
    : TrainLoader(config, B, {.per_step = B, .begin = 0, .end = B}) {}

TrainLoader::~TrainLoader() = default;

Batch TrainLoader::next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  s.changed.wait(lock, [&] { return !s.ready.empty() || s.error; });
  if (s.ready.empty()) std::rethrow_exception(s.error);
  Batch batch = std::move(s.ready.front());
  s.ready.pop_front();
  s.to_hand_out.advance(s.B, s.share);
  s.changed.notify_all();
  return batch;
}

int64_t TrainLoader::position() const {
  const std::lock_guard lock(state_->mutex);
  return state_->to_hand_out.step;
}

void TrainLoader::seek(int64_t position) {
  LCKV_CHECK(position >= 0, "negative position");
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  s.ready.clear();
  s.error = nullptr;
  s.to_hand_out = {.step = position};
  s.to_make = {.step = position};
  ++s.generation;
  s.changed.notify_all();
}

int64_t TrainLoader::sequences_per_epoch() const { return state_->order.sequences(); }

const TokenStoreInfo& TrainLoader::tokenizer_info() const {
  return state_->corpus.tokenizer_info();
}

}  // namespace lckv::data
