#include <fmt/core.h>

#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/data/describe.h"

namespace lckv::cli {

namespace {

void print_first_tokens(const data::TokenStore& store, int64_t count) {
  std::vector<int32_t> ids(static_cast<size_t>(std::min(count, store.info().tokens)));
  store.read(0, ids);
  const auto tokenizer = store.tokenizer();
  fmt::print("first tokens:");
  for (const int32_t id : ids) fmt::print(" {}:{}", id, tokenizer->piece(id));
  fmt::print("\n");
}

}  // namespace

ExitCode run_inspect(const InspectArgs& args) {
  fmt::print("{}", data::to_text(data::describe(args.path)));
  const data::TokenStore store(args.path);
  if (args.show_tokens > 0) print_first_tokens(store, args.show_tokens);
  if (args.verify) {
    store.verify(&stop_requested());
    fmt::print("checksums: every block holds\n");
  }
  return ExitCode::kOk;
}

}  // namespace lckv::cli
