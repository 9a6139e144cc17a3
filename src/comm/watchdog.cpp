#include "lckv/comm/watchdog.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <type_traits>

#include <pthread.h>

#include "lckv/base/log.h"
#include "lckv/base/stack_trace.h"
#include "lckv/base/text.h"
#include "lckv/comm/awake_clock.h"
#include "lckv/comm/mailbox.h"
#include "lckv/comm/rank_table.h"
#include "lckv/comm/stack_report.h"
#include "lckv/comm/stall.h"

namespace lckv::comm {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kTick = milliseconds(50);
/// A rank's records come so far apart; in very large worlds further, so that the two ranks which
/// hear them all have no more than 4096 a second to hear.
constexpr double kRecordEvery_s = 0.25;
constexpr double kRecordsPerSecond = 4096;
/// Until all have written their stacks, which most do at once.
constexpr auto kStacksTake = milliseconds(1500);
constexpr auto kEndTakes = std::chrono::seconds(10);  // at most, from the message on
/// The cause comes before what the launcher says.
constexpr auto kUntilForwarded = milliseconds(200);

/// News do not wait until the record before has been taken.
enum Tag : int { kRecordTag, kNewsTag, kFarewellTag, kOrderTag };

struct Order {
  enum What : int32_t { kStop, kWriteStacks };
  int32_t watch;
  What what;
  int32_t stop_rank;
};

double record_every_s(int ranks) { return std::max(kRecordEvery_s, ranks / kRecordsPerSecond); }

StallLimits limits_of(const WatchdogOptions& options, int ranks) {
  const double silent_s = std::clamp(options.stall_timeout_s / 2, 1.0, 30.0);
  return {.stall_s = options.stall_timeout_s,
          .silent_s = std::max(silent_s, 4 * record_every_s(ranks))};
}

template <class T>
std::span<const std::byte> bytes_of(const T& message) {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::as_bytes(std::span(&message, 1));
}

template <class T>
std::optional<T> read(std::span<const std::byte> message) {
  if (message.size() != sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, message.data(), sizeof(T));
  return value;
}

RankHealth health_of(int rank, const HeardRank& heard) {
  const RankRecord& record = heard.record;
  return {.rank = rank,
          .heard = heard.heard,
          .left = record.leaves,
          .age_s = heard.age_s,
          .host = record.host.string(),
          .pid = record.pid,
          .phase = record.phase.string(),
          .idle_s = record.idle_s + (heard.heard && !record.leaves ? heard.age_s : 0),
          .progress = record.progress};
}

}  // namespace

class Watchdog::Watch {
 public:
  Watch(World& world, Mailbox* mailbox, WatchdogOptions options)
      : world_(world),
        options_(std::move(options)),
        limits_(limits_of(options_, world.size())),
        mailbox_(mailbox) {
    if (mailbox_ == nullptr) return;
    watch_ = mailbox_->next_user();
    if (monitors(rank())) table_.emplace(world.size());
    thread_ = std::thread([this] { serve(); });
  }

