#include "lckv/data/tokenize.h"

#include <gmock/gmock.h>
#include <hdf5.h>

#include "lckv/base/error.h"
#include "lckv/base/process.h"
#include "lckv/data/train_sentencepiece.h"
#include "test_files.h"

namespace lckv::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int32_t> tokens_of(const std::string& path) {
  const TokenStore store(path);
  std::vector<int32_t> ids(static_cast<size_t>(store.info().tokens));
  store.read(0, ids);
  return ids;
}

std::string jsonl_corpus(int documents) {
  std::string text;
  for (int i = 0; i < documents; ++i) {
    std::string body = lines_of_words(1 + i * 7 % 40, static_cast<uint64_t>(i));
    for (size_t at = 0; (at = body.find('\n', at)) != body.npos; at += 2)
      body.replace(at, 1, "\\n");
    text += "{\"text\":\"" + body + "\"}\n";
  }
  return text;
}

TEST(Tokenize, PutsBosInFrontOfEveryDocumentByDefault) {
  const TempFolder folder;
  const std::string corpus =
      folder.write("a.jsonl", "{\"text\":\"ab\"}\n{\"text\":\"\"}\n{\"text\":\"c\"}\n");
  const auto summary = tokenize({corpus}, *bytes_tokenizer(), folder.path("t.h5"), {});
  EXPECT_THAT(tokens_of(folder.path("t.h5")), ElementsAre(256, 'a', 'b', 256, 256, 'c'));
  EXPECT_THAT(TokenStore(folder.path("t.h5")).document_starts(), ElementsAre(0, 3, 4, 6));
  EXPECT_EQ(summary.files, 1);
  EXPECT_EQ(summary.documents, 3);
  EXPECT_EQ(summary.tokens, 6);
  EXPECT_EQ(summary.text_bytes, 3);
}

