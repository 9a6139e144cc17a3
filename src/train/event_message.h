#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace lckv::train {

/// Event messages of TensorBoard, serialized: event.proto, summary.proto, histogram.proto and
/// tensor.proto of its sources, of which they hold
///
///   Event         1 wall_time (double)   2 step   3 file_version   5 summary   7 session_log
///   SessionLog    1 status (START = 1)
///   Summary       1 value (repeated)
///   Value         1 tag   2 simple_value (float)   5 histo   8 tensor   9 metadata
///   metadata      1 plugin_data { 1 plugin_name }
///   histo         1 min   2 max   3 num   4 sum   5 sum_squares   6 bucket_limit   7 bucket
///   tensor        1 dtype (DT_STRING = 7)   2 tensor_shape   8 string_val
///
/// wall_time in seconds since 1970.

/// The first message of a file: version 2 of the format.
std::string version_event(double wall_time_s);
/// SessionLog START: what was told before of `step` and later ones does not count.
std::string restart_event(double wall_time_s, int64_t step);
std::string scalars_event(double wall_time_s, int64_t step,
                          std::span<const std::pair<std::string, double>> points);
std::string text_event(double wall_time_s, int64_t step, std::string_view tag,
                       std::string_view text);
/// `values` are finite, at least one.
std::string histogram_event(double wall_time_s, int64_t step, std::string_view tag,
                            std::span<const double> values);

}  // namespace lckv::train
