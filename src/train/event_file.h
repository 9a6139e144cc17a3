#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace lckv::train {

/// A file of events as TensorBoard reads them: TFRecord frames with masked CRC32C, each of which
/// holds one Event message (event_message.h). Bytes and worked example: METRICS.md.
///
/// TensorBoard reads all event files of a folder in the order of their names. A new file's name
/// sorts behind those that are there, and it begins with SessionLog START: what earlier files told
/// of steps from `purge_from_step` on is dropped by readers.
///
/// A record is written whole before the call returns, and seen by other processes then. Every
/// function throws IoError when the disk is full. Not for concurrent callers.
class EventFile {
 public:
  /// Creates `folder` when it is missing, and in it
  /// events.out.tfevents.<seconds since 1970>.<host>.<pid>.
  EventFile(const std::filesystem::path& folder, int64_t purge_from_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  /// A point of the curve `tag`. Readers keep 32 bits of it; NaN and infinities are told as such.
  void scalar(int64_t step, std::string_view tag, double value);
  /// Several points of one step, in one record.
  void scalars(int64_t step, std::span<const std::pair<std::string, double>> points);
  /// Markdown in UTF-8, shown under TEXT.
  void text(int64_t step, std::string_view tag, std::string_view text);
  /// How `values` are distributed: HistogramProto, whose buckets divide [min, max] evenly. Values
  /// that are not finite are left out; nothing is written when none is left.
  void histogram(int64_t step, std::string_view tag, std::span<const double> values);

  /// Returns when the records so far survive a power cut.
  void sync();

  const std::filesystem::path& path() const { return path_; }

 private:
  void append(std::string_view event);

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace lckv::train
