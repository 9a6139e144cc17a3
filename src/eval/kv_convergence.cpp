#include "lckv/eval/kv_convergence.h"

#include <algorithm>
#include <array>

namespace lckv::eval {

using infer::SquaredChange;

namespace {

constexpr auto kMostChanges = static_cast<size_t>(KvConvergence::kMostPasses - 1);

}  // namespace

KvConvergenceSums::KvConvergenceSums(int64_t tokens)
    : tokens_(std::min(tokens, KvConvergence::kMostTokens)) {}

/// Forwards that have ended stay as they are in passes that are new.
void KvConvergenceSums::grow(size_t layers, size_t passes) {
  layers_.resize(std::max(layers_.size(), layers));
  for (Layer& layer : layers_) {
    if (layer.passes.size() < passes) layer.passes.resize(passes, {0, layer.ended_size});
  }
  const std::vector<float> still(static_cast<size_t>(tokens_), 0.0f);
  if (token_changes_.size() < passes) token_changes_.resize(passes, still);
}

void KvConvergenceSums::add(const infer::PassReport& report, int64_t first_token) {
  size_t passes = 0;
  for (const infer::LayerChanges& layer : report.layers) {
    passes = std::max(passes, std::min(layer.passes.size(), kMostChanges));
  }
  grow(report.layers.size(), passes);
  for (size_t i = 0; i < report.layers.size(); ++i) {
    const infer::LayerChanges& from = report.layers[i];
    Layer& to = layers_[i];
    for (size_t p = 0; p < to.passes.size(); ++p) {
      to.passes[p].add(p < from.passes.size() ? from.passes[p] : SquaredChange{0, from.size});
    }
    to.ended_size += from.size;
    to.distance.add(from.distance);
  }
  for (size_t p = 0; p < passes && first_token < tokens_; ++p) {
    const std::vector<float>& changes = report.rows[p];
    const auto count = std::min(std::ssize(changes), tokens_ - first_token);
    std::copy_n(changes.begin(), count, token_changes_[p].begin() + first_token);
  }
}

/// [layers, passes - 1 and the distance, 2].
std::vector<double> KvConvergenceSums::as_numbers() const {
  std::vector<double> numbers;
  const auto put = [&](const SquaredChange& sum) {
    numbers.insert(numbers.end(), {sum.change, sum.size});
  };
  for (const Layer& layer : layers_) {
    for (const SquaredChange& pass : layer.passes) put(pass);
    put(layer.distance);
  }
  return numbers;
}

KvConvergence KvConvergenceSums::over_copies(Stream& stream, comm::Communicator& copies,
                                             bool measures_distance) {
  std::array<int32_t, 2> extents = {static_cast<int32_t>(layers_.size()),
                                    static_cast<int32_t>(token_changes_.size())};
  copies.all_reduce(stream, View(extents.data(), DType::kI32, {2}), comm::ReduceOp::kMax,
                    "passes of K,V");
  grow(static_cast<size_t>(extents[0]), static_cast<size_t>(extents[1]));
  std::vector<double> sums = as_numbers();
  copies.all_reduce(stream, View(sums.data(), DType::kF64, {std::ssize(sums)}),
                    comm::ReduceOp::kSum, "changes of K,V");
  const size_t passes = token_changes_.size();
  std::vector<double> largest(passes + 1, 0);
  for (size_t i = 0; i < sums.size() / 2; ++i) {
    double& of_pass = largest[i % largest.size()];
    of_pass = std::max(of_pass, SquaredChange{sums[2 * i], sums[2 * i + 1]}.relative());
  }
  KvConvergence all;
  if (measures_distance) all.exact_distance = largest.back();
  largest.pop_back();
  all.changes = std::move(largest);
  // Each token is one copy's and zero elsewhere: the sum keeps its bits.
  for (std::vector<float>& changes : token_changes_) {
    copies.all_reduce(stream, View(changes.data(), DType::kF32, {std::ssize(changes)}),
                      comm::ReduceOp::kSum, "changes of tokens");
  }
  all.token_changes = std::move(token_changes_);
  return all;
}

}  // namespace lckv::eval
