#include <cmath>

#include <gtest/gtest.h>

#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/config/keys.h"
#include "lckv/config/layer_types.h"
#include "run_file.h"

namespace lckv::config {
namespace {

/// One stream of random values.
class Dice {
 public:
  explicit Dice(uint64_t seed) : rng_(seed, 0) {}
  uint64_t below(uint64_t bound) { return rng_.below(next_++, bound); }
  uint64_t bits() { return rng_.bits(next_++); }
  double uniform() { return rng_.uniform(next_++); }

  std::string text() {
    static const std::vector<std::string> pieces = {"a",    "/",    "\"", "\\",   ": ",  "#",
                                                    "\n",   "\t",   " ",  "null", "yes", "1e3",
                                                    "\x01", "\x7f", "é",  "[",    "}"};
    std::string text = "t";  // a text of a required key is not empty
    for (uint64_t i = below(6); i > 0; --i) text += pieces[below(pieces.size())];
    return below(2) == 0 ? text : text.substr(1) + "x";
  }

 private:
  CounterRng rng_;
  uint64_t next_ = 0;
};

/// A value of the key's own range.
struct Randomize {
  Dice& dice;
  const Range& range;

  int64_t integer() const {
    const auto min = static_cast<int64_t>(range.min);
    const double span = std::min(range.max - range.min, 1e15);
    return min + static_cast<int64_t>(dice.below(static_cast<uint64_t>(span) + 1));
  }
  void operator()(std::string* field) const { *field = dice.text(); }
  void operator()(std::vector<std::string>* field) const {
    field->assign(1 + dice.below(3), "");
    for (std::string& item : *field) item = dice.text();
  }
  void operator()(TextMap* field) const {
    field->clear();
    for (uint64_t i = dice.below(3); i > 0; --i) (*field)[dice.text()] = dice.text();
  }
  void operator()(int64_t* field) const { *field = integer(); }
  void operator()(uint64_t* field) const { *field = dice.bits(); }
  void operator()(double* field) const {
    do {
      *field = range.min + dice.uniform() * std::min(range.max - range.min, 1e6);
    } while (!range.holds(*field));
  }
  void operator()(bool* field) const { *field = dice.below(2) == 1; }
  void operator()(std::optional<int64_t>* field) const {
    *field = dice.below(2) == 0 ? std::nullopt : std::optional(integer());
  }
  void operator()(const Choice& choice) const {
    choice.set(choice.words[dice.below(choice.words.size())]);
  }
  void operator()(const IntegerOrAuto& field) const {
    *field.number = dice.below(2) == 0 ? 0 : integer();
  }
};

std::string random_layer_types(Dice& dice, int64_t layers) {
  std::string text;
  for (int64_t i = 0; i < layers; ++i) {
    text += format("{}{}{}", i == 0 ? "" : "_", dice.below(static_cast<uint64_t>(layers)),
                   dice.below(2) == 0 ? "s" : "");
  }
  return text;
}

void make_valid(ModelConfig& model, Dice& dice) {
  model.from = "";  // load_run resolves it
  model.num_hidden_layers = 1 + static_cast<int64_t>(dice.below(8));
  model.layer_types = dice.below(3) == 0 ? "" : random_layer_types(dice, model.num_hidden_layers);
  model.sliding_window = std::max<int64_t>(model.sliding_window, 1);
  const auto groups = static_cast<int64_t>(1 + dice.below(4));
  const bool all_heads = dice.below(2) == 0;
  model.num_key_value_heads = all_heads ? 0 : 1 + static_cast<int64_t>(dice.below(4));
  model.num_attention_heads = groups * (all_heads ? 1 : model.num_key_value_heads);
  model.head_dim = 2 * static_cast<int64_t>(dice.below(64));
  if (model.head_dim == 0) model.hidden_size = 32 * model.num_attention_heads;
  for (auto* id : {&model.bos_token_id, &model.eos_token_id, &model.pad_token_id}) {
    if (*id) *id = **id % model.vocab_size;
  }
}

/// Multiplies what a grid of at most 8 x 8 ranks divides.
void make_grid_valid(RunConfig& run, Dice& dice) {
  const auto tensor = static_cast<int64_t>(1 + dice.below(8));
  const auto data = static_cast<int64_t>(1 + dice.below(8));
  ModelConfig& model = run.model;
  model.num_attention_heads *= tensor;
  model.num_key_value_heads *= tensor;
  if (model.head_dim == 0) model.hidden_size *= tensor;
  model.intermediate_size = tensor * static_cast<int64_t>(1 + dice.below(1000));
  run.data.sequence_tokens = tensor * static_cast<int64_t>(1 + dice.below(1000));
  model.max_position_embeddings = run.data.sequence_tokens + static_cast<int64_t>(dice.below(1000));
  run.train.sequences_per_step = data * static_cast<int64_t>(1 + dice.below(1000));
  run.parallel.tensor = tensor;
  if (run.parallel.data != 0) run.parallel.data = data;
  run.train.micro_batch_sequences = dice.below(2) == 0 ? 0 : run.train.sequences_per_step / data;
}

/// Tasks that have their files, in a section that is used.
void make_eval_valid(RunConfig& run) {
  EvalConfig& e = run.eval;
  e.every_steps = std::max<int64_t>(e.every_steps, 0);
  e.limit = std::floor(e.limit);
  for (size_t i = 0; i < e.tasks.size(); ++i) e.tasks[i] += std::to_string(i);
  for (TextMap* map : {&e.task_files, &e.fewshot_files}) {
    TextMap files;
    for (const auto& [name, file] : *map) files[e.tasks[files.size() % e.tasks.size()]] = file;
    *map = files;
  }
  if (e.task_data.empty()) e.task_data = "tasks";
  const auto types = parse_layer_types(run.model.layer_types, int(run.model.num_hidden_layers));
  bool can_ask_kv = false;
  for (size_t i = 0; i < types.size(); ++i) can_ask_kv |= types[i].reads > int(i);
  can_ask_kv = can_ask_kv && e.exact_validation != ExactValidation::kFalse;
  if (!can_ask_kv && e.kv_convergence == KvConvergence::kTrue) {
    e.kv_convergence = KvConvergence::kAuto;
  }
  e.kv_exact_distance =
      e.kv_exact_distance && can_ask_kv && e.kv_convergence != KvConvergence::kFalse;
}

/// Every field random, then mended until the cross-field rules hold.
RunConfig random_run(uint64_t seed) {
  RunConfig run;
  Dice dice(seed);
  for (const Key& key : keys_of(run)) std::visit(Randomize{dice, key.range}, key.field);
  make_valid(run.model, dice);
  run.model.use_sequential = false;
  make_grid_valid(run, dice);
  make_eval_valid(run);
  run.train.steps += 2;
  if (dice.below(2) == 0) run.schedule.warmup_steps = 0;
  run.schedule.warmup_steps %= run.train.steps;
  run.schedule.warmup_frac *= run.schedule.warmup_steps == 0 ? 0.4 : 0;
  run.schedule.decay_frac *=
      1 - static_cast<double>(run.schedule.warmup_steps) / static_cast<double>(run.train.steps);
  run.schedule.decay_frac *= 0.5;
  run.guards.spike_window_steps += 8;
  return run;
}

/// Paths of the keys whose fields differ.
template <class Config>
std::vector<std::string> differences(Config a, Config b) {
  const std::vector<Key> keys_a = keys_of(a);
  const std::vector<Key> keys_b = keys_of(b);
  std::vector<std::string> paths;
  for (size_t i = 0; i < keys_a.size(); ++i) {
    const bool equal = std::visit(
        [&](const auto& field) {
          using Field = std::decay_t<decltype(field)>;
          const auto& other = std::get<Field>(keys_b[i].field);
          if constexpr (std::is_pointer_v<Field>) {
            return *field == *other;
          } else {
            return value_text(keys_a[i]) == value_text(keys_b[i]);
          }
        },
        keys_a[i].field);
    if (!equal) paths.push_back(keys_a[i].path);
  }
  return paths;
}

class RoundTrip : public RunFiles {};

TEST_F(RoundTrip, TheResolvedRunReadsBackAsItself) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const RunConfig run = random_run(seed);
    ASSERT_EQ(validate(run), std::vector<std::string>()) << "seed " << seed;
    const RunConfig again = load(to_yaml(run));
    ASSERT_EQ(differences(run, again), std::vector<std::string>()) << "seed " << seed << "\n"
                                                                   << to_yaml(run);
  }
}

