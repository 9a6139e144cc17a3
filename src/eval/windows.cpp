#include "lckv/eval/windows.h"

#include <algorithm>

#include "lckv/base/error.h"

namespace lckv::eval {

namespace {

TokenPair row(std::span<const int32_t> tokens, int64_t begin, int64_t end, int64_t scored) {
  return {{tokens.begin() + begin, tokens.begin() + end}, scored};
}

}  // namespace

std::vector<TokenPair> rolling_windows(std::span<const int32_t> tokens, int32_t prefix, int64_t T) {
  LCKV_CHECK(T >= 1, "at least one input");
  const int64_t n = std::ssize(tokens);
  std::vector<TokenPair> rows;
  if (n == 0) return rows;
  int64_t done = std::min(n, T);
  rows.push_back(row(tokens, 0, done, done));
  rows.front().tokens.insert(rows.front().tokens.begin(), prefix);
  while (done < n) {
    const int64_t scored = std::min(n - done, T);
    done += scored;
    rows.push_back(row(tokens, done - T - 1, done, scored));
  }
  return rows;
}

std::vector<TokenPair> sliding_windows(std::span<const int32_t> tokens, int64_t T, int64_t stride) {
  LCKV_CHECK(stride >= 1 && stride <= T && T >= 2, "a stride of 1 to T tokens");
  const int64_t n = std::ssize(tokens);
  std::vector<TokenPair> rows;
  int64_t done = 1;
  for (int64_t begin = 0; done < n; begin += stride) {
    const int64_t end = std::min(begin + T, n);
    // With stride T nothing stands before a row's first token.
    const int64_t scored = std::min(end - done, end - begin - 1);
    if (scored > 0) rows.push_back(row(tokens, begin, end, scored));
    done = end;
  }
  return rows;
}

std::vector<TokenPair> block_windows(std::span<const int32_t> tokens, int64_t T) {
  LCKV_CHECK(T >= 2, "blocks of at least two tokens");
  std::vector<TokenPair> rows;
  for (int64_t begin = 0; begin + T <= std::ssize(tokens); begin += T) {
    rows.push_back(row(tokens, begin, begin + T, T - 1));
  }
  return rows;
}

std::vector<TokenPair> llamacpp_windows(std::span<const int32_t> tokens, int32_t bos,
                                        int64_t context) {
  LCKV_CHECK(context >= 4, "blocks of at least four tokens");
  std::vector<TokenPair> rows;
  for (int64_t begin = 0; begin + context <= std::ssize(tokens); begin += context) {
    rows.push_back(row(tokens, begin, begin + context, context - 1 - context / 2));
    rows.back().tokens.front() = bos;
  }
  return rows;
}

}  // namespace lckv::eval
