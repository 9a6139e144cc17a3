#pragma once

#include <system_error>

#include "lckv/base/error.h"

namespace lckv {

/// What the system refused, as the user reads it. fmt::print throws a std::system_error that does
/// not name its stream: where standard output has failed, this names it. std::filesystem's errors
/// name their files.
IoError to_io_error(const std::system_error& error);

/// Of a result that could not be printed; `errno` of the call that failed.
IoError output_error(int error);

}  // namespace lckv
