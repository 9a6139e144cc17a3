#include "lckv/data/token_corpus.h"

#include <gmock/gmock.h>

#include "lckv/base/error.h"
#include "lckv/data/token_store.h"
#include "test_files.h"

namespace lckv::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(TokenCorpus, ReadsSeveralStoresAsOne) {
  const TempFolder folder;
  const std::vector<std::string> parts = {"abc", "defgh", "i", "jklmnopq"};
  std::vector<std::string> paths;
  for (size_t i = 0; i < parts.size(); ++i) {
    paths.push_back(write_store(folder.path(std::to_string(i) + ".h5"),
                                {parts[i].substr(0, 1), parts[i].substr(1)}));
  }
  const TokenCorpus corpus(paths);
  const std::string all = "abcdefghijklmnopq";
  ASSERT_EQ(corpus.token_count(), std::ssize(all));
  for (int64_t first = 0; first <= corpus.token_count(); ++first) {
    for (int64_t end = first; end <= corpus.token_count(); ++end) {
      std::vector<int32_t> ids(static_cast<size_t>(end - first));
      corpus.read(first, ids);
      ASSERT_EQ(bytes_tokenizer()->decode(ids), all.substr(static_cast<size_t>(first), ids.size()));
    }
  }
  EXPECT_THAT(corpus.document_starts(0, 17), ElementsAre(0, 1, 3, 4, 8, 9, 9, 10))
      << "an empty document at 9";
  EXPECT_THAT(corpus.document_starts(1, 9), ElementsAre(1, 3, 4, 8));
  EXPECT_THAT(corpus.document_starts(5, 8), ElementsAre());
}

TEST(TokenCorpus, RefusesStoresOfDifferentTokenizers) {
  const TempFolder folder;
  const std::string a = write_store(folder.path("a.h5"), {"text"});
  class Other : public Tokenizer {
    const std::shared_ptr<const Tokenizer> base_ = bytes_tokenizer();
    std::string kind() const override { return "bytes"; }
    std::string sha256() const override { return "other"; }
    std::string_view model_bytes() const override { return {}; }
    int32_t vocab_size() const override { return 258; }
    std::optional<int32_t> bos_id() const override { return {}; }
    std::optional<int32_t> eos_id() const override { return {}; }
    std::vector<int32_t> encode(std::string_view text) const override {
      return base_->encode(text);
    }
    std::vector<int32_t> encode_after_newline(std::string_view text) const override {
      return encode(text);
    }
    bool can_split_at_newline() const override { return true; }
    std::string decode(std::span<const int32_t> ids) const override { return base_->decode(ids); }
    std::string piece(int32_t id) const override { return base_->piece(id); }
  };
  {
    TokenStoreWriter writer(folder.path("b.h5"), Other());
    writer.begin_document();
    writer.append(std::vector<int32_t>{1, 2});
    writer.commit();
  }
  EXPECT_THAT(message_of<DataError>([&] {
                TokenCorpus({a, folder.path("b.h5")});
              }),
              AllOf(HasSubstr("b.h5"), HasSubstr("a.h5"), HasSubstr("another tokenizer")));
  EXPECT_THROW(TokenCorpus({}), DataError);
}

}  // namespace
}  // namespace lckv::data
