#pragma once

#include <limits>

#include "lckv/kernels/cuda/attention_mask.cuh"
#include "lckv/kernels/cuda/attention_views.cuh"
#include "lckv/kernels/cuda/mma_instructions.cuh"

/// Tiles in shared memory and products of tiles by tensor cores: what the fast attention kernels
/// share. A warp owns 16 kM rows of the tile that stays; kN8 counts the 8 columns of one
/// instruction. In these comments g = lane/4, t = lane%4.
namespace lckv::ops::cuda {

inline constexpr int kMmaWarps = 4;
inline constexpr int kMmaThreads = 32 * kMmaWarps;
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Rows of kWidth bf16. Chunk c (16 bytes) of row r stands at place c ^ (r & 7) of its row, so that
/// the eight rows of an 8x8 matrix lie in different banks.
template <int kWidth>
struct Tile {
  static constexpr int kRowBytes = 2 * kWidth;
  static constexpr int kChunks = kWidth / 8;
  __host__ __device__ static constexpr int bytes(int rows) { return rows * kRowBytes; }

  __device__ static uint32_t offset(int row, int chunk) {
    return static_cast<uint32_t>(row * kRowBytes + ((chunk ^ (row & 7)) << 4));
  }
};

/// Starts copying rows first .. first+kRows-1 of a head to a tile; zeros for rows from `end` on.
template <int kRows, int kWidth>
__device__ __forceinline__ void load_tile(uint32_t tile, const __nv_bfloat16* head, int64_t stride,
                                          int first, int end) {
  constexpr int kStep = kMmaThreads / Tile<kWidth>::kChunks;
  static_assert(kStep % 8 == 0 && kRows % kStep == 0);
  const int row = static_cast<int>(threadIdx.x) / Tile<kWidth>::kChunks;
  const int chunk = static_cast<int>(threadIdx.x) % Tile<kWidth>::kChunks;
  const uint32_t to = tile + Tile<kWidth>::offset(row, chunk);
#pragma unroll
  for (int i = 0; i < kRows / kStep; ++i) {
    const int token = first + row + i * kStep;
    const bool valid = token < end;
    cp_async_16(to + i * kStep * Tile<kWidth>::kRowBytes,
                head + (valid ? token : 0) * stride + chunk * 8, valid);
  }
}

/// The address that this lane gives to ldmatrix for a 16x16 piece of a tile.
template <int kWidth>
struct LanePlace {
  uint32_t row_bytes;
  uint32_t chunk_bytes;  // XORed with the piece's place: the swizzle is linear in the chunk's bits

  /// Matrices in the order upper left, lower left, upper right, lower right: an `a` of mma, or two
  /// `b` beside each other when transposed.
  __device__ static LanePlace down_first() {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    return of(lane % 16, lane / 16);
  }
  /// Upper left, upper right, lower left, lower right: the rows are the columns of two `b`.
  __device__ static LanePlace across_first() {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    return of(lane % 8 + lane / 16 * 8, lane / 8 % 2);
  }
  /// Rows 16 row16.., columns 16 column16.. of the tile.
  __device__ uint32_t at(uint32_t tile, int row16, int column16) const {
    return tile + row16 * 16 * Tile<kWidth>::kRowBytes + row_bytes +
           (chunk_bytes ^ static_cast<uint32_t>(column16 << 5));
  }

 private:
  __device__ static LanePlace of(int row, int chunk) {
    return {static_cast<uint32_t>(row * Tile<kWidth>::kRowBytes),
            static_cast<uint32_t>((chunk ^ (row & 7)) << 4)};
  }
};

/// The warp's rows as `a`, read again for every product.
template <int kM, int kWidth>
struct StoredRows {
  uint32_t tile;
  LanePlace<kWidth> place = LanePlace<kWidth>::down_first();

  __device__ __forceinline__ void get(uint32_t (&a)[4], int m, int k) const {
    ldmatrix(a, place.at(tile, m, k));
  }
};

/// The warp's rows as `a`, kept in registers.
template <int kM, int kWidth>
struct HeldRows {
  uint32_t values[kM][kWidth / 16][4];

  __device__ __forceinline__ void load(uint32_t tile) {
    const StoredRows<kM, kWidth> rows{tile};
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int k = 0; k < kWidth / 16; ++k) rows.get(values[m][k], m, k);
    }
  }
  __device__ __forceinline__ void get(uint32_t (&a)[4], int m, int k) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = values[m][k][i];
  }
};

