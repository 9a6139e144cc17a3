#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace lckv::test {

/// An LCKV model written straight from the prose of spec/lckv.md sections 2-4, 7.3 and 8: plain
/// loops in double, no plan, no kernels, nothing dropped. Slow, and independent of everything it is
/// compared with.
class NaiveModel {
 public:
  struct Definition {
    std::string layer_types;  // written out, one entry per layer
    int64_t C = 0, F = 0, V = 0, Hq = 0, Hkv = 0, D = 0;
    int64_t sliding_window = 4096;
    bool force_nodiag = false;
    bool tied = false;
    double rms_norm_eps = 1e-5;
    double rope_theta = 10000;
    int m = 0;
    int b = 1;
  };
  using Weights = std::map<std::string, std::vector<double>>;  // by Hugging Face's names, row-major
  using Rows = std::vector<std::vector<double>>;               // one per token

  struct KeyValues {
    Rows k, v;  // [T][Hkv * D], keys rotated
  };
  /// What pass m of every iterated group leaves, by layer: the constants that the gradient passes
  /// start from.
  using Boundary = std::map<int, KeyValues>;

  explicit NaiveModel(const Definition& definition);

  /// Logits [T][V] of one sequence, m + b passes per group. first_key[t]: start of t's document;
  /// empty: one document.
  Rows logits(const Weights& weights, std::span<const int32_t> tokens,
              std::span<const int32_t> first_key = {}) const;
  /// The same, and the constants at the gradient boundary.
  Rows logits_and_boundary(const Weights& weights, std::span<const int32_t> tokens,
                           std::span<const int32_t> first_key, Boundary& boundary) const;
  /// The b gradient passes alone, on top of constants that do not follow the weights.
  Rows logits_from_boundary(const Weights& weights, std::span<const int32_t> tokens,
                            std::span<const int32_t> first_key, const Boundary& boundary) const;
  /// Token by token with a cache, section 7.3.
  Rows decode(const Weights& weights, std::span<const int32_t> tokens) const;

  /// The same with a cache of `window` entries, the first `sinks` of the stream among them: section
  /// 7.5 word for word, every key rotated anew at its entry's number in every step.
  Rows decode_streaming(const Weights& weights, std::span<const int32_t> tokens, int64_t sinks,
                        int64_t window) const;

  /// Whether some layer reads upward.
  bool iterates() const;
  int layers() const { return static_cast<int>(reads_.size()); }

 private:
  struct Group {
    int first, last;
    bool iterated;
  };
  struct Run;  // what one evaluation carries along

  std::vector<Group> groups() const;
  bool has_kv(int layer) const;
  bool strict(int layer) const {
    return reads_[static_cast<size_t>(layer)] > layer || d_.force_nodiag;
  }
  Rows run(Run& run) const;
  void run_group(Run& run, const Group& group, Rows& hidden) const;
  void run_pass(Run& run, const Group& group, Rows& hidden) const;
  void project_kv(const Run& run, int layer, const std::vector<double>& x, int64_t position,
                  KeyValues& kv) const;
  std::vector<double> attend(const Run& run, int layer, const std::vector<double>& x, int64_t t,
                             const KeyValues* kv) const;
  std::vector<double> finish_block(const Run& run, int layer, std::vector<double> h,
                                   const std::vector<double>& attended) const;
  std::vector<double> norm(const Run& run, const std::string& name,
                           const std::vector<double>& h) const;
  std::vector<double> head(const Run& run, const std::vector<double>& h) const;
  void rotate(std::vector<double>& row, int64_t position) const;

  Definition d_;
  std::vector<int> reads_;
  std::vector<bool> windowed_;
};

/// Sum over scored targets (>= 0) of -log softmax(logits)[target].
double naive_nll(const NaiveModel::Rows& logits, std::span<const int32_t> targets);

}  // namespace lckv::test
