#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lckv/eval/python_random.h"
#include "lckv/eval/task.h"

namespace lckv::eval {

/// The examples in front of the documents of one task (spec/evaluation.md 3.2). One stream of
/// numbers serves all documents in their order, so a limit on the documents changes none of those
/// before it.
class FewShot {
 public:
  static constexpr uint64_t kSeed = 1234;

  /// `shots` >= 0 examples of `pool`, which outlives this. Throws ConfigError when the task takes
  /// no examples, DataError when the pool has too few documents.
  FewShot(const Task& task, std::span<const Document> pool, int64_t shots, uint64_t seed = kSeed);

  /// The text to stand in front of the next document's contexts; "" without shots. Throws DataError
  /// when an example's right answer is not known.
  std::string next(const Document& document);

  /// Indices into a pool of the examples drawn for the next document: as many as shots, and one
  /// more where the task declares no test split.
  std::vector<size_t> draw();

 private:
  std::string example(const Document& document) const;

  const Task& task_;
  std::span<const Document> pool_;
  size_t shots_;
  size_t drawn_;  // per document
  PythonRandom random_;
};

}  // namespace lckv::eval
