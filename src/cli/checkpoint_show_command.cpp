#include <algorithm>
#include <map>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/saved_states.h"

namespace lckv::cli {

namespace {

using checkpoint::Manifest;
using nlohmann::ordered_json;

constexpr const char* kConfig = "config";

/// The state given, or the newest of the run whose manifest can be read.
StateFacts state_to_show(const std::string& given) {
  const GivenFolder folder = look_at_folder_with_states(given);
  for (const checkpoint::StateFolder& state : folder.states) {
    StateFacts facts = look_at_state(state.path);
    if (facts.is_removed) continue;
    if (!facts.is_damaged()) return facts;
    if (folder.is_state) throw DataError(to_string(facts.damages.front()));
    fmt::print(stderr, "lckv: {}\n", to_string(facts.damages.front()));
  }
  throw DataError(
      format("{}: none of the {} saved states can be read", given, folder.states.size()));
}

/// On one line: strings without quotes, long lists by their length.
std::string brief(const ordered_json& value) {
  constexpr size_t kShown = 4;
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array() && value.size() > kShown) return format("[{} values]", value.size());
  if (!value.is_object()) return value.dump();
  std::vector<std::string> members;
  for (const auto& [key, member] : value.items()) {
    members.push_back(format("{} {}", key, brief(member)));
  }
  return joined(members);
}

void print_members(const ordered_json& object) {
  size_t width = 0;
  for (const auto& [key, value] : object.items()) width = std::max(width, key.size());
  for (const auto& [key, value] : object.items()) {
    if (key == kConfig) continue;
    fmt::print("  {}{}  {}\n", key, std::string(width - key.size(), ' '), brief(value));
  }
}

/// Tensors of one kind: what stands before the first '/' of their names.
struct Kind {
  int64_t tensors = 0, elems = 0, bytes = 0, pieces = 0;
};

std::map<std::string, Kind> kinds_of(const Manifest& manifest) {
  std::map<std::string, Kind> kinds;
  for (const auto& [name, tensor] : manifest.tensors) {
    Kind& kind = kinds[name.substr(0, name.find('/'))];
    ++kind.tensors;
    kind.elems += tensor.global_shape.numel();
    kind.bytes += tensor.global_shape.numel() * size_bytes(tensor.dtype);
    kind.pieces += static_cast<int64_t>(tensor.pieces.size());
  }
  return kinds;
}

void print_kinds(const Manifest& manifest) {
  fmt::print("tensors\n  {:<12} {:>8} {:>14} {:>12} {:>8}\n", "kind", "tensors", "elements", "size",
             "pieces");
  for (const auto& [name, kind] : kinds_of(manifest)) {
    fmt::print("  {:<12} {:>8} {:>14} {:>12} {:>8}\n", name, kind.tensors,
               with_thousands(kind.elems), human_bytes(static_cast<double>(kind.bytes)),
               kind.pieces);
  }
}

void print_tensors(const Manifest& manifest) {
  for (const auto& [name, tensor] : manifest.tensors) {
    fmt::print("{}  {}{}\n", name, lckv::name(tensor.dtype), to_string(tensor.global_shape));
    for (const Manifest::Piece& piece : tensor.pieces) {
      fmt::print("  {:<28} {} from byte {} on\n", to_string(piece.slice), piece.file, piece.offset);
    }
  }
}

void print(const StateFacts& facts, bool with_tensors) {
  fmt::print("{}: state of step {}, {} in {}\n", facts.folder.path.string(),
             with_thousands(facts.folder.step), human_bytes(static_cast<double>(facts.bytes)),
             counted(facts.manifest.files.size(), "file"));
  const auto trainer = ordered_json::parse(facts.manifest.trainer_json);
  fmt::print("trainer\n");
  print_members(trainer);
  if (const auto config = trainer.find(kConfig); config != trainer.end()) {
    fmt::print("config\n");
    print_members(*config);
  }
  print_kinds(facts.manifest);
  if (with_tensors) print_tensors(facts.manifest);
}

ordered_json to_json(const StateFacts& facts, bool with_tensors) {
  ordered_json json = {{"path", facts.folder.path.string()},
                       {"step", facts.folder.step},
                       {"bytes", facts.bytes},
                       {"files", ordered_json::object()},
                       {"trainer", ordered_json::parse(facts.manifest.trainer_json)}};
  for (const auto& [file, summary] : facts.manifest.files) json["files"][file] = summary.bytes;
  if (!with_tensors) return json;
  for (const auto& [name, tensor] : facts.manifest.tensors) {
    ordered_json pieces = ordered_json::array();
    for (const Manifest::Piece& piece : tensor.pieces) {
      pieces.push_back({{"file", piece.file},
                        {"offset", piece.offset},
                        {"begin", piece.slice.begin},
                        {"end", piece.slice.end}});
    }
    json["tensors"][name] = {{"dtype", lckv::name(tensor.dtype)},
                             {"shape", tensor.global_shape.extents()},
                             {"pieces", pieces}};
  }
  return json;
}

}  // namespace

ExitCode run_checkpoint_show(const CheckpointShowArgs& args) {
  const StateFacts facts = state_to_show(args.folder);
  if (args.json) {
    fmt::print("{}\n", to_json(facts, args.tensors).dump(2));
  } else {
    print(facts, args.tensors);
  }
  return ExitCode::kOk;
}

}  // namespace lckv::cli
