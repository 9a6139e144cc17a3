#include <numeric>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/config/load.h"
#include "lckv/config/rules.h"
#include "lckv/config/what_fits.h"

namespace lckv::config {
namespace {

int64_t key_value_heads(const ModelConfig& m) {
  return m.num_key_value_heads == 0 ? m.num_attention_heads : m.num_key_value_heads;
}

/// Each rank holds a part of the key/value heads, or each of these lives on several ranks.
bool key_value_heads_fit(const ModelConfig& m, int64_t tensor) {
  const int64_t heads = key_value_heads(m);
  return heads % tensor == 0 || tensor % heads == 0;
}

std::string what_tensor_fits(const ModelConfig& m, int64_t tensor, int64_t extent) {
  return what_fits(tensor, extent, [&m](int64_t t) {
    return m.num_attention_heads % t == 0 && m.intermediate_size % t == 0 &&
           key_value_heads_fit(m, t);
  });
}

void check_tensor_divides(const char* path, int64_t extent, const RunConfig& run, Rules& rules) {
  const int64_t tensor = run.parallel.tensor;
  if (!rules.sound({"parallel.tensor", path}) || extent % tensor == 0) return;
  rules.refuse("parallel.tensor", format("{} does not divide {} {}; {}", tensor, path, extent,
                                         what_tensor_fits(run.model, tensor, extent)));
}

void check_key_value_heads(const RunConfig& run, Rules& rules) {
  if (!rules.sound({"parallel.tensor", "model.num_attention_heads", "model.num_key_value_heads"})) {
    return;
  }
  const ModelConfig& m = run.model;
  const int64_t tensor = run.parallel.tensor;
  if (key_value_heads(m) == m.num_attention_heads) return;  // that they are divided is checked
  if (key_value_heads_fit(m, tensor)) return;
  rules.refuse(
      "parallel.tensor",
      format("{} and model.num_key_value_heads {}: neither divides the other, so the "
             "ranks cannot hold equally many key/value heads; {}",
             tensor, m.num_key_value_heads, what_tensor_fits(m, tensor, m.num_attention_heads)));
}

void check_copies(const RunConfig& run, Rules& rules) {
  if (!rules.sound({"parallel.data", "train.sequences_per_step"})) return;
  const int64_t data = run.parallel.data;
  const int64_t step = run.train.sequences_per_step;
  const int64_t micro = run.train.micro_batch_sequences;
  if (data == 0 || step % data == 0) return;
  const auto fits = [&](int64_t d) {
    return micro == 0 || step % micro != 0 || step / d % micro == 0;
  };
  rules.refuse("parallel.data", format("{} does not divide train.sequences_per_step {}; {}", data,
                                       step, what_fits(data, step, fits)));
}

/// Sequences of one step that each copy gets; 0 if that is not known.
int64_t share_of_step(const RunConfig& run, const Rules& rules) {
  if (!rules.sound({"parallel.data", "train.sequences_per_step"})) return 0;
  const int64_t data = run.parallel.data;
  if (data == 0 || run.train.sequences_per_step % data != 0) return 0;
  return run.train.sequences_per_step / data;
}

void check_micro_batch(const RunConfig& run, Rules& rules) {
  if (!rules.sound({"train.micro_batch_sequences"})) return;
  const int64_t share = share_of_step(run, rules);
  const int64_t step = run.train.sequences_per_step;
  const int64_t micro = run.train.micro_batch_sequences;
  if (share == 0 || micro == 0 || share % micro == 0) return;
  if (step % micro != 0) return;  // refused for that
  rules.refuse("train.micro_batch_sequences",
               format("{} does not divide {}, a copy's part of sequences_per_step {} with "
                      "parallel.data {}; {}",
                      micro, share, step, run.parallel.data,
                      what_fits(micro, share, [](int64_t) { return true; })));
}

void check_rows(const RunConfig& run, Rules& rules) {
  if (!rules.sound({"parallel.sequence", "parallel.tensor", "train.micro_batch_sequences",
                    "data.sequence_tokens"})) {
    return;
  }
  const int64_t tensor = run.parallel.tensor;
  const int64_t micro = run.train.micro_batch_sequences;
  const int64_t B = micro != 0 ? micro : share_of_step(run, rules);  // 0: not known
  const int64_t T = run.data.sequence_tokens;
  if (!run.parallel.sequence || B * T % tensor == 0) return;
  rules.refuse("parallel.sequence",
               format("true, but parallel.tensor {} does not divide the {} rows of a micro-batch "
                      "({} sequences of data.sequence_tokens {}); a multiple of {} tokens would "
                      "fit",
                      tensor, B * T, B, T, tensor / std::gcd(B, tensor)));
}

}  // namespace

void check_parallel_rules(const RunConfig& run, Rules& rules) {
  const ModelConfig& m = run.model;
  check_tensor_divides("model.num_attention_heads", m.num_attention_heads, run, rules);
  check_tensor_divides("model.intermediate_size", m.intermediate_size, run, rules);
  check_key_value_heads(run, rules);
  check_copies(run, rules);
  check_micro_batch(run, rules);
  check_rows(run, rules);
}

std::vector<std::string> validate_grid(const RunConfig& run, int64_t data) {
  LCKV_CHECK(data >= 1, format("a grid of {} copies", data));
  RunConfig known = run;
  known.parallel.data = data;
  Rules rules({});
  rules.check_each(keys_of(known));
  rules.take_problems();  // validate() tells these
  check_parallel_rules(known, rules);
  return messages_of(rules.take_problems());
}

}  // namespace lckv::config
