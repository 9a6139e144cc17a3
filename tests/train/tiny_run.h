#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include "lckv/base/random.h"
#include "lckv/config/run.h"
#include "lckv/data/tokenize.h"

namespace lckv::test {

/// A fresh folder of this test.
inline std::filesystem::path fresh_folder(const std::string& name) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) /
                                       ("lckv_run_" + name + "_" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

/// A token store of pseudo-random sentences, byte tokens.
inline std::string tiny_store(const std::filesystem::path& folder, const std::string& name,
                              uint64_t seed) {
  const std::string text = (folder / (name + ".txt")).string();
  const CounterRng rng(seed, 1);
  std::ofstream out(text);
  const char* const words[] = {"the", "cat", "sat", "on", "a", "mat", "dog", "ran", "far", "home"};
  for (uint64_t i = 0; i < 1500; ++i)
    out << words[rng.below(i, 10)] << (rng.below(i + 10000, 9) == 0 ? "\n" : " ");
  out.close();
  const std::string store = (folder / (name + ".h5")).string();
  data::TokenizeOptions options;
  options.text.txt_documents = data::TxtDocuments::kLines;
  data::tokenize({text}, *data::bytes_tokenizer(), store, options);
  return store;
}

/// A run of seconds: LCKV w = 2 with five layers, ragged targets by the document mask, two
/// micro-batches per step.
inline config::RunConfig tiny_run(const std::filesystem::path& folder) {
  config::RunConfig run;
  run.output = (folder / "run").string();
  run.model.hidden_size = 32;
  run.model.intermediate_size = 48;
  run.model.num_hidden_layers = 5;
  run.model.num_attention_heads = 4;
  run.model.num_key_value_heads = 2;
  run.model.vocab_size = 260;
  run.model.max_position_embeddings = 64;
  run.model.layer_types = "0_3_3_3_4";
  run.model.forward_passes = 2;
  run.model.backward_passes = 2;
  run.data.train = {tiny_store(folder, "train", 1)};
  run.data.validation = {tiny_store(folder, "validation", 2)};
  run.data.sequence_tokens = 32;
  run.data.document_mask = true;
  run.train.steps = 8;
  run.train.sequences_per_step = 4;
  run.train.micro_batch_sequences = 2;
  run.train.precision = config::Precision::kFp32;
  run.checkpoint.every_steps = 3;
  run.train.threads = 1;  // the tests of a build share the cores
  run.optimizer.lr = 3e-3;
  run.schedule.warmup_steps = 2;
  run.validation.every_steps = 4;
  run.validation.tokens = 256;
  return run;
}

}  // namespace lckv::test
