#include "lckv/model/memory_report.h"

#include <algorithm>

#include "lckv/base/text.h"

namespace lckv::model {

int64_t ScratchMemory::bytes() const {
  int64_t sum = 0;
  for (const Arena::Piece& piece : pieces) sum += piece.bytes;
  return sum;
}

namespace {

void add(MemoryReport& report, const Arena::Piece& piece) {
  auto entry = std::find_if(report.kinds.begin(), report.kinds.end(),
                            [&](const MemoryReport::Kind& k) { return k.kind == piece.kind; });
  if (entry == report.kinds.end()) {
    entry = report.kinds.emplace(entry);
    entry->kind = piece.kind;
  }
  entry->bytes += piece.bytes;
  ++entry->pieces;
  if (piece.bytes > entry->largest_bytes) {
    entry->largest = piece.name;
    entry->largest_bytes = piece.bytes;
  }
  report.total_bytes += piece.bytes;
}

}  // namespace

MemoryReport memory_report(const Arena& arena, const ScratchMemory& scratch) {
  MemoryReport report;
  for (const Arena::Piece& piece : arena.pieces()) add(report, piece);
  for (const Arena::Piece& piece : scratch.pieces) add(report, piece);
  report.unknown = scratch.unknown;
  return report;
}

namespace {

std::string line(const std::string& kind, int64_t bytes, int64_t total_bytes) {
  const double share =
      total_bytes > 0 ? 100.0 * static_cast<double>(bytes) / static_cast<double>(total_bytes) : 0;
  return format("{:<12} {:>11} {:5.1f} %", kind, human_bytes(static_cast<double>(bytes)), share);
}

}  // namespace

std::string to_text(const MemoryReport& report) {
  std::string text;
  for (const MemoryReport::Kind& kind : report.kinds) {
    text += line(kind.kind, kind.bytes, report.total_bytes);
    text += format("   {:>4} pieces, largest {} ({})\n", kind.pieces, kind.largest,
                   human_bytes(static_cast<double>(kind.largest_bytes)));
  }
  text += line("total", report.total_bytes, report.total_bytes) + "\n";
  for (const std::string& unknown : report.unknown) text += "not counted: " + unknown + "\n";
  return text;
}

}  // namespace lckv::model
