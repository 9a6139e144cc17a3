#pragma once

#include <cstdint>
#include <vector>

namespace lckv::infer {

/// How often iterated layers visit the new tokens of a forward. More than there are new tokens of
/// one sequence change nothing and are not run (spec/lckv.md 2, lemma).
struct Passes {
  int64_t most = 1;  // >= 1
  // > 0: stop when in every entry of the forward (NewTokens) the K,V of every layer that is read
  // upward changed by no more, relatively. Neighbours of an entry can only add passes.
  double converge_eps = 0;

  bool operator==(const Passes&) const = default;
};

/// What forwards are to report of the K,V that are read upward.
struct KvProbe {
  bool changes = false;       // PassReport::layers and ::rows, also where passes are fixed
  int64_t distance_from = 0;  // > 0: LayerChanges::distance, from the K,V after so many passes;
                              // only together with `changes`

  bool operator==(const KvProbe&) const = default;
};

/// Sums of squares: of how far K,V moved, and of K,V.
struct SquaredChange {
  double change = 0, size = 0;

  void add(const SquaredChange& other) {
    change += other.change;
    size += other.size;
  }
  /// || moved || / || K,V ||, Frobenius; infinite when either is not a finite number.
  double relative() const;
};

/// The K,V of one layer that is read upward, over all new tokens of a forward.
struct LayerChanges {
  // From each pass to the next that was run: the first is that of pass 2.
  std::vector<SquaredChange> passes;
  // Where KvProbe asks: from the K,V after distance_from passes to those that the forward ended
  // with; no change where it ended sooner.
  SquaredChange distance;
  double size = 0;  // where KvProbe asks: squares of the K,V that the forward ended with
};

/// What a forward has done.
struct PassReport {
  int64_t passes = 0;  // of the iterated layers; 1 where there are none
  // By layer that is read upward, from the lowest; empty unless measured: in forwards with
  // converge_eps > 0, and where KvProbe asks.
  std::vector<LayerChanges> layers;
  // Where KvProbe asks, by pass from the second, of each row of the forward: its relative change,
  // the largest among those layers.
  std::vector<std::vector<float>> rows;

  /// Largest relative change among the layers, by pass from the second.
  std::vector<double> changes() const;
};

}  // namespace lckv::infer