TEST_F(RoundTrip, TheResolvedRunHoldsEveryKey) {
  RunConfig run = random_run(1);
  const std::string text = to_yaml(run);
  size_t lines = 0;
  for (const std::string& line : split(text, '\n')) lines += line.find(": ") != std::string::npos;
  EXPECT_EQ(lines, keys_of(run).size());
}

TEST_F(RoundTrip, EveryKeyCanBeOverridden) {
  const RunConfig source = random_run(2);
  RunConfig copy = source;
  std::vector<std::string> overrides;
  for (const Key& key : keys_of(copy)) overrides.push_back(key.path + "=" + value_text(key));
  EXPECT_EQ(differences(source, load("", overrides)), std::vector<std::string>());
}

TEST_F(RoundTrip, AnLckvModelReadsBackFromHuggingFaceJson) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    ModelConfig model = random_run(seed).model;
    model.force_nodiag = true;  // never a plain Llama: those leave the LCKV fields out
    if (model.layer_types.empty()) continue;
    if (model.num_key_value_heads == 0) model.num_key_value_heads = model.num_attention_heads;
    if (model.head_dim == 0) model.head_dim = 32;
    const ModelConfig again = parse_hf_config(to_hf_json(model, "float32"), "config.json");
    ASSERT_EQ(differences(model, again), std::vector<std::string>()) << "seed " << seed;
  }
}

TEST_F(RoundTrip, APlainLlamaReadsBackFromHuggingFaceJson) {
  ModelConfig model = random_run(3).model;
  const ModelConfig defaults;
  model.layer_types = "";
  model.force_nodiag = false;
  model.forward_passes = defaults.forward_passes;
  model.backward_passes = defaults.backward_passes;
  model.sliding_window = defaults.sliding_window;
  model.num_key_value_heads = model.num_attention_heads;
  model.head_dim = 64;
  const ModelConfig again = parse_hf_config(to_hf_json(model, "float32"), "config.json");
  EXPECT_EQ(differences(model, again), std::vector<std::string>());
}

}  // namespace
}  // namespace lckv::config
