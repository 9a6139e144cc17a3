#include "lckv/train/config_difference.h"

#include <set>

#include "lckv/base/text.h"
#include "lckv/config/keys.h"

namespace lckv::train {

namespace {

/// Keys whose change continues the same run: where and how often things are written, when it is
/// stopped, and how the same arithmetic is carried out.
const std::set<std::string> kFreeKeys = {"output",
                                         "model.from",
                                         "data.prefetch_batches",
                                         "train.device",
                                         "train.attention",
                                         "train.deterministic",
                                         "train.graphs",
                                         "train.matmul_algorithms",
                                         "train.threads",
                                         "train.recompute",
                                         "train.init_from",
                                         "train.init_kv",
                                         "train.log_every_steps",
                                         "train.time_limit_s",
                                         "train.precision",
                                         "train.micro_batch_sequences",
                                         "validation.every_steps",
                                         "validation.tokens",
                                         "parallel.tensor",
                                         "parallel.data",
                                         "parallel.sequence",
                                         "parallel.device_comm",
                                         "parallel.oversubscribe",
                                         "guards.max_nonfinite_steps",
                                         "guards.stall_timeout_s"};

/// What decides which updates are left out, when any are.
const std::set<std::string> kSpikeKeys = {"guards.spike_window_steps", "guards.spike_deviations"};

bool is_free(const std::string& key, bool skips_spikes) {
  if (kSpikeKeys.contains(key)) return !skips_spikes;
  return kFreeKeys.contains(key) || key.starts_with("checkpoint.") || key.starts_with("eval.") ||
         key.starts_with("watch.");
}

}  // namespace

ConfigTexts config_texts(const config::RunConfig& config) {
  config::RunConfig copy = config;
  ConfigTexts texts;
  for (const config::Key& key : config::keys_of(copy)) texts[key.path] = config::value_text(key);
  return texts;
}

std::vector<std::string> differences_that_matter(const ConfigTexts& now, const ConfigTexts& saved) {
  const bool skips_spikes = now.at("guards.skip_spikes") == "true";
  std::vector<std::string> differences;
  for (const auto& [key, value] : now) {
    const auto found = saved.find(key);
    if (is_free(key, skips_spikes) || (found != saved.end() && found->second == value)) continue;
    differences.push_back(format("{}: {}, the saved run has {}", key, value,
                                 found == saved.end() ? "no such key" : found->second));
  }
  return differences;
}

}  // namespace lckv::train
