#pragma once

namespace lckv {

/// Seconds since this process was started, loading included: by the kernel's account (to 10 ms)
/// where /proc tells, else since this module was initialised.
double process_age_s();

}  // namespace lckv
