#include "lckv/base/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>

#include <sched.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv {

namespace {

int64_t status_field_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(field)) return std::stoll(line.substr(field.size() + 1)) * 1024;
  }
  return 0;
}

/// A set of cores of any number.
class CoreSet {
 public:
  explicit CoreSet(int cores) : cores_(cores), set_(CPU_ALLOC(static_cast<size_t>(cores))) {
    if (set_ == nullptr) throw std::bad_alloc();
    CPU_ZERO_S(bytes(), set_);
  }
  ~CoreSet() { CPU_FREE(set_); }
  CoreSet(const CoreSet&) = delete;
  CoreSet& operator=(const CoreSet&) = delete;

  int cores() const { return cores_; }
  size_t bytes() const { return CPU_ALLOC_SIZE(static_cast<size_t>(cores_)); }
  cpu_set_t* get() const { return set_; }
  bool has(int core) const { return CPU_ISSET_S(static_cast<size_t>(core), bytes(), set_) != 0; }
  void add(int core) { CPU_SET_S(static_cast<size_t>(core), bytes(), set_); }

 private:
  const int cores_;
  cpu_set_t* const set_;
};

/// The system refuses a set that is smaller than its own, and does not tell how large that is.
constexpr int kFirstCores = 1024, kMostCores = 1 << 20;

}  // namespace

int64_t resident_bytes() { return status_field_bytes("VmRSS"); }
int64_t peak_resident_bytes() { return status_field_bytes("VmHWM"); }

void reset_peak_resident() { std::ofstream("/proc/self/clear_refs") << "5"; }

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "host";
  return name.data();
}

std::vector<int> usable_core_numbers() {
  for (int cores = kFirstCores;; cores *= 2) {
    const CoreSet set(cores);
    if (sched_getaffinity(0, set.bytes(), set.get()) == 0) {
      std::vector<int> numbers;
      for (int core = 0; core < set.cores(); ++core) {
        if (set.has(core)) numbers.push_back(core);
      }
      return numbers;
    }
    if (errno != EINVAL || cores >= kMostCores) {
      throw IoError(format("the cores of this process: {}", std::strerror(errno)));
    }
  }
}

int usable_cores() {
  try {
    return static_cast<int>(usable_core_numbers().size());
  } catch (const IoError&) {
    return 1;
  }
}

void bind_to_cores(const std::vector<int>& cores) {
  int most = 0;
  for (const int core : cores) most = std::max(most, core);
  CoreSet set(most + 1);
  for (const int core : cores) set.add(core);
  if (sched_setaffinity(0, set.bytes(), set.get()) == 0) return;
  throw IoError(format("binding to {} core{} failed: {}", cores.size(),
                       cores.size() == 1 ? "" : "s", std::strerror(errno)));
}

bool stderr_is_watched() {
  return isatty(STDERR_FILENO) == 1 && std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr;
}

}  // namespace lckv
