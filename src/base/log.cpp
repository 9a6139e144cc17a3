#include "lckv/base/log.h"

#include <cstdlib>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace lckv {

namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    // MPI launchers give ranks a pseudo-terminal even when their output is piped, so ask for colour
    // only outside of them.
    const bool coloured = isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr &&
                          std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr;
    auto made = spdlog::stderr_color_mt(
        "lckv", coloured ? spdlog::color_mode::automatic : spdlog::color_mode::never);
    made->set_pattern("[%H:%M:%S] %^%l%$ %v");
    return made;
  }();
  return *instance;
}

}  // namespace

void log_info(const std::string& message) { logger().info("{}", message); }
void log_warning(const std::string& message) { logger().warn("{}", message); }
void log_error(const std::string& message) { logger().error("{}", message); }

void set_log_quiet(bool quiet) {
  logger().set_level(quiet ? spdlog::level::warn : spdlog::level::info);
}

}  // namespace lckv