  ~Watch() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    ends_.notify_one();
    thread_.join();
  }

  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  std::vector<RankHealth> health() const {
    if (!table_) {
      const HeardRank here{.heard = true, .record = record_here(world_, awake_.awake_s())};
      return {health_of(rank(), here)};
    }
    std::vector<RankHealth> ranks;
    for (const HeardRank& heard : table_->heard(awake_.awake_s())) {
      ranks.push_back(health_of(static_cast<int>(ranks.size()), heard));
    }
    return ranks;
  }

 private:
  int rank() const { return world_.rank(); }
  int last() const { return world_.size() - 1; }
  /// Whether that rank hears the records of all.
  bool monitors(int rank) const { return rank == 0 || rank == last(); }

  void serve() {
    sigset_t all;  // signals are for the threads that poll what they set
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), "watchdog");
    std::unique_lock lock(mutex_);
    while (!ends_.wait_for(lock, kTick, [this] { return ending_; })) {
      lock.unlock();
      guarded([this] { tick(); });
      lock.lock();
    }
    guarded([this] { send_record(kFarewellTag); });
  }

  /// A message that MPI cannot deliver costs the watch that message.
  template <class Work>
  void guarded(const Work& work) {
    try {
      work();
    } catch (const std::exception& error) {
      if (!warned_) log_warning(format("{}: watchdog: {}", world_.describe_rank(), error.what()));
      warned_ = true;
    }
  }

  void tick() {
    awake_.look();
    look_for_stop();
    const bool due = std::chrono::duration<double>(Clock::now() - sent_).count() >=
                     record_every_s(world_.size());
    if (due || news_) send_record(news_ ? kNewsTag : kRecordTag);
    collect();
    if (!table_) return;
    pass_stop_on();
    if (options_.stall_timeout_s > 0) judge();
  }

  void look_for_stop() {
    if (stop_rank_ != RankRecord::kNone || !options_.stop_here || !options_.stop_here()) return;
    stop_rank_ = rank();
    news_ = true;
  }

  void hear_of_stop(int stop_rank) {
    if (stop_rank_ != RankRecord::kNone || stop_rank == RankRecord::kNone) return;
    stop_rank_ = stop_rank;
    news_ = true;
    if (options_.on_stop_elsewhere) options_.on_stop_elsewhere(stop_rank);
  }

  void send_record(Tag tag) {
    RankRecord record = record_here(world_, awake_.awake_s());
    record.watch = watch_;
    record.stop_rank = stop_rank_;
    record.wrote_stacks = wrote_stacks_;
    record.leaves = tag == kFarewellTag;
    sent_ = Clock::now();
    news_ = false;
    if (table_) table_->hear(record);
    for (const int monitor : std::set{0, last()}) {
      // What finds the one before still on its way is tried again.
      if (monitor != rank()) news_ |= !mailbox_->send(monitor, tag, bytes_of(record));
    }
  }

  void collect() {
    mailbox_->collect([this](int, int tag, std::span<const std::byte> message) {
      if (tag == kOrderTag) {
        if (const auto order = read<Order>(message)) obey(*order);
      } else {
        if (const auto record = read<RankRecord>(message)) hear(*record);
      }
    });
  }

  void hear(const RankRecord& record) {
    if (record.watch != watch_ || !table_) return;
    table_->hear(record);
    hear_of_stop(record.stop_rank);
  }

  void obey(const Order& order) {
    if (order.watch != watch_) return;
    if (order.what == Order::kStop) return hear_of_stop(order.stop_rank);
    write_stacks();
  }

  void write_stacks() {
    if (wrote_stacks_) return;
    wrote_stacks_ = news_ = true;
    write_stack_report(record_here(world_, awake_.awake_s()), options_.stacks_folder);
  }

  /// To every rank whose records do not show yet that it knows.
  void pass_stop_on() {
    if (stop_rank_ == RankRecord::kNone) return;
    const std::vector<HeardRank> ranks = table_->heard(awake_.awake_s());
    for (int other = 0; other < world_.size(); ++other) {
      const HeardRank& heard = ranks[static_cast<size_t>(other)];
      const bool knows = heard.record.stop_rank != RankRecord::kNone;
      if (heard.heard && !heard.record.leaves && !knows) send_order(other, Order::kStop);
    }
  }

  void send_order(int to, Order::What what) {
    const Order order{.watch = watch_, .what = what, .stop_rank = stop_rank_};
    if (to == rank()) {
      obey(order);
    } else {
      mailbox_->send(to, kOrderTag, bytes_of(order));
    }
  }

  void judge() {
    if (!table_->any_call_older_than(limits_.stall_s)) return;
    const std::vector<HeardRank> ranks = table_->heard(awake_.awake_s());
    const bool first_answers = !ranks[0].record.leaves && ranks[0].age_s <= limits_.silent_s;
    if (rank() != 0 && first_answers) return;  // that one speaks
    if (const auto stall = find_stall(ranks, limits_)) end_all(*stall, ranks);
  }

  [[noreturn]] void end_all(const Stall& stall, const std::vector<HeardRank>& ranks) {
    const std::string message = "stalled: " + to_text(stall, ranks);
    write_to_stderr("lckv: " + message + "\n");
    end_in_any_case();
    if (options_.on_stall) options_.on_stall(message);
    guarded([&] { gather_stacks(stall, ranks); });
    std::this_thread::sleep_for(kUntilForwarded);
    world_.abort_unflushed(ExitCode::kComm);
  }

  /// What follows writes into the run's folder, and a disk that hangs is a common cause of stalls.
  void end_in_any_case() {
    std::thread([this] {
      std::this_thread::sleep_for(kEndTakes);
      world_.abort_unflushed(ExitCode::kComm);
    }).detach();
  }

  void gather_stacks(const Stall& stall, const std::vector<HeardRank>& ranks) {
    std::set<int> asked;
    for (int other = 0; other < world_.size(); ++other) {
      const HeardRank& heard = ranks[static_cast<size_t>(other)];
      const bool lags = std::binary_search(stall.ranks.begin(), stall.ranks.end(), other);
      const bool answers = heard.heard && !heard.record.leaves && heard.age_s <= limits_.silent_s;
      if (answers && (lags || !options_.stacks_folder.empty())) asked.insert(other);
    }
    const Clock::time_point until = Clock::now() + kStacksTake;
    while (!asked.empty() && Clock::now() < until) {
      for (const int other : asked) send_order(other, Order::kWriteStacks);
      send_record(kNewsTag);
      collect();
      const std::vector<HeardRank> now = table_->heard(awake_.awake_s());
      std::erase_if(asked,
                    [&](int other) { return now[static_cast<size_t>(other)].record.wrote_stacks; });
      std::this_thread::sleep_for(kTick);
    }
  }

  World& world_;
  const WatchdogOptions options_;
  const StallLimits limits_;
  Mailbox* const mailbox_;  // nullptr in a world of one
  const TracedThread main_{"main"};
  int32_t watch_ = 0;
  AwakeClock awake_;
  std::optional<RankTable> table_;  // where the records of all are heard

  // The thread's own.
  int stop_rank_ = RankRecord::kNone;  // the first that is known here to have been told to stop
  bool wrote_stacks_ = false;
  bool news_ = true;  // the last record that was sent does not tell everything
  bool warned_ = false;
  Clock::time_point sent_;

  std::mutex mutex_;
  std::condition_variable ends_;
  bool ending_ = false;
  std::thread thread_;
};

Watchdog::Watchdog(World& world, WatchdogOptions options)
    : watch_(std::make_unique<Watch>(world, world.mailbox(), std::move(options))) {}
Watchdog::~Watchdog() = default;

std::vector<RankHealth> Watchdog::health() const { return watch_->health(); }

}  // namespace lckv::comm
