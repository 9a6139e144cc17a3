#include "lckv/doctor/rank_facts.h"

#include <nlohmann/json.hpp>

namespace lckv::doctor {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const NodeDisk& disk) {
  return {{"sees_rank_0", disk.sees_rank_0},
          {"folder", disk.facts.folder},
          {"problem", disk.facts.problem},
          {"file_system", disk.facts.file_system},
          {"free_bytes", disk.facts.free_bytes},
          {"trial_problem", disk.rates.problem},
          {"write_bytes_per_s", disk.rates.write_bytes_per_s},
          {"fsync_s", disk.rates.fsync_s},
          {"read_bytes_per_s", disk.rates.read_bytes_per_s},
          {"locks", disk.rates.locks}};
}

NodeDisk disk_of(const Json& json) {
  NodeDisk disk;
  disk.sees_rank_0 = json.at("sees_rank_0");
  disk.facts.folder = json.at("folder");
  disk.facts.problem = json.at("problem");
  disk.facts.file_system = json.at("file_system");
  disk.facts.free_bytes = json.at("free_bytes");
  disk.rates.problem = json.at("trial_problem");
  disk.rates.write_bytes_per_s = json.at("write_bytes_per_s");
  disk.rates.fsync_s = json.at("fsync_s");
  disk.rates.read_bytes_per_s = json.at("read_bytes_per_s");
  disk.rates.locks = json.at("locks");
  return disk;
}

}  // namespace

std::string encode(const RankFacts& f) {
  const Json json = {{"rank", f.rank},
                     {"local_rank", f.local_rank},
                     {"host", f.host},
                     {"node_rank", f.node_rank},
                     {"device", f.device},
                     {"has_gpu", f.has_gpu},
                     {"dtype", f.dtype},
                     {"threads", f.threads},
                     {"memory_bytes", f.memory_bytes},
                     {"matmul_flops_per_s", f.rates.matmul_flops_per_s},
                     {"memory_bytes_per_s", f.rates.memory_bytes_per_s},
                     {"problem", f.problem},
                     {"clock_offset_s", f.clock.offset_s},
                     {"clock_error_s", f.clock.error_s},
                     {"node_bus_bytes_per_s", f.node_bus_bytes_per_s},
                     {"disk", to_json(f.disk)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

RankFacts decode_rank_facts(const std::string& text) {
  const Json json = Json::parse(text);
  RankFacts f;
  f.rank = json.at("rank");
  f.local_rank = json.at("local_rank");
  f.host = json.at("host");
  f.node_rank = json.at("node_rank");
  f.device = json.at("device");
  f.has_gpu = json.at("has_gpu");
  f.dtype = json.at("dtype");
  f.threads = json.at("threads");
  f.memory_bytes = json.at("memory_bytes");
  f.rates.matmul_flops_per_s = json.at("matmul_flops_per_s");
  f.rates.memory_bytes_per_s = json.at("memory_bytes_per_s");
  f.problem = json.at("problem");
  f.clock.offset_s = json.at("clock_offset_s");
  f.clock.error_s = json.at("clock_error_s");
  f.node_bus_bytes_per_s = json.at("node_bus_bytes_per_s");
  f.disk = disk_of(json.at("disk"));
  return f;
}

}  // namespace lckv::doctor
