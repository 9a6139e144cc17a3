#include "lckv/train/event_message.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "lckv/train/protobuf_writer.h"

namespace lckv::train {

namespace {

constexpr int kBuckets = 50;
constexpr int64_t kStart = 1;   // SessionLog.SessionStatus
constexpr int64_t kString = 7;  // DataType

ProtobufWriter event_of(double wall_time_s, int64_t step) {
  ProtobufWriter event;
  event.add_double(1, wall_time_s);
  event.add_int(2, step);
  return event;
}

std::string with_summary(double wall_time_s, int64_t step, const ProtobufWriter& summary) {
  ProtobufWriter event = event_of(wall_time_s, step);
  event.add_bytes(5, summary.bytes());
  return event.bytes();
}

/// A tensor without dimensions.
ProtobufWriter string_tensor(std::string_view text) {
  ProtobufWriter tensor;
  tensor.add_int(1, kString);
  tensor.add_bytes(2, "");
  tensor.add_bytes(8, text);
  return tensor;
}

/// Tells readers which page shows a tensor.
ProtobufWriter metadata_of(std::string_view plugin) {
  ProtobufWriter plugin_data, metadata;
  plugin_data.add_bytes(1, plugin);
  metadata.add_bytes(1, plugin_data.bytes());
  return metadata;
}

/// Right ends of the buckets and what each holds; a value on an edge is in the bucket right of it.
/// One bucket where all values are equal.
struct Buckets {
  std::vector<double> limits, counts;

  Buckets(std::span<const double> values, double min, double max) {
    const int count = min < max ? kBuckets : 1;
    // Halves: max - min of the largest doubles is infinite.
    const double half_width = (max / 2 - min / 2) / count;
    for (int i = 1; i < count; ++i) limits.push_back(min + i * half_width + i * half_width);
    limits.push_back(max);
    counts.resize(limits.size());
    for (const double value : values) {
      const auto at = std::upper_bound(limits.begin(), limits.end() - 1, value);
      ++counts[static_cast<size_t>(at - limits.begin())];
    }
  }
};

ProtobufWriter histogram_of(std::span<const double> values) {
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  const Buckets buckets(values, *min, *max);
  ProtobufWriter histogram;
  histogram.add_double(1, *min);
  histogram.add_double(2, *max);
  histogram.add_double(3, static_cast<double>(values.size()));
  histogram.add_double(4, std::accumulate(values.begin(), values.end(), 0.0));
  histogram.add_double(5, std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
  histogram.add_doubles(6, buckets.limits);
  histogram.add_doubles(7, buckets.counts);
  return histogram;
}

}  // namespace

std::string version_event(double wall_time_s) {
  ProtobufWriter event;
  event.add_double(1, wall_time_s);
  event.add_bytes(3, "brain.Event:2");
  return event.bytes();
}

std::string restart_event(double wall_time_s, int64_t step) {
  ProtobufWriter log;
  log.add_int(1, kStart);
  ProtobufWriter event = event_of(wall_time_s, step);
  event.add_bytes(7, log.bytes());
  return event.bytes();
}

std::string scalars_event(double wall_time_s, int64_t step,
                          std::span<const std::pair<std::string, double>> points) {
  ProtobufWriter summary;
  for (const auto& [tag, number] : points) {
    ProtobufWriter value;
    value.add_bytes(1, tag);
    value.add_float(2, static_cast<float>(number));
    summary.add_bytes(1, value.bytes());
  }
  return with_summary(wall_time_s, step, summary);
}

std::string text_event(double wall_time_s, int64_t step, std::string_view tag,
                       std::string_view text) {
  ProtobufWriter value, summary;
  value.add_bytes(1, tag);
  value.add_bytes(8, string_tensor(text).bytes());
  value.add_bytes(9, metadata_of("text").bytes());
  summary.add_bytes(1, value.bytes());
  return with_summary(wall_time_s, step, summary);
}

std::string histogram_event(double wall_time_s, int64_t step, std::string_view tag,
                            std::span<const double> values) {
  ProtobufWriter value, summary;
  value.add_bytes(1, tag);
  value.add_bytes(5, histogram_of(values).bytes());
  summary.add_bytes(1, value.bytes());
  return with_summary(wall_time_s, step, summary);
}

}  // namespace lckv::train
