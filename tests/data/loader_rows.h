#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/data/loader.h"

namespace lckv::data {

inline config::DataConfig config_for(const std::vector<std::string>& stores, int64_t T) {
  config::DataConfig config;
  config.train = stores;
  config.validation = stores;
  config.sequence_tokens = T;
  config.prefetch_batches = 2;
  return config;
}

using Rows = std::vector<std::vector<int32_t>>;

/// Adds the batch's sequences, each as inputs followed by targets.
inline void append(const Batch& batch, Rows& rows) {
  for (int64_t b = 0; b < batch.B; ++b) {
    std::vector<int32_t> row(batch.tokens.begin() + b * batch.T,
                             batch.tokens.begin() + (b + 1) * batch.T);
    row.insert(row.end(), batch.targets.begin() + b * batch.T,
               batch.targets.begin() + (b + 1) * batch.T);
    rows.push_back(std::move(row));
  }
}

/// The next `sequences` sequences.
inline Rows take(TrainLoader& loader, int64_t sequences) {
  Rows rows;
  while (std::ssize(rows) < sequences) {
    const int64_t position = loader.position();
    const Batch batch = loader.next();
    EXPECT_EQ(batch.first_sequence, position);
    append(batch, rows);
  }
  rows.resize(static_cast<size_t>(sequences));
  return rows;
}

}  // namespace lckv::data
