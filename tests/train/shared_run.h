#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "lckv/comm/agreement.h"
#include "lckv/mpi_test/world.h"
#include "lone_run.h"
#include "tiny_run.h"

namespace lckv::test {

/// A run whose files rank 0 has made; equal on all ranks.
inline config::RunConfig shared_run(const std::string& name) {
  config::RunConfig run;
  std::string folder;
  if (world().rank() == 0) folder = fresh_folder(name).string();
  folder = comm::gather_texts(world().all(), folder).front();
  if (world().rank() == 0) run = tiny_run(folder);
  world().all().barrier("files are there");
  if (world().rank() != 0) {
    const std::filesystem::path own =
        std::filesystem::path(folder) / std::to_string(world().rank());
    std::filesystem::create_directories(own);
    run = tiny_run(own);  // its files go unused
    run.output = folder + "/run";
    run.data.train = {folder + "/train.h5"};
    run.data.validation = {folder + "/validation.h5"};
  }
  run.train.precision = config::Precision::kFp64;
  run.train.sequences_per_step = 8;
  run.train.micro_batch_sequences = 0;
  run.checkpoint.every_steps = 3;
  run.checkpoint.keep_last = 0;
  run.data.document_mask = true;
  return run;
}

/// Rank 0 trains the run alone; the others wait.
inline void train_on_first_rank(config::RunConfig run, const std::string& output) {
  if (world().rank() == 0) {
    run.output = output;
    run.parallel = {};
    train_alone(run);
  }
  world().all().barrier("alone");
}

}  // namespace lckv::test
