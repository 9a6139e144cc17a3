#include "lckv/data/token_store.h"

#include <csignal>
#include <numeric>
#include <random>

#include <gmock/gmock.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/describe.h"
#include "lckv/data/sha256.h"
#include "test_files.h"

namespace lckv::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A tokenizer of any vocabulary size, for the writer.
class Numbers : public Tokenizer {
 public:
  explicit Numbers(int32_t vocab_size) : vocab_size_(vocab_size) {}
  std::string kind() const override { return "numbers"; }
  std::string sha256() const override { return sha256_hex(std::to_string(vocab_size_)); }
  std::string_view model_bytes() const override { return {}; }
  int32_t vocab_size() const override { return vocab_size_; }
  std::optional<int32_t> bos_id() const override { return std::nullopt; }
  std::optional<int32_t> eos_id() const override { return 3; }
  std::vector<int32_t> encode(std::string_view) const override { return {}; }
  std::vector<int32_t> encode_after_newline(std::string_view) const override { return {}; }
  bool can_split_at_newline() const override { return false; }
  std::string decode(std::span<const int32_t>) const override { return ""; }
  std::string piece(int32_t id) const override { return std::to_string(id); }

 private:
  int32_t vocab_size_;
};

std::vector<int32_t> random_ids(int64_t count, int32_t vocab_size) {
  std::mt19937 random(7);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint32_t>(vocab_size));
  return ids;
}

void write_ids(const std::string& path, const Tokenizer& tokenizer,
               const std::vector<int32_t>& ids) {
  TokenStoreWriter writer(path, tokenizer);
  writer.begin_document();
  writer.append(ids);
  writer.commit();
}

class TokenStoreRoundTrip : public testing::TestWithParam<int32_t> {};

TEST_P(TokenStoreRoundTrip, GivesBackWhatWasWritten) {
  const TempFolder folder;
  const Numbers tokenizer(GetParam());
  const int64_t count = kBlockTokens + 12345;
  const auto ids = random_ids(count, tokenizer.vocab_size());
  std::vector<int64_t> starts = {0};
  {
    TokenStoreWriter writer(folder.path("t.h5"), tokenizer);
    int64_t at = 0;
    for (int64_t length : {int64_t{5}, int64_t{0}, int64_t{70000}, count - 70005}) {
      writer.begin_document();
      writer.append(std::span(ids).subspan(static_cast<size_t>(at), static_cast<size_t>(length)));
      starts.push_back(at += length);
    }
    EXPECT_EQ(writer.token_count(), count);
    writer.commit();
  }
  EXPECT_THAT(folder.names(), testing::ElementsAre("t.h5"));

  const TokenStore store(folder.path("t.h5"));
  EXPECT_EQ(store.info().tokens, count);
  EXPECT_EQ(store.info().documents, 4);
  EXPECT_EQ(store.info().vocab_size, GetParam());
  EXPECT_EQ(store.info().bos_id, -1);
  EXPECT_EQ(store.info().eos_id, 3);
  EXPECT_EQ(store.document_starts(), starts);
  std::vector<int32_t> all(static_cast<size_t>(count));
  store.read(0, all);
  EXPECT_EQ(all, ids);
  std::mt19937 random(3);
  for (int i = 0; i < 50; ++i) {
    const int64_t first = static_cast<int64_t>(random() % static_cast<uint64_t>(count - 3000));
    std::vector<int32_t> slice(1 + random() % 3000);
    store.read(first, slice);
    ASSERT_TRUE(std::equal(slice.begin(), slice.end(), ids.begin() + first)) << first;
  }
}

INSTANTIATE_TEST_SUITE_P(TwoAndFourBytes, TokenStoreRoundTrip,
                         testing::Values(4, 65536, 65537, 200000));

