#pragma once

#include <map>
#include <string>
#include <vector>

#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_reader.h"
#include "random_cut.h"
#include "thread_ranks.h"

namespace lckv::checkpoint {

inline std::string rank_file(int rank) {
  return "rank-0000" + std::to_string(rank) + ".safetensors";
}

/// In a process alone.
inline std::filesystem::path save_alone(const std::filesystem::path& run_folder, int64_t step,
                                        const std::vector<Shard>& shards,
                                        const std::string& trainer = "{}") {
  const auto alone = comm::make_alone("test");
  return save_state(*alone, run_folder, step, shards, trainer);
}

/// By as many threads as there are parts; rethrows what rank 0 threw, which all must have thrown.
inline std::filesystem::path save_on_threads(const std::filesystem::path& run_folder, int64_t step,
                                             const std::vector<RankParts>& by_rank,
                                             const std::string& trainer = "{}") {
  std::vector<std::filesystem::path> paths(by_rank.size());
  const auto thrown =
      run_on_threads(static_cast<int>(by_rank.size()), [&](comm::Communicator& group) {
        const auto rank = static_cast<size_t>(group.rank());
        paths[rank] = save_state(group, run_folder, step, by_rank[rank].shards(), trainer);
      });
  for (size_t rank = 0; rank < by_rank.size(); ++rank) {
    EXPECT_EQ(thrown[rank] == nullptr, thrown[0] == nullptr) << "rank " << rank;
    EXPECT_TRUE(thrown[rank] != nullptr || paths[rank] == paths[0]) << "rank " << rank;
  }
  if (thrown[0]) std::rethrow_exception(thrown[0]);
  return paths[0];
}

/// Every tensor of a state and the trainer's object, to be compared.
inline std::map<std::string, std::string> content_of(const std::filesystem::path& state) {
  StateReader reader(state);
  std::map<std::string, std::string> content;
  content["(trainer)"] = reader.trainer_state_json();
  for (const auto& [name, tensor] : reader.tensors()) {
    const Buffer whole(tensor.dtype, tensor.global_shape);
    reader.read(name, Slice::whole(tensor.global_shape), whole.view());
    content[name] = bytes_of(whole.view());
  }
  return content;
}

/// What content_of() must return of these.
inline std::map<std::string, std::string> content_of(const std::vector<Whole>& tensors,
                                                     const std::string& trainer = "{}") {
  std::map<std::string, std::string> content;
  content["(trainer)"] = trainer;
  for (const Whole& tensor : tensors) content[tensor.name] = bytes_of(tensor.data.view());
  return content;
}

}  // namespace lckv::checkpoint
