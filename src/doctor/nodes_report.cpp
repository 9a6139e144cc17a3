#include "lckv/doctor/nodes_report.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/doctor/rate_text.h"

namespace lckv::doctor {

namespace {

using Row = std::vector<std::string>;

/// Columns as wide as their widest entry; the first row is the heading.
std::string table(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows[0].size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string rank_table(const NodesFacts& facts) {
  std::vector<Row> rows = {{"rank", "node", "device", "threads", "matmul", "memory", "RAM free"}};
  for (const RankFacts& f : facts.ranks) {
    rows.push_back({std::to_string(f.rank), f.host, f.device, std::to_string(f.threads),
                    flops_text(f.rates.matmul_flops_per_s) + " " + f.dtype,
                    bytes_text(f.rates.memory_bytes_per_s), human_bytes(double(f.memory_bytes))});
  }
  return table(rows);
}

std::string bus_text(double bytes_per_s) { return bytes_per_s > 0 ? bytes_text(bytes_per_s) : "-"; }

Row disk_columns(const NodeDisk& disk) {
  if (!disk.facts.problem.empty()) return {"-", "-", "-", "-"};
  Row columns = {
      format("{} {}", human_bytes(double(disk.facts.free_bytes)), disk.facts.file_system),
      disk.sees_rank_0 ? "yes" : "no"};
  if (!disk.sees_rank_0 || !disk.rates.problem.empty()) return {columns[0], columns[1], "-", "-"};
  columns.push_back(format("{:.0f} MB/s, fsync {:.2f} ms", disk.rates.write_bytes_per_s / 1e6,
                           disk.rates.fsync_s * 1e3));
  columns.push_back(format("{:.0f} MB/s", disk.rates.read_bytes_per_s / 1e6));
  return columns;
}

std::string node_table(const NodesFacts& facts) {
  std::vector<Row> rows = {{"node", "first rank", "bus within", "clock"}};
  if (!facts.folder.empty()) {
    for (const char* const column : {"disk free", "shared", "write", "read"}) {
      rows[0].emplace_back(column);
    }
  }
  for (const RankFacts& f : facts.ranks) {
    if (f.rank != f.node_rank) continue;
    Row row = {f.host, std::to_string(f.rank), bus_text(f.node_bus_bytes_per_s),
               format("{:+.6f} +- {:.6f} s", f.clock.offset_s, f.clock.error_s)};
    if (!facts.folder.empty()) {
      for (std::string& column : disk_columns(f.disk)) row.push_back(std::move(column));
    }
    rows.push_back(row);
  }
  return table(rows);
}

std::string counted(size_t number, const char* noun) {
  return format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

std::string heading(const NodesFacts& facts) {
  std::set<int> nodes;
  for (const RankFacts& f : facts.ranks) nodes.insert(f.node_rank);
  std::string text = format("{} on {}; all measured at the same time\n",
                            counted(facts.ranks.size(), "rank"), counted(nodes.size(), "node"));
  if (facts.bus_bytes_per_s > 0) {
    text += format("all_reduce over all ranks: bus {} ({})\n", bus_text(facts.bus_bytes_per_s),
                   facts.over_nccl ? "NCCL" : "MPI");
  }
  text += facts.folder.empty() ? "disk: not looked at, name a folder: --output FOLDER\n"
                               : format("disk: {}\n", facts.folder);
  return text;
}

}  // namespace

std::string to_text(const NodesFacts& facts, const std::vector<std::string>& faults) {
  std::string text = heading(facts) + "\n" + rank_table(facts) + "\n" + node_table(facts) + "\n";
  if (faults.empty()) return text + "no fault found\n";
  text += counted(faults.size(), "fault") + ":\n";
  for (const std::string& fault : faults) text += format("  {}\n", fault);
  return text;
}

std::string to_json(const NodesFacts& facts, const NodeLimits& limits,
                    const std::vector<std::string>& faults) {
  using Json = nlohmann::ordered_json;
  Json ranks = Json::array();
  for (const RankFacts& f : facts.ranks) ranks.push_back(Json::parse(encode(f)));
  const Json json = {{"ok", faults.empty()},
                     {"faults", faults},
                     {"limits",
                      {{"least_rate_frac", limits.least_rate_frac},
                       {"most_skew_s", limits.most_skew_s},
                       {"need_bytes", limits.need_bytes}}},
                     {"folder", facts.folder},
                     {"bus_bytes_per_s", facts.bus_bytes_per_s},
                     {"over_nccl", facts.over_nccl},
                     {"ranks", ranks}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lckv::doctor
