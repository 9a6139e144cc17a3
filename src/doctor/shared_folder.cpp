#include "lckv/doctor/shared_folder.h"

#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include <unistd.h>

#include "lckv/base/clock.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/train/scratch_folder.h"

namespace lckv::doctor {

namespace fs = std::filesystem;

namespace {

constexpr auto kMarker = "written-by-rank-0";

/// What rank 0 wrote: where, and a text that no earlier check can have left there.
struct Marker {
  std::string folder, text, problem;
};

Marker write_marker(std::optional<train::ScratchFolder>& scratch, const fs::path& folder) {
  Marker marker;
  try {
    scratch.emplace("", folder);
    marker.folder = scratch->path().string();
    marker.text = format("process {} at {}", getpid(), wall_clock_ns());
    std::ofstream file(scratch->path() / kMarker);
    file << marker.text << std::flush;
    if (!file) marker.problem = format("{}: cannot be written", marker.folder);
  } catch (const IoError& error) {
    marker.problem = error.what();
  }
  return marker;
}

/// Collective: rank 0's.
Marker everybodys(comm::World& world, const Marker& here) {
  comm::Communicator& all = world.all();
  return {.folder = comm::gather_texts(all, here.folder)[0],
          .text = comm::gather_texts(all, here.text)[0],
          .problem = comm::gather_texts(all, here.problem)[0]};
}

bool appears(const Marker& marker, const FolderInstruments& instruments) {
  const Stopwatch watch;
  const fs::path path = fs::path(marker.folder) / kMarker;
  while (!instruments.holds(path, marker.text)) {
    if (watch.elapsed_s() > instruments.patience_s) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

/// Collective in a machine: its first rank's text.
std::string of_first(comm::Communicator& machine, const std::string& text) {
  return comm::gather_texts(machine, text)[0];
}

}  // namespace

bool file_holds(const fs::path& path, const std::string& text) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {}) == text;
}

NodeDisk examine_shared_folder(comm::World& world, comm::Communicator& machine,
                               const fs::path& folder, double budget_s,
                               const FolderInstruments& instruments) {
  const bool speaks = machine.rank() == 0;
  std::optional<train::ScratchFolder> scratch;  // rank 0's
  Marker marker;
  comm::together(world, [&] {
    if (world.rank() == 0) marker = write_marker(scratch, folder);
  });
  marker = everybodys(world, marker);
  RankFacts facts;  // of which the disk travels
  comm::together(world, [&] {
    facts.disk.sees_rank_0 = marker.problem.empty() && appears(marker, instruments);
    if (!speaks) return;
    facts.disk.facts = instruments.facts(folder);
    if (!marker.problem.empty() && world.rank() == 0) facts.disk.facts.problem = marker.problem;
  });
  world.all().barrier("disk trial");
  comm::together(world, [&] {
    if (speaks && facts.disk.sees_rank_0) {
      facts.disk.rates = instruments.rates(marker.folder, budget_s);
    }
  });
  NodeDisk disk = decode_rank_facts(of_first(machine, encode(facts))).disk;
  disk.sees_rank_0 = facts.disk.sees_rank_0;
  return disk;
}

}  // namespace lckv::doctor
