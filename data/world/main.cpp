// make_world: writes the bundled corpus; README.md beside this file is its manual.
#include <charconv>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

#include "lckv/base/error.h"
#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/world/corpus.h"

namespace {

constexpr std::string_view kUsage =
    "usage: make_world --out FOLDER [--seed 1] [--stories 20000] [--questions 400] "
    "[--held-out-frac 0.05]\n";

struct Arguments {
  std::string out;
  lckv::world::World world;
  lckv::world::CorpusSize size;
};

[[noreturn]] void fail_usage(const std::string& message) {
  throw lckv::Error(message, lckv::ExitCode::kUsage);
}

template <typename Number>
void parse(std::string_view option, std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail_usage(lckv::format("{} wants a number, not \"{}\"", option, text));
  }
}

void set_option(Arguments& arguments, std::string_view option, std::string_view value) {
  if (option == "--out") {
    arguments.out = value;
  } else if (option == "--seed") {
    parse(option, value, arguments.world.seed);
  } else if (option == "--stories") {
    parse(option, value, arguments.size.stories);
  } else if (option == "--questions") {
    parse(option, value, arguments.size.questions);
  } else if (option == "--held-out-frac") {
    parse(option, value, arguments.world.held_out_frac);
  } else {
    fail_usage(lckv::format("unknown option \"{}\"", option));
  }
}

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) fail_usage(lckv::format("{} wants a value", argv[i]));
    set_option(arguments, argv[i], argv[i + 1]);
  }
  if (arguments.out.empty()) fail_usage("--out FOLDER is missing");
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && (argv[1] == std::string_view("--help") || argv[1] == std::string_view("-h"))) {
    std::cout << kUsage;
    return 0;
  }
  try {
    const Arguments arguments = parse_arguments(argc, argv);
    lckv::world::write_corpus(arguments.out, arguments.world, arguments.size);
    std::cout << lckv::format("{}: {} stories, {} for validation, {} questions\n", arguments.out,
                              arguments.size.stories, arguments.size.validation_stories(),
                              arguments.size.questions);
    return 0;
  } catch (const lckv::Error& error) {
    lckv::log_error(error.what());
    if (error.exit_code() == lckv::ExitCode::kUsage) std::cerr << kUsage;
    return static_cast<int>(error.exit_code());
  }
}
