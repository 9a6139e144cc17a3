#pragma once

#include <stdexcept>
#include <string>

namespace lckv {

/// Exit codes of the program; README.md documents them for users.
enum class ExitCode : int {
  kOk = 0,
  kCheckFailed = 1,   // a comparison or verification that the command was asked for did not hold
  kUsage = 2,         // command line
  kConfig = 3,        // ConfigError
  kData = 4,          // DataError
  kIo = 5,            // IoError
  kDevice = 6,        // CudaError, or a backend that was not built
  kComm = 7,          // CommError
  kDiverged = 8,      // loss or gradient not finite too many times in a row
  kInternal = 70,     // our bug: LCKV_CHECK, ShapeError, DTypeError
  kRequeue = 75,      // stopped by signal or time limit after saving; start again to continue
  kInterrupted = 130  // stopped by Ctrl-C with nothing to save
};

/// Base of every exception we throw; `what()` is complete: place, name, expected and actual value.
class Error : public std::runtime_error {
 public:
  Error(const std::string& message, ExitCode exit_code)
      : std::runtime_error(message), exit_code_(exit_code) {}
  ExitCode exit_code() const { return exit_code_; }

 private:
  ExitCode exit_code_;
};

/// The user's mistake in a configuration or on the command line.
struct ConfigError : Error {
  explicit ConfigError(const std::string& message) : Error(message, ExitCode::kConfig) {}
};
/// The user's mistake in a data, model or tokenizer file.
struct DataError : Error {
  explicit DataError(const std::string& message) : Error(message, ExitCode::kData) {}
};
/// The file system failed: missing file, permission, full disk.
struct IoError : Error {
  explicit IoError(const std::string& message) : Error(message, ExitCode::kIo) {}
};
/// A device call failed, or the backend was not built.
struct CudaError : Error {
  explicit CudaError(const std::string& message) : Error(message, ExitCode::kDevice) {}
};
/// A collective failed.
struct CommError : Error {
  explicit CommError(const std::string& message) : Error(message, ExitCode::kComm) {}
};
/// An op was called with views whose shapes do not fit: our bug.
struct ShapeError : Error {
  explicit ShapeError(const std::string& message) : Error(message, ExitCode::kInternal) {}
};
/// An op was called with a view of the wrong dtype or device: our bug.
struct DTypeError : Error {
  explicit DTypeError(const std::string& message) : Error(message, ExitCode::kInternal) {}
};
/// LCKV_CHECK failed: our bug.
struct InternalError : Error {
  explicit InternalError(const std::string& message) : Error(message, ExitCode::kInternal) {}
};
/// Ctrl-C or SIGTERM was noticed at a safe point; partial output has been removed.
struct Interrupted : Error {
  explicit Interrupted(const std::string& message) : Error(message, ExitCode::kInterrupted) {}
};

[[noreturn]] void fail_check(const char* condition, const char* file, int line,
                             const std::string& message);

}  // namespace lckv

/// Always on. `message` is evaluated only when the condition is false.
#define LCKV_CHECK(condition, message)                                               \
  do {                                                                               \
    if (!(condition)) ::lckv::fail_check(#condition, __FILE__, __LINE__, (message)); \
  } while (false)
