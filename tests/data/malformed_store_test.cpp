// HDF5 files that are nearly token stores; tests/fuzz/token_store_fuzz.cpp found most of them.
#include <bit>
#include <functional>

#include <gmock/gmock.h>
#include <hdf5.h>

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/data/token_store.h"
#include "test_files.h"

namespace lckv::data {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// A store of 3 tokens in one document, made by HDF5 itself; its parts can be left out and made by
/// the test.
class MalformedStore : public testing::Test {
 protected:
  MalformedStore() : path_(folder_.path("t.h5")) {}

  void create(H5F_libver_t version = H5F_LIBVER_V110) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, version, H5F_LIBVER_V110);
    file_ = H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
  }

  void put_attribute(const char* name, hid_t type, const void* value) const {
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate2(file_, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, value);
    H5Aclose(attribute);
    H5Sclose(space);
  }
  void put(const char* name, int64_t value) const { put_attribute(name, H5T_STD_I64LE, &value); }
  void put(const char* name, const std::string& value) const {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, value.size());
    put_attribute(name, type, value.data());
    H5Tclose(type);
  }

  /// `rows` of an unlimited list, of which those in `stored` are written; `set_up` changes how.
  template <class T>
  void put_list(const char* name, hid_t type, std::vector<T> stored, hsize_t rows,
                const std::function<void(hid_t creation)>& set_up = {}) const {
    const hsize_t count = stored.size(), first = 0, limit = H5S_UNLIMITED, chunk = 4;
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hid_t space = H5Screate_simple(1, &rows, &limit);
    H5Pset_chunk(creation, 1, &chunk);
    if (set_up) set_up(creation);
    const hid_t list = H5Dcreate2(file_, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    const hid_t memory = H5Screate_simple(1, &count, nullptr);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, nullptr, &count, nullptr);
    H5Dwrite(list, type, memory, space, H5P_DEFAULT, stored.data());
    H5Sclose(memory);
    H5Dclose(list);
    H5Sclose(space);
    H5Pclose(creation);
  }

  void put_attributes(int64_t tokens = 3, int64_t documents = 1, int64_t vocab_size = 258) const {
    put("format", "lckv token store");
    put("format_version", 1);
    put("token_count", tokens);
    put("document_count", documents);
    put("vocab_size", vocab_size);
    put("tokenizer_kind", "bytes");
    put("tokenizer_sha256", bytes_tokenizer()->sha256());
    put("bos_id", 256);
    put("eos_id", 257);
    put("documents_checksum",
        std::bit_cast<int64_t>(hash_bytes(starts_.data(), starts_.size() * sizeof(int64_t))));
  }
  void put_tokens() const { put_list("tokens", H5T_STD_U16LE, tokens_, tokens_.size()); }
  void put_documents() const { put_list("documents", H5T_STD_I64LE, starts_, starts_.size()); }
  void put_checksums() const {
    const std::vector<uint64_t> sums = {hash_bytes(tokens_.data(), tokens_.size() * 2)};
    put_list("block_checksums", H5T_STD_U64LE, sums, sums.size());
  }

  /// Closes the file and says why it is refused.
  std::string refusal() {
    H5Fclose(file_);
    const std::string message = message_of<DataError>([&] { TokenStore(path_).verify(); });
    EXPECT_THAT(message, StartsWith(path_ + ": "));
    return message;
  }

  const TempFolder folder_;
  const std::string path_;
  const std::vector<uint16_t> tokens_ = {72, 105, 256};
  const std::vector<int64_t> starts_ = {0, 3};
  hid_t file_ = H5I_INVALID_HID;
};

TEST_F(MalformedStore, IsOneOnlyWhenSomethingIsWrong) {
  create();
  put_attributes();
  put_tokens();
  put_documents();
  put_checksums();
  H5Fclose(file_);
  const TokenStore store(path_);
  store.verify();
  EXPECT_EQ(store.document_starts(), starts_);
}

TEST_F(MalformedStore, OfAnOlderHdf5IsRefusedBecauseItHasNoChecksums) {
  create(H5F_LIBVER_EARLIEST);
  put_attributes();
  put_tokens();
  put_documents();
  put_checksums();
  EXPECT_THAT(refusal(), HasSubstr("superblock version 0, expected 3"));
}

