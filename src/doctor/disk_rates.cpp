#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/doctor/disk.h"
#include "lckv/train/run_lock.h"

namespace lckv::doctor {

namespace fs = std::filesystem;

namespace {

constexpr size_t kBlockBytes = size_t{4} << 20;
constexpr int64_t kMostBytes = int64_t{64} << 20;

[[noreturn]] void fail(const char* action) {
  throw IoError(format("cannot {}: {}", action, std::strerror(errno)));
}

/// A file that has no name any more: however the process ends, nothing stays.
class NamelessFile {
 public:
  explicit NamelessFile(const fs::path& folder) {
    std::string name = (folder / ".lckv-doctor-XXXXXX").string();
    descriptor_ = mkostemp(name.data(), O_CLOEXEC);
    if (descriptor_ < 0) fail("create a file");
    unlink(name.c_str());
  }
  ~NamelessFile() { close(descriptor_); }
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;

  void append(const std::vector<uint64_t>& words) {
    const auto* bytes = reinterpret_cast<const char*>(words.data());
    for (size_t left = words.size() * sizeof(uint64_t); left > 0;) {
      const ssize_t count = write(descriptor_, bytes, left);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail("write");
      bytes += count;
      left -= static_cast<size_t>(count);
    }
  }
  void sync() {
    if (fsync(descriptor_) != 0) fail("fsync");
  }
  void forget_cached() { posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED); }
  void rewind() {
    if (lseek(descriptor_, 0, SEEK_SET) != 0) fail("seek");
  }
  void next(std::vector<uint64_t>& words) {
    auto* bytes = reinterpret_cast<char*>(words.data());
    for (size_t left = words.size() * sizeof(uint64_t); left > 0;) {
      const ssize_t count = read(descriptor_, bytes, left);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) fail("read what was written");
      bytes += count;
      left -= static_cast<size_t>(count);
    }
  }

 private:
  int descriptor_ = -1;
};

/// By the lock of `lckv train` itself: some file systems lock files and not folders, or the other
/// way round.
bool locks_folders(const fs::path& folder) {
  std::string name = (folder / ".lckv-doctor-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) fail("create a folder");
  bool locked = true;
  try {
    const train::RunLock lock(name);
  } catch (const IoError&) {
    locked = false;
  }
  rmdir(name.c_str());
  return locked;
}

/// Blocks that no file system can compress or share.
void fill(std::vector<uint64_t>& words, int64_t block) {
  const CounterRng rng(1, static_cast<uint64_t>(block));
  for (size_t i = 0; i < words.size(); ++i) words[i] = rng.bits(i);
}

double median_fsync_s(NamelessFile& file) {
  const std::vector<uint64_t> words(512);
  std::array<double, 5> times{};
  for (double& time_s : times) {
    file.append(words);
    const Stopwatch watch;
    file.sync();
    time_s = watch.elapsed_s();
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void write_and_read(NamelessFile& file, int64_t most_bytes, double budget_s, DiskRates& rates) {
  std::vector<uint64_t> written(kBlockBytes / sizeof(uint64_t)), read(written.size());
  int64_t blocks = 0;
  double write_s = 0;
  for (;
       write_s < budget_s / 2 && (blocks == 0 || (blocks + 1) * int64_t{kBlockBytes} <= most_bytes);
       ++blocks) {
    fill(written, blocks);
    const Stopwatch watch;
    file.append(written);
    file.sync();
    write_s += watch.elapsed_s();
  }
  file.forget_cached();
  file.rewind();
  double read_s = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const Stopwatch watch;
    file.next(read);
    read_s += watch.elapsed_s();
    fill(written, block);
    if (read != written) throw IoError("what was read is not what was written");
  }
  rates.write_bytes_per_s = double(blocks) * double(kBlockBytes) / write_s;
  rates.read_bytes_per_s = double(blocks) * double(kBlockBytes) / read_s;
}

}  // namespace

DiskRates measure_disk(const fs::path& folder, double budget_s) {
  DiskRates rates;
  try {
    const int64_t most_bytes = std::min(kMostBytes, read_disk(folder).free_bytes / 10);
    NamelessFile file(folder), small(folder);
    rates.locks = locks_folders(folder);
    rates.fsync_s = median_fsync_s(small);
    write_and_read(file, most_bytes, budget_s, rates);
  } catch (const IoError& error) {
    rates.problem = format("{}: {}", folder.string(), error.what());
  }
  return rates;
}

std::vector<Finding> judge_disk_rates(const DiskRates& rates) {
  if (!rates.problem.empty()) {
    return {needed("disk", "trial", rates.problem, "name another folder: --output FOLDER")};
  }
  std::vector<Finding> findings = {
      ok("disk", "write",
         format("{:.0f} MB/s with fsync; a small fsync {:.2f} ms", rates.write_bytes_per_s / 1e6,
                rates.fsync_s * 1e3),
         {{"write_bytes_per_s", rates.write_bytes_per_s}, {"fsync_s", rates.fsync_s}}),
      ok("disk", "read", format("{:.0f} MB/s", rates.read_bytes_per_s / 1e6),
         {{"read_bytes_per_s", rates.read_bytes_per_s}})};
  if (!rates.locks) {
    findings.push_back(
        needed("disk", "locks", "lckv train refuses to start here: it cannot lock the folder",
               "mount the file system with flock, or name a folder elsewhere: --output FOLDER"));
  }
  return findings;
}

}  // namespace lckv::doctor
