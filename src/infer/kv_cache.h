#pragma once

#include <cstdint>
#include <vector>

#include "lckv/config/model.h"
#include "lckv/infer/page_table.h"
#include "lckv/infer/retention.h"
#include "lckv/model/dims.h"
#include "lckv/model/layer_spec.h"
#include "lckv/tensor/arena.h"
#include "lckv/tensor/stream.h"

namespace lckv::infer {

/// There is no page or row left for what a sequence needs: the caller ends or postpones one.
struct CacheFull : Error {
  explicit CacheFull(const std::string& message) : Error(message, ExitCode::kIo) {}
};

/// The condensed KV cache: keys (rotated) and values of those layers alone that are read, in pages,
/// so that memory follows the tokens that are there (Kwon et al. 2023, arXiv:2309.06180).
/// spec/lckv.md 7.4. Every rank of a model copy has one, of its own heads, and calls it alike.
///
/// A sequence has `length` tokens with a place; the first `computed` of them have their final keys
/// and values.
class KvCache {
 public:
  struct Options {
    DType dtype = DType::kF32;
    int64_t sequences = 1;     // at once
    int64_t most_tokens = 0;   // of one sequence
    int64_t total_tokens = 0;  // of all sequences, rounded up to pages; 0: sequences * most_tokens
    int64_t chunk_tokens = 1;  // new tokens of one sequence in one forward, at most
    int64_t page_tokens = 16;
    SinkWindow streaming;
  };

  /// Plans or takes its memory from `arena`, kind "kv cache". `dims` says this rank's heads.
  KvCache(Arena& arena, const std::vector<model::LayerSpec>& layers, const model::Dims& dims,
          const Options& options);

  /// A new sequence without tokens. Throws CacheFull.
  int64_t add();
  /// A new sequence that begins with the first `tokens` tokens of `of`, whose memory it shares.
  /// They need not have been computed. Whole pages, or all of page_tokens = 1. Throws CacheFull.
  int64_t share(int64_t of, int64_t tokens);
  /// A new sequence that goes on from all of `of`, which has been computed; what cannot be shared
  /// is copied. Throws CacheFull.
  int64_t fork(Stream& stream, int64_t of);
  void remove(int64_t sequence);
  /// Keeps the first `length` tokens. Not for layers with windows, unless none stay: what they have
  /// given back would be missed.
  void truncate(int64_t sequence, int64_t length);

  /// Whether append() would find room for all of these at once: tokens[i] more of sequences[i].
  bool fits(const std::vector<int64_t>& sequences, const std::vector<int64_t>& tokens) const;
  /// Room for more tokens. Throws CacheFull and changes nothing, or ConfigError above most_tokens.
  void append(int64_t sequence, int64_t tokens);
  /// All tokens have been computed: what no query will see any more is given back.
  void complete(int64_t sequence);

  int64_t length(int64_t sequence) const { return at(sequence).length; }
  int64_t computed(int64_t sequence) const { return at(sequence).computed; }
  int64_t sequences() const { return options_.sequences; }
  /// All sequences that exist are among the first so many.
  int64_t rows() const;
  const Options& options() const { return options_; }

  /// Layers that keep the same tokens have one table.
  const std::vector<PageTable>& tables() const { return tables_; }
  int table_of(int layer) const { return layers_[static_cast<size_t>(layer)].table; }
  View rows(int layer) const {
    return layers_[static_cast<size_t>(layer)].rows;
  }                                   // [slots, 2*Ckv_tp]
  ConstView keys(int layer) const;    // [pages, P, Hkv_tp, D]
  ConstView values(int layer) const;  // likewise

  /// Of all memory, and of the pages that hold tokens now.
  int64_t bytes() const;
  int64_t used_bytes() const;
  /// Of one token in layers that keep all, this rank's heads.
  int64_t bytes_per_token() const;

 private:
  struct Sequence {
    bool exists = false;
    int64_t length = 0, computed = 0;
  };
  struct Layer {
    int table = -1;
    View rows;
  };
  const Sequence& at(int64_t sequence) const;
  Sequence& at(int64_t sequence);
  int64_t bytes_of_table(size_t table) const;  // of one page in all of its layers

  Options options_;
  model::Dims dims_;
  std::vector<PageTable> tables_;
  std::vector<Layer> layers_;
  std::vector<Sequence> sequences_;
};

}  // namespace lckv::infer