template <int kM, int kN8>
__device__ __forceinline__ void set_zero(float (&c)[kM][kN8][4]) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kN8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) c[m][n][i] = 0.0f;
    }
  }
}

template <int kM, int kN8>
__device__ __forceinline__ void scale(float (&c)[kM][kN8][4], float factor) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kN8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) c[m][n][i] *= factor;
    }
  }
}

/// c = rows . other^T over the width: row by row products of the warp's rows with the 8 kN8 rows of
/// `other`.
template <int kWidth, int kM, int kN8, class Rows>
__device__ __forceinline__ void multiply_rows(float (&c)[kM][kN8][4], const Rows& rows,
                                              uint32_t other) {
  const auto place = LanePlace<kWidth>::across_first();
  set_zero(c);
#pragma unroll
  for (int k = 0; k < kWidth / 16; ++k) {
    uint32_t a[kM][4];
#pragma unroll
    for (int m = 0; m < kM; ++m) rows.get(a[m], m, k);
#pragma unroll
    for (int n = 0; n < kN8 / 2; ++n) {
      uint32_t b[4];
      ldmatrix(b, place.at(other, n, k));
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        mma(c[m][2 * n], a[m], b[0], b[1]);
        mma(c[m][2 * n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

/// sums += weights . other: weights [16 kM, 8 kN8] as multiply_rows left them, rounded to bf16,
/// times the 8 kN8 rows of `other`. What a lane holds of two neighbouring results is what it must
/// hold of an `a`.
template <int kWidth, int kM, int kN8>
__device__ __forceinline__ void add_weighted(float (&sums)[kM][kWidth / 8][4],
                                             const float (&weights)[kM][kN8][4], uint32_t other) {
  const auto place = LanePlace<kWidth>::down_first();
#pragma unroll
  for (int k = 0; k < kN8 / 2; ++k) {
    uint32_t a[kM][4];
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float(&w)[4] = weights[m][2 * k + i / 2];
        a[m][i] = pack_bf16(w[i % 2 * 2], w[i % 2 * 2 + 1]);
      }
    }
#pragma unroll
    for (int n = 0; n < kWidth / 16; ++n) {
      uint32_t b[4];
      ldmatrix_transposed(b, place.at(other, k, n));
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        mma(sums[m][2 * n], a[m], b[0], b[1]);
        mma(sums[m][2 * n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

/// Scores of queries (rows, first_query the warp's first) and keys (columns): -inf where hidden.
template <int kM, int kN8>
__device__ __forceinline__ void hide(float (&s)[kM][kN8][4], const SequenceMask& mask,
                                     int first_query, int first_key) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int i = min(first_query + 16 * m + 8 * half + lane / 4, mask.queries - 1);
      const int begin = mask.begin(i) - first_key - lane % 4 * 2;
      const int end = mask.end(i) - first_key - lane % 4 * 2;
#pragma unroll
      for (int n = 0; n < kN8; ++n) {
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const int key = 8 * n + j;
          if (key < begin || key >= end) s[m][n][2 * half + j] = -kInfinity;
        }
      }
    }
  }
}

/// The warp's rows first .. of a head, rounded to bf16, up to `end`. They pass through the warp's
/// own rows of a tile, which nobody else reads any more, so that whole chunks go to memory.
template <int kWidth, int kM>
__device__ __forceinline__ void store_rows(unsigned char* tile, const float (&c)[kM][kWidth / 8][4],
                                           __nv_bfloat16* head, int64_t stride, int first,
                                           int end) {
  using Layout = Tile<kWidth>;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  __syncwarp();
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < Layout::kChunks; ++n) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const uint32_t at = Layout::offset(16 * m + 8 * half + lane / 4, n) + lane % 4 * 4;
        *reinterpret_cast<uint32_t*>(tile + at) =
            pack_bf16(c[m][n][2 * half], c[m][n][2 * half + 1]);
      }
    }
  }
  __syncwarp();
#pragma unroll
  for (int i = lane; i < 16 * kM * Layout::kChunks; i += 32) {
    const int row = i / Layout::kChunks, chunk = i % Layout::kChunks;
    if (first + row >= end) break;
    *reinterpret_cast<int4*>(head + (first + row) * stride + chunk * 8) =
        *reinterpret_cast<const int4*>(tile + Layout::offset(row, chunk));
  }
}

}  // namespace lckv::ops::cuda
