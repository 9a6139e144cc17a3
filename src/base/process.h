#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lckv {

/// Memory of this process that is in RAM now, and the most there has been; 0 where /proc is
/// missing.
int64_t resident_bytes();
int64_t peak_resident_bytes();
/// The peak counts from now on (Linux; elsewhere nothing happens).
void reset_peak_resident();

/// What this machine calls itself; "host" when it does not say.
std::string host_name();

/// The numbers of the cores that this thread may run on (its affinity mask, not the machine),
/// rising. Throws IoError where the system does not tell.
std::vector<int> usable_core_numbers();
/// How many they are; 1 where the system does not tell.
int usable_cores();
/// This thread runs on these cores alone from now on. Throws IoError.
void bind_to_cores(const std::vector<int>& cores);

/// Whether stderr is a terminal that a person watches: not under an MPI launcher, which gives ranks
/// pseudo-terminals.
bool stderr_is_watched();

}  // namespace lckv
