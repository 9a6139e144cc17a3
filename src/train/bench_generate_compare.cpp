#include <algorithm>
#include <cmath>

#include "lckv/base/text.h"
#include "lckv/train/bench_generate.h"

namespace lckv::train {

namespace {

/// What a test is about: output tokens per second of a whole generation, steps of decoding alone.
Statistic speed(const GenerateRow& row) {
  return row.test.is_whole() ? row.output_per_s() : row.decode_per_s();
}

bool is_same_test(const GenerateRow& a, const GenerateRow& b) {
  return a.subject.config == b.subject.config && a.test.label() == b.test.label();
}

double kv_bytes_of_one(const GenerateRow& row) {
  return double(row.traffic.kv_bytes) / double(row.batch);
}

struct Pair {
  const GenerateRow *standard, *shared;

  double ratio() const { return speed(*shared).mean / speed(*standard).mean; }
  /// Its deviation, by those of the repetitions.
  double deviation() const {
    const Statistic a = speed(*shared), b = speed(*standard);
    return ratio() * std::hypot(a.stddev / a.mean, b.stddev / b.mean);
  }
  bool gains() const { return ratio() - deviation() > 1; }
  std::string text() const { return format("{:.2f} ± {:.2f}x", ratio(), deviation()); }
};

/// Those of `of`'s test and layout for which `fits(standard, shared)`.
template <class Fits>
std::vector<Pair> find_pairs(const std::vector<GenerateRow>& rows, const GenerateRow& of,
                             const Fits& fits) {
  std::vector<Pair> pairs;
  for (const GenerateRow& standard : rows) {
    if (!standard.subject.is_plain_llama() || !is_same_test(standard, of)) continue;
    for (const GenerateRow& shared : rows) {
      if (is_same_test(shared, of) && shared.subject.layout() == of.subject.layout() &&
          fits(standard, shared)) {
        pairs.push_back({&standard, &shared});
      }
    }
  }
  return pairs;
}

// An equal-batch ratio that is below this, deviation included, explains no gain.
constexpr double kNoGain = 1.1;
// Of the keys and values that a plain Llama reads: as much.
constexpr double kSameTraffic = 0.95;

/// Where the gain in equal memory comes from, as far as the figures say.
std::string cause_text(const Pair& memory, const Pair& batch) {
  const double traffic = kv_bytes_of_one(*batch.shared) / kv_bytes_of_one(*batch.standard);
  if (!memory.gains() || memory.standard->batch == memory.shared->batch) return "";
  if (traffic < kSameTraffic) return "";
  if (batch.gains()) {
    return format(
        "; traffic is not less: {:.2f}x come from the larger batch, {:.2f}x are there at "
        "equal batch already",
        memory.ratio() / batch.ratio(), batch.ratio());
  }
  return batch.ratio() + batch.deviation() < kNoGain
             ? "; the gain is capacity (a larger batch), not traffic"
             : "; repetitions differ too much to say why";
}

std::string sentence(const std::vector<GenerateRow>& rows, const GenerateRow& of) {
  const auto memory = find_pairs(rows, of, [](const auto& a, const auto& b) {
    return a.is_at_capacity() && b.is_at_capacity();
  });
  const auto batch =
      find_pairs(rows, of, [](const auto& a, const auto& b) { return a.batch == b.batch; });
  if (memory.empty() && batch.empty()) return "";
  std::string text;
  for (const Pair& pair : memory) {
    text += format(", {} at equal memory (batch {} instead of {})", pair.text(), pair.shared->batch,
                   pair.standard->batch);
  }
  for (const Pair& pair : batch) {
    text += format(", {} at equal batch ({})", pair.text(), pair.shared->batch);
  }
  if (memory.empty() && of.plan.memory_bytes > 0) {
    text += "; not at equal memory, whose batches are above --max-batch";
  }
  const Pair& read = batch.empty() ? memory.back() : batch.back();
  text += format("; per step and sequence {} of keys and values are read, of llama {}",
                 human_bytes(kv_bytes_of_one(*read.shared)),
                 human_bytes(kv_bytes_of_one(*read.standard)));
  if (!memory.empty() && !batch.empty()) text += cause_text(memory.back(), batch.back());
  return format("{} over llama, {}, {}: {}.\n", of.subject.layout(), of.test.label(),
                of.test.is_whole() ? "output t/s" : "decode t/s", text.substr(2));
}

}  // namespace

std::string compare_layouts(const std::vector<GenerateRow>& rows) {
  std::string text;
  std::vector<const GenerateRow*> done;
  for (const GenerateRow& row : rows) {
    const bool is_done = std::any_of(done.begin(), done.end(), [&](const GenerateRow* other) {
      return is_same_test(*other, row) && other->subject.layout() == row.subject.layout();
    });
    if (is_done || row.subject.is_plain_llama() || row.test.steps() == 0) continue;
    done.push_back(&row);
    text += sentence(rows, row);
  }
  return text;
}

}  // namespace lckv::train
