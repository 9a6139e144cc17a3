#include <csignal>

#include "lckv/cli/parse.h"

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file size is a full disk: an error, not a death
  return lckv::cli::run_in_world([&] { return lckv::cli::parse(argc, argv); });
}
