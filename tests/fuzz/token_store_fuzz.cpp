// A token store built by HDF5 from the input (built_store.h) to data::TokenStore. A sound one is
// read and equals what was put in, a damaged one is refused or equals it, a wrong one is refused by
// the time it is verified; what is opened is read in every way.
//
// Bytes made up without HDF5 are of no use: files without checksums, of HDF5 1.8, crash libhdf5
// 1.10.8 within seconds (the reader refuses them by their ninth byte), and with checksums hardly
// any is read.
#include <algorithm>
#include <optional>
#include <vector>

#include "built_store.h"
#include "lckv/data/describe.h"
#include "lckv/data/token_store.h"
#include "scratch.h"

namespace lckv::fuzz {
namespace {

using data::TokenStore;

constexpr int64_t kMaxRead = 1 << 16;

void check_tokens(const TokenStore& store, const BuiltStore& built) {
  const int64_t tokens = store.info().tokens;
  std::vector<int32_t> ids(static_cast<size_t>(std::min(tokens, kMaxRead)));
  const bool is_read = accepts([&] { store.read(0, ids); });
  require(is_read || !built.is_sound(), "a sound store's tokens are read");
  require(!is_read || !built.is_true() || ids == built.ids(), "tokens are read as written");
  if (is_read) {
    require(std::all_of(ids.begin(), ids.end(),
                        [&](int32_t id) { return id >= 0 && id < store.info().vocab_size; }),
            "tokens are in the vocabulary");
  }
  std::vector<int32_t> last(static_cast<size_t>(std::min<int64_t>(tokens, 3)));
  accepts([&] { store.read(tokens - std::ssize(last), last); });
}

void check_documents(const TokenStore& store, const BuiltStore& built) {
  std::vector<int64_t> starts;
  const bool is_read = accepts([&] { starts = store.document_starts(); });
  require(is_read || !built.is_sound(), "a sound store's documents are read");
  require(!is_read || !built.is_true() || starts == built.starts(),
          "documents are read as written");
  if (!is_read) return;
  require(std::ssize(starts) == store.info().documents + 1 && starts.front() == 0 &&
              starts.back() == store.info().tokens && std::is_sorted(starts.begin(), starts.end()),
          "documents ascend to the number of tokens");
}

void check_use(const TokenStore& store, const BuiltStore& built) {
  check_tokens(store, built);
  check_documents(store, built);
  accepts([&] { store.content_hash(); });
  accepts([&] { store.tokenizer(); });
  accepts([&] { to_text(data::describe(store.path())); });
}

}  // namespace
}  // namespace lckv::fuzz

// HDF5 forgets a few bytes when it refuses a file.
extern "C" const char* __lsan_default_suppressions() { return "leak:libhdf5"; }
extern "C" const char* __lsan_default_options() { return "print_suppressions=0"; }

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // HDF5 clears half a megabyte per file; it is to keep that memory.
  H5set_free_list_limits(-1, -1, -1, -1, -1, -1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lckv::fuzz;
  using lckv::data::TokenStore;
  static const ScratchFolder folder;
  static const std::string path = (folder.path() / "store.h5").string();
  FuzzedDataProvider input(data, size);
  BuiltStore built(input);
  built.write(path);

  std::optional<TokenStore> store;
  const bool is_open = accepts([&] { store.emplace(path); });
  require(is_open || !built.is_sound(), "a sound store is opened");
  const bool is_verified = is_open && accepts([&] { store->verify(); });
  require(is_verified || !built.is_sound() || !built.has_tokenizer(), "a sound store is verified");
  require(!is_verified || !built.is_wrong(), "a wrong store is refused");
  if (is_open) check_use(*store, built);
  return 0;
}
