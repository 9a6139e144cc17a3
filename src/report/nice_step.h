#pragma once

namespace lckv::report {

/// The smallest of 1, 2 or 5 times a power of ten that is not below `rough`; rough > 0.
double nice_step(double rough);

}  // namespace lckv::report
