#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/checkpoint/state_folders.h"
#include "lckv/checkpoint/state_reader.h"
#include "lckv/tensor/buffer.h"
#include "lckv/train/run_record.h"

// What a saved state holds, whatever grid saved it.

namespace lckv::test {

inline std::filesystem::path state_of(const std::string& output, int64_t step) {
  return std::filesystem::path(output) / checkpoint::state_folder_name(step);
}

/// Calls visit(name, whole) for each tensor, put together from its pieces.
template <class Visit>
void visit_tensors(const std::filesystem::path& state, const Visit& visit) {
  checkpoint::StateReader reader(state);
  for (const auto& [name, tensor] : reader.tensors()) {
    const Buffer buffer(tensor.dtype, tensor.global_shape);
    reader.read(name, checkpoint::Slice::whole(tensor.global_shape), buffer.view());
    visit(name, buffer.view());
  }
}

/// The bytes of every tensor, by name, behind its dtype and shape.
inline std::map<std::string, std::string> tensor_bytes(const std::filesystem::path& state) {
  std::map<std::string, std::string> all;
  visit_tensors(state, [&](const std::string& name, const View& whole) {
    all[name] = whole.describe() + std::string(static_cast<const char*>(whole.raw()),
                                               static_cast<size_t>(whole.bytes()));
  });
  return all;
}

/// The tensors whose bytes differ, or that one of them lacks: "" when none does.
inline std::string differing_tensors(const std::filesystem::path& a,
                                     const std::filesystem::path& b) {
  const auto ours = tensor_bytes(a), theirs = tensor_bytes(b);
  std::string names;
  for (const auto& [name, bytes] : theirs) {
    const auto found = ours.find(name);
    if (found == ours.end() || found->second != bytes) names += name + " ";
  }
  for (const auto& [name, bytes] : ours) {
    if (!theirs.contains(name)) names += name + " ";
  }
  return names;
}

/// The bytes of the files of all ranks, by name.
inline std::map<std::string, std::string> rank_files(const std::filesystem::path& state) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(state)) {
    if (entry.path().extension() != ".safetensors") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename().string()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return files;
}

/// The manifest without what tells time and place, and how it was saved.
inline nlohmann::json timeless_manifest(const std::filesystem::path& state) {
  std::ifstream file(state / "manifest.json");
  auto manifest = nlohmann::json::parse(file);
  manifest.erase("checksum");
  manifest.at("trainer").erase("saved_at");
  nlohmann::json& config = manifest.at("trainer").at("config");
  const nlohmann::json all = config;
  for (const auto& item : all.items()) {
    if (item.key() == "output" || item.key().starts_with("checkpoint.")) config.erase(item.key());
  }
  return manifest;
}

/// What of two states of one grid differs, byte by byte: "" when nothing does.
inline std::string state_difference(const std::filesystem::path& a,
                                    const std::filesystem::path& b) {
  const auto ours = rank_files(a), theirs = rank_files(b);
  if (ours.empty() || ours.size() != theirs.size()) {
    return format("{} files in {}, {} in {}", ours.size(), a.string(), theirs.size(), b.string());
  }
  for (const auto& [name, bytes] : ours) {
    if (!theirs.contains(name) || theirs.at(name) != bytes) return name + " of " + a.string();
  }
  const auto our_manifest = timeless_manifest(a), their_manifest = timeless_manifest(b);
  return our_manifest == their_manifest
             ? ""
             : "manifest of " + a.string() + ": " +
                   nlohmann::json::diff(their_manifest, our_manifest).dump();
}

inline train::RunRecord record_of(const std::filesystem::path& state) {
  return train::parse_record(checkpoint::StateReader(state).trainer_state_json(), state.string());
}

}  // namespace lckv::test
