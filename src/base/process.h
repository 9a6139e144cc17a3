#pragma once

#include <cstdint>
#include <string>

namespace lckv {

/// Memory of this process that is in RAM now, and the most there has been; 0 where /proc is
/// missing.
int64_t resident_bytes();
int64_t peak_resident_bytes();
/// The peak counts from now on (Linux; elsewhere nothing happens).
void reset_peak_resident();

/// What this machine calls itself; "host" when it does not say.
std::string host_name();

/// Cores that this process may run on (its affinity mask, not the machine).
int usable_cores();

/// Whether stderr is a terminal that a person watches: not under an MPI launcher, which gives ranks
/// pseudo-terminals.
bool stderr_is_watched();

}  // namespace lckv
