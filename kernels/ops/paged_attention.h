#pragma once

#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// Where the keys of a sequence lie, and which of them each query sees. Key j of sequence s is row
/// j mod P of page page_table[s, j / P]. Query n sees keys begin[n] .. end[n]-1 of its sequence,
/// and before them keys 0 .. sink_end[n]-1, which must end at or before begin[n].
///
/// Every rule of spec/lckv.md 4 and 7.3-7.5 is such a range: the caller turns strict, windowed and
/// sink layers into numbers.
struct PagedKeys {
  ConstView
      page_table;  // [S, most pages] I32; entries of pages without a visible key may be anything
  ConstView sequence;    // [N] I32 in [0, S)
  ConstView begin, end;  // [N] I32; begin >= end: none
  ConstView sink_end;    // [N] I32 or empty: no sinks
};

/// Softmax attention of single queries over keys and values in pages, as a cache holds them; any
/// number of queries of any sequences at once. Without gradient.
///
///   s[n,j] = (q[n] . k[j]) / sqrt(D) over the visible j       out[n] = sum_j softmax(s[n])[j] v[j]
///
/// Query head h reads key/value head h / (Hq / Hkv). A query without keys gets 0.
///
///   out      [N, Hq, D]          out   BF16, F32 or F64
///   q        [N, Hq, D]                dtype of out; scores of keys begin .. end-1
///   q_sinks  [N, Hq, D] or empty       the queries of keys 0 .. sink_end-1, rotated for them
///                                      (spec/lckv.md 7.5); empty: q
///   k, v     [pages, P, Hkv, D]        dtype of out
///
/// D contiguous, other axes may be strided. Scores, softmax and sums in F32 (F64 if q is). The
/// result of a query depends on its own keys alone, not on the other queries. Queries that follow
/// one another in one sequence are computed together: neighbours cost less, and the pages between
/// their keys, if any, must exist.
void paged_attention_forward(Stream& stream, View out, ConstView q, ConstView q_sinks, ConstView k,
                             ConstView v, const PagedKeys& keys);

}  // namespace lckv::ops
