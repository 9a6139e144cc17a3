#include "lckv/base/process_age.h"

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>

namespace lckv {

namespace {

double since_boot_s() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

const double initialised_s = since_boot_s();

/// Field 22 of /proc/self/stat, in clock ticks since boot; negative where it cannot be read.
double start_in_proc_s() {
  std::ifstream stat("/proc/self/stat");
  std::string line;
  std::getline(stat, line);
  const size_t name_end = line.rfind(')');  // the name of the program may hold anything
  if (name_end == std::string::npos) return -1;
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  for (int number = 3; number < 22; ++number) fields >> field;
  double ticks = -1;
  fields >> ticks;
  return fields ? ticks / static_cast<double>(sysconf(_SC_CLK_TCK)) : -1;
}

/// A start after our own initialisation, or long before it, is not this program's: /proc of
/// another boot clock (containers).
double start_s() {
  constexpr double kLoading_s = 3600;
  const double start = start_in_proc_s();
  return start >= initialised_s - kLoading_s && start <= initialised_s ? start : initialised_s;
}

}  // namespace

double process_age_s() {
  static const double start = start_s();
  return since_boot_s() - start;
}

}  // namespace lckv
