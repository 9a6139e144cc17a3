#pragma once

#include <string>

namespace lckv {

/// Lines on stderr: "[time] level message". stdout is for results. Never coloured unless stderr is
/// a terminal and NO_COLOR is unset. Thread safe.
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);

/// Silences log_info (tests, --quiet).
void set_log_quiet(bool quiet);

}  // namespace lckv
