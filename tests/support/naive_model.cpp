#include "lckv/test_support/naive_model.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "lckv/base/text.h"

namespace lckv::test {

namespace {

using Row = std::vector<double>;

/// matrix [out, in] times x [in].
Row times(const Row& matrix, const Row& x) {
  const size_t in = x.size();
  Row y(matrix.size() / in, 0.0);
  for (size_t o = 0; o < y.size(); ++o) {
    for (size_t i = 0; i < in; ++i) y[o] += matrix[o * in + i] * x[i];
  }
  return y;
}

void add(Row& to, const Row& from) {
  for (size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

std::string in_layer(int layer, const char* name) {
  return format("model.layers.{}.{}.weight", layer, name);
}

}  // namespace

struct NaiveModel::Run {
  const Weights& weights;
  std::span<const int32_t> tokens;
  std::span<const int32_t> first_key;
  const Boundary* frozen = nullptr;  // start from these after pass m
  Boundary* recorded = nullptr;      // keep them after pass m
  std::map<int, KeyValues> newest;   // by layer: the K,V of the newest pass
  std::map<int, KeyValues> before;   // of the pass before, inside a group

  const Row& weight(const std::string& name) const { return weights.at(name); }
};

NaiveModel::NaiveModel(const Definition& definition) : d_(definition) {
  for (const std::string& entry : split(d_.layer_types, '_')) {
    reads_.push_back(std::atoi(entry.c_str()));
    windowed_.push_back(entry.back() == 's');
  }
}

bool NaiveModel::has_kv(int layer) const {
  return std::find(reads_.begin(), reads_.end(), layer) != reads_.end();
}

bool NaiveModel::iterates() const {
  for (int i = 0; i < layers(); ++i) {
    if (reads_[static_cast<size_t>(i)] > i) return true;
  }
  return false;
}

std::vector<NaiveModel::Group> NaiveModel::groups() const {
  std::vector<Group> groups;
  for (int i = 0; i < layers();) {
    const bool upward = reads_[static_cast<size_t>(i)] > i;
    int top = i;
    if (upward) {
      bool raised = true;
      while (raised) {
        const int highest = *std::max_element(reads_.begin() + i, reads_.begin() + top + 1);
        raised = highest > top;
        top = std::max(top, highest);
      }
    } else {
      while (top + 1 < layers() && reads_[static_cast<size_t>(top + 1)] <= top + 1) ++top;
    }
    groups.push_back({i, top, upward});
    i = top + 1;
  }
  return groups;
}

void NaiveModel::rotate(Row& row, int64_t position) const {
  const auto D = static_cast<size_t>(d_.D);
  for (size_t begin = 0; begin < row.size(); begin += D) {
    for (size_t j = 0; j < D / 2; ++j) {
      const double frequency =
          std::pow(d_.rope_theta, -2.0 * static_cast<double>(j) / static_cast<double>(D));
      const double angle = static_cast<double>(position) * frequency;
      const double x1 = row[begin + j], x2 = row[begin + j + D / 2];
      row[begin + j] = x1 * std::cos(angle) - x2 * std::sin(angle);
      row[begin + j + D / 2] = x2 * std::cos(angle) + x1 * std::sin(angle);
    }
  }
}

Row NaiveModel::norm(const Run& run, const std::string& name, const Row& h) const {
  double mean_square = 0;
  for (const double value : h) mean_square += value * value / static_cast<double>(h.size());
  const double rstd = 1 / std::sqrt(mean_square + d_.rms_norm_eps);
  Row y = run.weight(name);
  for (size_t c = 0; c < h.size(); ++c) y[c] *= h[c] * rstd;
  return y;
}

void NaiveModel::project_kv(const Run& run, int layer, const Row& x, int64_t position,
                            KeyValues& kv) const {
  Row k = times(run.weight(in_layer(layer, "self_attn.k_proj")), x);
  rotate(k, position);
  kv.k.push_back(std::move(k));
  kv.v.push_back(times(run.weight(in_layer(layer, "self_attn.v_proj")), x));
}

/// The attention output of the query at position t, all heads side by side; the zero vector where
/// no key is visible.
Row NaiveModel::attend(const Run& run, int layer, const Row& x, int64_t t,
                       const KeyValues* kv) const {
  Row q = times(run.weight(in_layer(layer, "self_attn.q_proj")), x);
  rotate(q, t);
  Row out(q.size(), 0.0);
  const int64_t end = strict(layer) ? t : t + 1;
  int64_t begin =
      windowed_[static_cast<size_t>(layer)] ? std::max<int64_t>(0, t - d_.sliding_window) : 0;
  if (!run.first_key.empty())
    begin = std::max<int64_t>(begin, run.first_key[static_cast<size_t>(t)]);
  if (kv == nullptr || begin >= end) return out;
  for (int64_t h = 0; h < d_.Hq; ++h) {
    const auto from = static_cast<size_t>(h * d_.D);
    const auto kv_from = static_cast<size_t>(h / (d_.Hq / d_.Hkv) * d_.D);
    Row score;
    for (int64_t j = begin; j < end; ++j) {
      double dot = 0;
      for (size_t e = 0; e < static_cast<size_t>(d_.D); ++e) {
        dot += q[from + e] * kv->k[static_cast<size_t>(j)][kv_from + e];
      }
      score.push_back(dot / std::sqrt(static_cast<double>(d_.D)));
    }
    const double largest = *std::max_element(score.begin(), score.end());
    double total = 0;
    for (double& s : score) total += s = std::exp(s - largest);
    for (int64_t j = begin; j < end; ++j) {
      for (size_t e = 0; e < static_cast<size_t>(d_.D); ++e) {
        out[from + e] += score[static_cast<size_t>(j - begin)] / total *
                         kv->v[static_cast<size_t>(j)][kv_from + e];
      }
    }
  }
  return out;
}

Row NaiveModel::finish_block(const Run& run, int layer, Row h, const Row& attended) const {
  add(h, times(run.weight(in_layer(layer, "self_attn.o_proj")), attended));
  const Row z = norm(run, in_layer(layer, "post_attention_layernorm"), h);
  const Row gate = times(run.weight(in_layer(layer, "mlp.gate_proj")), z);
  Row act = times(run.weight(in_layer(layer, "mlp.up_proj")), z);
  for (size_t f = 0; f < act.size(); ++f) act[f] *= gate[f] / (1 + std::exp(-gate[f]));
  add(h, times(run.weight(in_layer(layer, "mlp.down_proj")), act));
  return h;
}

Row NaiveModel::head(const Run& run, const Row& h) const {
  const char* matrix = d_.tied ? "model.embed_tokens.weight" : "lm_head.weight";
  return times(run.weight(matrix), norm(run, "model.norm.weight", h));
}

/// One visit to every layer of a group, bottom to top, over all tokens.
void NaiveModel::run_pass(Run& run, const Group& group, Rows& hidden) const {
  run.before = run.newest;
  for (int layer = group.first; layer <= group.last; ++layer) {
    Rows x;
    for (const Row& h : hidden) x.push_back(norm(run, in_layer(layer, "input_layernorm"), h));
    if (has_kv(layer)) {
      KeyValues kv;
      for (size_t t = 0; t < x.size(); ++t)
        project_kv(run, layer, x[t], static_cast<int64_t>(t), kv);
      run.newest[layer] = std::move(kv);
    }
    const int read = reads_[static_cast<size_t>(layer)];
    const std::map<int, KeyValues>& source = read > layer ? run.before : run.newest;
    const auto found = source.find(read);
    for (size_t t = 0; t < x.size(); ++t) {
      const Row attended = attend(run, layer, x[t], static_cast<int64_t>(t),
                                  found == source.end() ? nullptr : &found->second);
      hidden[t] = finish_block(run, layer, hidden[t], attended);
    }
  }
}

void NaiveModel::run_group(Run& run, const Group& group, Rows& hidden) const {
  if (!group.iterated) return run_pass(run, group, hidden);
  const Rows input = hidden;
  for (int pass = 1; pass <= d_.m + d_.b; ++pass) {
    if (pass == d_.m + 1) {
      for (int layer = group.first; layer <= group.last; ++layer) {
        if (run.recorded != nullptr && run.newest.contains(layer)) {
          (*run.recorded)[layer] = run.newest.at(layer);
        }
        if (run.frozen != nullptr && run.frozen->contains(layer)) {
          run.newest[layer] = run.frozen->at(layer);
        }
      }
    }
    if (run.frozen != nullptr && pass <= d_.m) continue;
    hidden = input;
    run_pass(run, group, hidden);
  }
}

NaiveModel::Rows NaiveModel::run(Run& run) const {
  Rows hidden;
  const Row& embedding = run.weight("model.embed_tokens.weight");
  for (const int32_t token : run.tokens) {
    const auto row = embedding.begin() + token * d_.C;
    hidden.emplace_back(row, row + d_.C);
  }
  for (const Group& group : groups()) run_group(run, group, hidden);
  for (Row& h : hidden) h = head(run, h);
  return hidden;
}

NaiveModel::Rows NaiveModel::logits(const Weights& weights, std::span<const int32_t> tokens,
                                    std::span<const int32_t> first_key) const {
  Run state{weights, tokens, first_key, nullptr, nullptr, {}, {}};
  return run(state);
}

NaiveModel::Rows NaiveModel::logits_and_boundary(const Weights& weights,
                                                 std::span<const int32_t> tokens,
                                                 std::span<const int32_t> first_key,
                                                 Boundary& boundary) const {
  Run state{weights, tokens, first_key, nullptr, &boundary, {}, {}};
  return run(state);
}

NaiveModel::Rows NaiveModel::logits_from_boundary(const Weights& weights,
                                                  std::span<const int32_t> tokens,
                                                  std::span<const int32_t> first_key,
                                                  const Boundary& boundary) const {
  Run state{weights, tokens, first_key, &boundary, nullptr, {}, {}};
  return run(state);
}

NaiveModel::Rows NaiveModel::decode(const Weights& weights, std::span<const int32_t> tokens) const {
  Run state{weights, tokens, {}, nullptr, nullptr, {}, {}};
  const Row& embedding = state.weight("model.embed_tokens.weight");
  Rows logits;
  for (size_t t = 0; t < tokens.size(); ++t) {
    const auto row = embedding.begin() + tokens[t] * d_.C;
    Row h(row, row + d_.C);
    for (int layer = 0; layer < layers(); ++layer) {
      const Row x = norm(state, in_layer(layer, "input_layernorm"), h);
      const auto position = static_cast<int64_t>(t);
      if (has_kv(layer)) project_kv(state, layer, x, position, state.newest[layer]);
      // An upward layer sees positions below t only, so that the token's own K,V need not exist
      // yet.
      const KeyValues& cache = state.newest[reads_[static_cast<size_t>(layer)]];
      h = finish_block(state, layer, h, attend(state, layer, x, position, &cache));
    }
    logits.push_back(head(state, h));
  }
  return logits;
}

NaiveModel::Rows NaiveModel::decode_streaming(const Weights& weights,
                                              std::span<const int32_t> tokens, int64_t sinks,
                                              int64_t window) const {
  Run state{weights, tokens, {}, nullptr, nullptr, {}, {}};
  const Row& embedding = state.weight("model.embed_tokens.weight");
  std::map<int, KeyValues> cache;  // keys as they are before rotation
  Rows logits;
  for (size_t t = 0; t < tokens.size(); ++t) {
    const auto entries = std::min<int64_t>(static_cast<int64_t>(t), window);
    const auto row = embedding.begin() + tokens[t] * d_.C;
    Row h(row, row + d_.C);
    for (int layer = 0; layer < layers(); ++layer) {
      const Row x = norm(state, in_layer(layer, "input_layernorm"), h);
      if (has_kv(layer)) project_kv(state, layer, x, /*position=*/0, cache[layer]);
      KeyValues placed = cache[reads_[static_cast<size_t>(layer)]];
      for (size_t r = 0; r < placed.k.size(); ++r) rotate(placed.k[r], static_cast<int64_t>(r));
      h = finish_block(state, layer, h, attend(state, layer, x, entries, &placed));
    }
    logits.push_back(head(state, h));
    for (auto& [layer, kv] : cache) {
      if (static_cast<int64_t>(kv.k.size()) <= window) continue;
      kv.k.erase(kv.k.begin() + sinks);
      kv.v.erase(kv.v.begin() + sinks);
    }
  }
  return logits;
}

double naive_nll(const NaiveModel::Rows& logits, std::span<const int32_t> targets) {
  double sum = 0;
  for (size_t t = 0; t < logits.size(); ++t) {
    if (targets[t] < 0) continue;
    const double largest = *std::max_element(logits[t].begin(), logits[t].end());
    double total = 0;
    for (const double logit : logits[t]) total += std::exp(logit - largest);
    sum += largest + std::log(total) - logits[t][static_cast<size_t>(targets[t])];
  }
  return sum;
}

}  // namespace lckv::test