TEST(Tokenize, MatchesTheWorkedExampleOfTheFormat) {
  const TempFolder folder;
  const std::string corpus =
      folder.write("a.jsonl", "{\"text\": \"Hi\"}\n{\"text\": \"\"}\n{\"text\": \"yo\\n\"}\n");
  tokenize({corpus}, *bytes_tokenizer(), folder.path("t.h5"), {});
  const hid_t file = H5Fopen(folder.path("t.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const auto read_u64 = [&](const char* name) {
    std::vector<uint64_t> values;
    const hid_t list = H5Dopen2(file, name, H5P_DEFAULT);
    const hid_t space = H5Dget_space(list);
    values.resize(static_cast<size_t>(H5Sget_simple_extent_npoints(space)));
    EXPECT_GE(H5Dread(list, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
    H5Sclose(space);
    H5Dclose(list);
    return values;
  };
  EXPECT_THAT(read_u64("tokens"), ElementsAre(256, 72, 105, 256, 256, 121, 111, 10));
  EXPECT_THAT(read_u64("documents"), ElementsAre(0, 3, 4, 8));
  EXPECT_THAT(read_u64("block_checksums"), ElementsAre(0x5875e552712c9291u));
  int64_t documents_checksum = 0;
  const hid_t attribute = H5Aopen(file, "documents_checksum", H5P_DEFAULT);
  EXPECT_GE(H5Aread(attribute, H5T_NATIVE_INT64, &documents_checksum), 0);
  EXPECT_EQ(documents_checksum, 0x3ef91d1878fd1250);
  H5Aclose(attribute);
  H5Fclose(file);
  EXPECT_EQ(bytes_tokenizer()->sha256(),
            "b8238d10d4ed7447c3b4709c30f220954fb3e68a47ec44e6e1fa0e026901cd8a");
}

TEST(Tokenize, PutsEosOnlyWhenAsked) {
  const TempFolder folder;
  const std::string corpus = folder.write("a.jsonl", "{\"text\":\"ab\"}\n{\"text\":\"c\"}\n");
  TokenizeOptions options;
  options.bos = false;
  options.eos = true;
  tokenize({corpus}, *bytes_tokenizer(), folder.path("t.h5"), options);
  EXPECT_THAT(tokens_of(folder.path("t.h5")), ElementsAre('a', 'b', 257, 'c', 257));
}

TEST(Tokenize, StoreDoesNotDependOnThreadsQueueOrPieces) {
  const TempFolder folder;
  folder.write("corpus/a.jsonl", jsonl_corpus(100));
  folder.write("corpus/b.txt", lines_of_words(6000));
  folder.write("corpus/c.txt.gz", gzipped(lines_of_words(1000, 5)));
  SentencePieceOptions training;
  training.vocab_size = 400;
  train_sentencepiece({folder.path("corpus")}, {}, folder.path("m.model"), training);
  for (const char* spec : {"bytes", "m.model"}) {
    const auto tokenizer = load_tokenizer(spec == std::string("bytes") ? spec : folder.path(spec));
    TokenizeOptions options;
    options.threads = 1;
    options.queue_pieces = 1;
    options.text.piece_bytes = 0;
    tokenize({folder.path("corpus")}, *tokenizer, folder.path("1.h5"), options);
    const std::string expected = read_file(folder.path("1.h5"));
    for (const auto& [threads, queue, piece_bytes] :
         {std::tuple(1, 64, 100000), std::tuple(2, 3, 5000), std::tuple(5, 1, 100),
          std::tuple(5, 32, 1000)}) {
      options.threads = threads;
      options.queue_pieces = queue;
      options.text.piece_bytes = piece_bytes;
      tokenize({folder.path("corpus")}, *tokenizer, folder.path("n.h5"), options);
      EXPECT_TRUE(read_file(folder.path("n.h5")) == expected)
          << spec << " " << threads << " " << queue;
    }
    EXPECT_EQ(TokenStore(folder.path("1.h5")).info().documents, 102);
  }
}

TEST(Tokenize, StoreDecodesToTheText) {
  const TempFolder folder;
  const std::string text = " \tlead\r\n\n👍🏽 end \n";
  tokenize({folder.write("a.txt", text)}, *bytes_tokenizer(), folder.path("t.h5"), {});
  EXPECT_EQ(bytes_tokenizer()->decode(tokens_of(folder.path("t.h5"))), text);
}

TEST(Tokenize, ReportsProgressUpToTheEnd) {
  const TempFolder folder;
  TokenizeProgress last;
  int calls = 0;
  tokenize({folder.write("a.txt", lines_of_words(30000))}, *bytes_tokenizer(), folder.path("t.h5"),
           {}, [&](const TokenizeProgress& progress) {
             EXPECT_GE(progress.bytes_read, last.bytes_read);
             EXPECT_GE(progress.tokens, last.tokens);
             last = progress;
             ++calls;
           });
  EXPECT_GT(calls, 3);
  EXPECT_EQ(last.bytes_read, last.total_bytes);
  EXPECT_EQ(last.total_bytes,
            static_cast<int64_t>(std::filesystem::file_size(folder.path("a.txt"))));
}

TEST(Tokenize, StopFlagLeavesNothing) {
  const TempFolder folder;
  const std::string corpus = folder.write("a.txt", lines_of_words(100000));
  std::atomic<bool> stop = false;
  TokenizeOptions options;
  options.queue_pieces = 4;
  EXPECT_THROW(
      tokenize(
          {corpus}, *bytes_tokenizer(), folder.path("t.h5"), options,
          [&](const TokenizeProgress& progress) { stop = progress.tokens > 300000; }, &stop),
      Interrupted);
  EXPECT_THAT(folder.names(), ElementsAre("a.txt"));
}

TEST(Tokenize, BadTextAtTheEndLeavesNothing) {
  const TempFolder folder;
  folder.write("c/a.txt", lines_of_words(20000));
  folder.write("c/b.txt", lines_of_words(20000) + "\xFF");
  for (const int threads : {1, 5}) {
    TokenizeOptions options;
    options.threads = threads;
    EXPECT_THAT(message_of<DataError>([&] {
                  tokenize({folder.path("c")}, *bytes_tokenizer(), folder.path("t.h5"), options);
                }),
                HasSubstr("b.txt: line 20001"));
    EXPECT_THAT(folder.names(), ElementsAre("c"));
  }
}

TEST(Tokenize, SplitsDocumentsIntoTrainingAndValidation) {
  const TempFolder folder;
  const std::string corpus = folder.write("a.jsonl", jsonl_corpus(1000));
  tokenize({corpus}, *bytes_tokenizer(), folder.path("all.h5"), {});
  TokenizeOptions options;
  options.validation_frac = 0.1;
  options.validation_output = folder.path("valid.h5");
  const auto summary = tokenize({corpus}, *bytes_tokenizer(), folder.path("train.h5"), options);
  EXPECT_EQ(summary.documents + summary.validation_documents, 1000);
  EXPECT_NEAR(static_cast<double>(summary.validation_documents), 100,
              5 * 9.5);  // 5 binomial deviations
  auto together = tokens_of(folder.path("train.h5"));
  auto rest = tokens_of(folder.path("valid.h5"));
  together.insert(together.end(), rest.begin(), rest.end());
  auto all = tokens_of(folder.path("all.h5"));
  std::sort(together.begin(), together.end());
  std::sort(all.begin(), all.end());
  EXPECT_TRUE(together == all);

  const std::string first = read_file(folder.path("valid.h5"));
  tokenize({corpus}, *bytes_tokenizer(), folder.path("train.h5"), options);
  EXPECT_TRUE(read_file(folder.path("valid.h5")) == first);
  options.seed = 43;
  tokenize({corpus}, *bytes_tokenizer(), folder.path("train.h5"), options);
  EXPECT_FALSE(read_file(folder.path("valid.h5")) == first);
}

TEST(Tokenize, RefusesOptionsThatContradict) {
  const TempFolder folder;
  const std::string corpus = folder.write("a.txt", "text");
  const auto run = [&](auto change) {
    TokenizeOptions options;
    change(options);
    return message_of<ConfigError>(
        [&] { tokenize({corpus}, *bytes_tokenizer(), folder.path("t.h5"), options); });
  };
  EXPECT_THAT(run([](auto& o) { o.threads = -1; }), HasSubstr("threads is -1"));
  EXPECT_THAT(run([](auto& o) { o.queue_pieces = 0; }), HasSubstr("queue_pieces is 0"));
  EXPECT_THAT(run([](auto& o) { o.validation_frac = 1; }), HasSubstr("validation_frac is 1"));
  EXPECT_THAT(run([](auto& o) { o.validation_frac = 0.1; }), HasSubstr("validation_output"));
  EXPECT_THAT(folder.names(), ElementsAre("a.txt"));
}

TEST(Tokenize, SaysWhenNoDocumentWouldBeValidation) {
  const TempFolder folder;
  TokenizeOptions options;
  options.validation_frac = 0.001;
  options.validation_output = folder.path("v.h5");
  EXPECT_THAT(message_of<DataError>([&] {
                tokenize({folder.write("a.txt", "text")}, *bytes_tokenizer(), folder.path("t.h5"),
                         options);
              }),
              HasSubstr("validation_frac"));
  EXPECT_THAT(folder.names(), ElementsAre("a.txt"));
}

TEST(Tokenize, MemoryDoesNotGrowWithTheText) {
  const TempFolder folder;
  std::string text = lines_of_words(100000);
  const std::string corpus = folder.path("big.txt");
  {
    std::ofstream file(corpus, std::ios::binary);
    while (file.tellp() < 60'000'000) file << text;
  }
  text = {};
  TokenizeOptions options;
  options.threads = 2;
  options.queue_pieces = 8;
  const int64_t before = resident_bytes();
  int64_t peak = before;
  tokenize({corpus}, *bytes_tokenizer(), folder.path("t.h5"), options,
           [&](const TokenizeProgress&) { peak = std::max(peak, resident_bytes()); });
  // 8 pieces of 128 KiB as text and as 4-byte ids, and those being copied: below 10 MB; one block
  // of 2^20 tokens as 4-byte and as 2-byte ids: 6 MB; thread stacks and buffers. The text as ids
  // alone would be 240 MB.
  EXPECT_LT(peak - before, 40'000'000);
}

}  // namespace
}  // namespace lckv::data