TEST(TokenStore, UsesTwoBytesUpTo65536Tokens) {
  const TempFolder folder;
  write_ids(folder.path("two.h5"), Numbers(65536), {65535, 0});
  write_ids(folder.path("four.h5"), Numbers(65537), {65536, 0});
  const auto bytes_of = [&](const char* name) {
    const hid_t file = H5Fopen(folder.path(name).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    const hid_t tokens = H5Dopen2(file, "tokens", H5P_DEFAULT);
    const hid_t type = H5Dget_type(tokens);
    const size_t bytes = H5Tget_size(type);
    H5Tclose(type);
    H5Dclose(tokens);
    H5Fclose(file);
    return bytes;
  };
  EXPECT_EQ(bytes_of("two.h5"), 2u);
  EXPECT_EQ(bytes_of("four.h5"), 4u);
}

TEST(TokenStore, HasNoNameBeforeItIsComplete) {
  const TempFolder folder;
  {
    TokenStoreWriter writer(folder.path("t.h5"), Numbers(10));
    writer.begin_document();
    writer.append(random_ids(2 * kBlockTokens, 10));
    EXPECT_FALSE(std::filesystem::exists(folder.path("t.h5")));
    EXPECT_EQ(folder.names().size(), 1u);
  }
  EXPECT_TRUE(folder.names().empty());
}

TEST(TokenStore, AnUnfinishedSuccessorLeavesTheOldOneAlone) {
  const TempFolder folder;
  write_store(folder.path("t.h5"), {"old"});
  const std::string before = read_file(folder.path("t.h5"));
  {
    TokenStoreWriter writer(folder.path("t.h5"), Numbers(10));
    writer.begin_document();
    writer.append(random_ids(100, 10));
  }
  EXPECT_TRUE(read_file(folder.path("t.h5")) == before);
}

TEST(TokenStore, EqualContentGivesEqualFiles) {
  const TempFolder folder;
  write_store(folder.path("a.h5"), {"one", "two"});
  ::sleep(1);  // a time stamp inside would differ
  write_store(folder.path("b.h5"), {"one", "two"});
  EXPECT_TRUE(read_file(folder.path("a.h5")) == read_file(folder.path("b.h5")));
}

TEST(TokenStore, RefusesToHoldNothing) {
  const TempFolder folder;
  TokenStoreWriter writer(folder.path("t.h5"), Numbers(10));
  EXPECT_THROW(writer.commit(), DataError);
}

TEST(TokenStore, RefusesAFolderThatIsNotThere) {
  const TempFolder folder;
  EXPECT_THAT(message_of<IoError>([&] { TokenStoreWriter(folder.path("no/t.h5"), Numbers(10)); }),
              HasSubstr("no/t.h5"));
}

// Runs the writer in a child whose files may not grow beyond `limit_bytes`: what a full disk looks
// like. The child ends through exit(), so that HDF5 shuts down as in a real program.
int write_with_limit(const std::string& path, rlim_t limit_bytes) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{limit_bytes, limit_bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 0;
    try {
      write_ids(path, Numbers(1000), random_ids(kBlockTokens + 300000, 1000));
    } catch (const IoError&) {
      code = 5;
    } catch (...) {
      code = 99;
    }
    std::exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(TokenStore, LeavesNothingWhenTheDiskIsFull) {
  const TempFolder folder;
  const rlim_t whole = 64 << 20;
  ASSERT_EQ(write_with_limit(folder.path("t.h5"), whole), 0);
  const auto size = static_cast<rlim_t>(std::filesystem::file_size(folder.path("t.h5")));
  std::filesystem::remove(folder.path("t.h5"));
  for (const rlim_t limit : {rlim_t{0}, rlim_t{100}, rlim_t{3000}, size / 10, size / 3, size / 2,
                             size - 100000, size - 3000, size - 100, size - 1}) {
    EXPECT_EQ(write_with_limit(folder.path("t.h5"), limit), 5)
        << limit << " of " << size << " bytes";
    EXPECT_TRUE(folder.names().empty()) << limit << " of " << size << " bytes";
  }
}

TEST(TokenStore, RefusesAFileThatIsMissing) {
  EXPECT_THAT(message_of<IoError>([] { TokenStore("nowhere/t.h5"); }), HasSubstr("nowhere/t.h5"));
}

TEST(TokenStore, RefusesAFileThatIsNotHdf5) {
  const TempFolder folder;
  for (const char* content : {"", "plain text", "\x89HDF\r\n"}) {
    const std::string path = folder.write("t.h5", content);
    EXPECT_THAT(message_of<DataError>([&] { TokenStore store(path); }),
                AllOf(HasSubstr(path), HasSubstr("not an HDF5 file")));
  }
}

TEST(TokenStore, RefusesForeignHdf5) {
  const TempFolder folder;
  const std::string path = folder.path("foreign.h5");
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t rows = 3;
  const hid_t space = H5Screate_simple(1, &rows, nullptr);
  H5Dclose(H5Dcreate2(file, "tokens", H5T_STD_U16LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Sclose(space);
  H5Fclose(file);
  EXPECT_THAT(message_of<DataError>([&] { TokenStore store(path); }),
              AllOf(HasSubstr(path), HasSubstr("not a token store")));
}

void overwrite_attribute(const std::string& path, const char* name, int64_t value) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
  ASSERT_GE(H5Awrite(attribute, H5T_NATIVE_INT64, &value), 0);
  H5Aclose(attribute);
  H5Fclose(file);
}

TEST(TokenStore, RefusesAnotherFormatVersion) {
  const TempFolder folder;
  const std::string path = write_store(folder.path("t.h5"), {"text"});
  overwrite_attribute(path, "format_version", 2);
  EXPECT_THAT(message_of<DataError>([&] { TokenStore store(path); }),
              AllOf(HasSubstr(path), HasSubstr("format 2"), HasSubstr("format 1")));
}

TEST(TokenStore, RefusesAttributesThatContradictTheData) {
  for (const char* name : {"token_count", "document_count", "vocab_size", "bos_id"}) {
    const TempFolder folder;
    const std::string path = write_store(folder.path("t.h5"), {"some text"});
    overwrite_attribute(path, name, 70000);
    EXPECT_THAT(message_of<DataError>([&] { TokenStore store(path); }), HasSubstr(path)) << name;
  }
}

// Changes one row behind the store's back.
void overwrite_row(const std::string& path, const char* dataset, hsize_t row, int64_t value) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t list = H5Dopen2(file, dataset, H5P_DEFAULT);
  const hid_t target = H5Dget_space(list);
  const hsize_t one = 1;
  H5Sselect_hyperslab(target, H5S_SELECT_SET, &row, nullptr, &one, nullptr);
  const hid_t source = H5Screate_simple(1, &one, nullptr);
  ASSERT_GE(H5Dwrite(list, H5T_NATIVE_INT64, source, target, H5P_DEFAULT, &value), 0);
  H5Sclose(source);
  H5Sclose(target);
  H5Dclose(list);
  H5Fclose(file);
}

TEST(TokenStore, RefusesAMovedDocumentStart) {
  const TempFolder folder;
  const std::string path = write_store(folder.path("t.h5"), {"first", "second", "third"});
  overwrite_row(path, "documents", 1, 6);
  const TokenStore store(path);
  EXPECT_THAT(message_of<DataError>([&] { store.document_starts(); }),
              AllOf(HasSubstr(path), HasSubstr("dataset documents"), HasSubstr("checksum")));
  EXPECT_THROW(store.verify(), DataError);
}

TEST(TokenStore, RefusesATokenOutsideTheVocabulary) {
  const TempFolder folder;
  const std::string path =
      write_store(folder.path("t.h5"), {"some text of which one token is replaced"});
  overwrite_row(path, "tokens", 18, 258);
  const TokenStore store(path);
  std::vector<int32_t> ids(20);
  EXPECT_THAT(
      message_of<DataError>([&] { store.read(5, ids); }),
      AllOf(HasSubstr(path), HasSubstr("token 258 at row 18 is outside the vocabulary [0, 258)")));
  // Nothing of the block is trusted, not even the rows beside the damage.
  EXPECT_THROW(store.read(19, std::span(ids).first(10)), DataError);
}

TEST(TokenStore, FindsAFlippedTokenWhenItsBlockIsFirstRead) {
  const TempFolder folder;
  const std::string path =
      write_store(folder.path("t.h5"), {"some text of which one token changes"});
  overwrite_row(path, "tokens", 18, 'Z');  // still inside the vocabulary
  const TokenStore store(path);
  std::vector<int32_t> ids(3);
  EXPECT_THAT(message_of<DataError>([&] { store.read(0, ids); }),
              AllOf(HasSubstr(path), HasSubstr("block 0"), HasSubstr("checksum")));
}

TEST(TokenStore, WriterStopsAtATokenOutsideTheVocabulary) {
  const TempFolder folder;
  TokenStoreWriter writer(folder.path("t.h5"), Numbers(10));
  writer.begin_document();
  EXPECT_THROW(writer.append(std::vector<int32_t>{3, 10}), InternalError);
  EXPECT_THROW(writer.append(std::vector<int32_t>{-1}), InternalError);
}

TEST(TokenStore, RefusesEveryTruncation) {
  const TempFolder folder;
  const std::string path = write_store(folder.path("whole.h5"), {lines_of_words(30), "second"});
  const std::string whole = read_file(path);
  for (const double part : {0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.97, 0.99, 0.999}) {
    const auto length = static_cast<size_t>(part * static_cast<double>(whole.size()));
    const std::string cut = folder.write("cut.h5", std::string_view(whole).substr(0, length));
    EXPECT_THAT(message_of<DataError>([&] { TokenStore(cut).verify(); }), HasSubstr(cut)) << length;
  }
  const std::string cut =
      folder.write("cut.h5", std::string_view(whole).substr(0, whole.size() - 1));
  EXPECT_THAT(message_of<DataError>([&] { TokenStore(cut).verify(); }), HasSubstr("truncated"));
}

TEST(TokenStore, RefusesAnotherTokenizer) {
  const TempFolder folder;
  const TokenStore store(write_store(folder.path("t.h5"), {"text"}));
  store.require_tokenizer(bytes_tokenizer()->sha256(), "model");
  EXPECT_THAT(message_of<DataError>([&] { store.require_tokenizer("abc", "checkpoint step-7"); }),
              AllOf(HasSubstr("t.h5"), HasSubstr("abc"), HasSubstr("checkpoint step-7"),
                    HasSubstr(bytes_tokenizer()->sha256())));
}

TEST(TokenStore, LocatesAFlippedByteInItsBlock) {
  const TempFolder folder;
  const std::string path = folder.path("t.h5");
  const auto ids = random_ids(3 * kBlockTokens, 256);
  write_ids(path, *bytes_tokenizer(), ids);
  TokenStore(path).verify();
  const std::string whole = read_file(path);
  // Find row 2.5 blocks by its content: 8 tokens in a row are unique in random data.
  const std::vector<uint16_t> needle(ids.begin() + 5 * kBlockTokens / 2,
                                     ids.begin() + 5 * kBlockTokens / 2 + 8);
  const size_t at = whole.find(std::string_view(reinterpret_cast<const char*>(needle.data()), 16));
  ASSERT_NE(at, std::string::npos);
  std::string flipped = whole;
  flipped[at] = static_cast<char>(flipped[at] ^ 1);
  folder.write("t.h5", flipped);
  EXPECT_THAT(message_of<DataError>([&] { TokenStore(path).verify(); }),
              AllOf(HasSubstr(path), HasSubstr("dataset tokens"),
                    HasSubstr("block 2 (rows 2097152 to 3145727"), HasSubstr("from byte ")));
}

// What a store tells its readers, or "" when it is refused.
std::string everything_in(const std::string& path) {
  try {
    const TokenStore store(path);
    store.verify();
    const TokenStoreInfo& i = store.info();
    std::vector<int32_t> ids(static_cast<size_t>(i.tokens));
    store.read(0, ids);
    std::string all = format("{} {} {} {} {} {} {}|", i.tokens, i.documents, i.vocab_size,
                             i.tokenizer_kind, i.tokenizer_sha256, i.bos_id, i.eos_id);
    for (const int32_t id : ids) all += std::to_string(id) + " ";
    for (const int64_t start : store.document_starts()) all += std::to_string(start) + " ";
    return all;
  } catch (const DataError&) {
    return "";
  }
}

TEST(TokenStore, EveryFlippedByteIsRefusedOrHarmless) {
  const TempFolder folder;
  const std::string path = write_store(folder.path("t.h5"), {lines_of_words(5), "second", "third"});
  const std::string whole = read_file(path);
  const std::string truth = everything_in(path);
  int refused = 0;
  size_t last = 0;  // flipped before, to be put right
  for (size_t at = 0; at < whole.size(); at += at < 8192 || at + 4096 > whole.size() ? 7 : 4099) {
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(whole[at] ^ 0x11));
      if (at > 0) file.seekp(static_cast<std::streamoff>(last)).put(whole[last]);
      last = at;
    }
    const std::string seen = everything_in(path);
    EXPECT_TRUE(seen.empty() || seen == truth) << "byte " << at << " changed what is read";
    refused += seen.empty() ? 1 : 0;
  }
  EXPECT_GT(refused, 100);
}

TEST(TokenStore, VerificationCanBeInterrupted) {
  const TempFolder folder;
  const TokenStore store(write_store(folder.path("t.h5"), {"text"}));
  const std::atomic<bool> stop = true;
  EXPECT_THROW(store.verify(&stop), Interrupted);
}

TEST(Describe, NamesTheFacts) {
  const TempFolder folder;
  const std::string path = write_store(folder.path("t.h5"), {"a\nb", "", "four"});
  const StoreFacts facts = describe(path);
  EXPECT_EQ(facts.info.tokens, 7);
  EXPECT_EQ(facts.bytes_per_token, 2);
  EXPECT_EQ(facts.shortest_document_tokens, 0);
  EXPECT_EQ(facts.longest_document_tokens, 4);
  EXPECT_DOUBLE_EQ(facts.mean_document_tokens, 7.0 / 3);
  EXPECT_EQ(facts.beginning, "a\\nbfour");
  EXPECT_EQ(facts.file_bytes, static_cast<int64_t>(std::filesystem::file_size(path)));
  EXPECT_THAT(to_text(facts), AllOf(HasSubstr("bytes, SHA-256"), HasSubstr("BOS 256")));
}

}  // namespace
}  // namespace lckv::data