TEST_F(MalformedStore, CannotPromiseTokensThatAreNotStored) {
  const int64_t promised = int64_t{1} << 60;
  create();
  put_attributes(promised);
  put_list("tokens", H5T_STD_U16LE, tokens_, promised);
  put_documents();
  put_list("block_checksums", H5T_STD_U64LE, std::vector<uint64_t>{1}, promised >> 20);
  EXPECT_THAT(refusal(), HasSubstr("dataset tokens has 1152921504606846976 rows, but 8 bytes"));
}

TEST_F(MalformedStore, CannotPromiseSoManyTokensThatTheirBlocksOverflow) {
  create();
  put_attributes(INT64_MAX);
  put_list("tokens", H5T_STD_U16LE, tokens_, INT64_MAX);
  put_documents();
  put_checksums();
  EXPECT_THAT(refusal(), HasSubstr("rows, but 8 bytes are stored"));
}

TEST_F(MalformedStore, CannotPromiseDocumentsThatAreNotStored) {
  const int64_t promised = int64_t{1} << 50;
  create();
  put_attributes(3, promised);
  put_tokens();
  put_list("documents", H5T_STD_I64LE, starts_, promised + 1);
  put_checksums();
  EXPECT_THAT(refusal(), HasSubstr("dataset documents has 1125899906842625 rows, but 32 bytes"));
}

TEST_F(MalformedStore, CannotBlowUpFromAFewBytes) {
  create();
  put_attributes();
  put_list("tokens", H5T_STD_U16LE, tokens_, 3, [](hid_t creation) {
    const hsize_t chunk = hsize_t{1} << 30;
    H5Pset_chunk(creation, 1, &chunk);
    H5Pset_deflate(creation, 9);
    H5Pset_alloc_time(creation, H5D_ALLOC_TIME_INCR);
  });
  put_documents();
  put_checksums();
  EXPECT_THAT(refusal(), HasSubstr("dataset tokens is compressed or filtered"));
}

TEST_F(MalformedStore, CannotReadOtherFilesAsTokens) {
  create();
  put_attributes();
  const hsize_t rows = 3;
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  const hid_t space = H5Screate_simple(1, &rows, nullptr);
  H5Pset_external(creation, "/dev/zero", 0, 6);
  H5Dclose(H5Dcreate2(file_, "tokens", H5T_STD_U16LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
  H5Sclose(space);
  H5Pclose(creation);
  put_documents();
  put_checksums();
  EXPECT_THAT(refusal(), HasSubstr("dataset tokens lies in other files"));
}

TEST_F(MalformedStore, CannotLinkToOtherFiles) {
  create();
  put_attributes();
  H5Lcreate_external("other.h5", "tokens", file_, "tokens", H5P_DEFAULT, H5P_DEFAULT);
  put_documents();
  put_checksums();
  EXPECT_THAT(refusal(), HasSubstr("dataset tokens is a link to elsewhere"));
}

TEST_F(MalformedStore, CannotCountInFractions) {
  create();
  const double one = 1;
  put_attribute("format_version", H5T_IEEE_F64LE, &one);
  put("format", "lckv token store");
  EXPECT_THAT(refusal(), HasSubstr("attribute format_version is not an integer"));
}

TEST_F(MalformedStore, CannotNameItselfAtAnyLength) {
  create();
  put("format", std::string(60000, 'x'));
  EXPECT_THAT(refusal(), HasSubstr("attribute format is a text of 60000 bytes"));
}

TEST_F(MalformedStore, CannotHaveAnotherVocabularyThanItsTokenizer) {
  create();
  put_attributes(3, 1, 300);
  put_tokens();
  put_documents();
  put_checksums();
  EXPECT_THAT(refusal(), HasSubstr("attribute vocab_size is 300, the tokenizer stored in it has "
                                   "258"));
}

// SentencePiece throws what is no error of ours for a piece of no length.
TEST(SentencePieceModel, WithAnEmptyPieceIsRefused) {
  constexpr std::string_view kModel(
      "\n\016\n\005\342\226>s\201\025\0\0\0\0\030\002\n\014\n\n\0\0\0\0\0\0\0\0360\0", 30);
  EXPECT_THAT(
      message_of<DataError>([&] { sentencepiece_tokenizer(std::string(kModel), "m.model"); }),
      HasSubstr("m.model: not a SentencePiece model (30 bytes; "));
}

}  // namespace
}  // namespace lckv::data
