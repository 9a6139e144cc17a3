#include "lckv/cli/commands.h"

int main(int argc, char** argv) { return lckv::cli::run_program(argc, argv); }
