#include "lckv/train/hf_tokenizer.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>

#include "lckv/config/model.h"

namespace lckv::train {
namespace {

using testing::HasSubstr;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::filesystem::path kTokenizers = LCKV_SOURCE_DIR "/tests/data/tokenizers";

TEST(HfTokenizerFiles, ATokenizerJsonIsExportedAsItIsAndFoundAgain) {
  const std::string json = text_of(kTokenizers / "gpt2.tokenizer.json");
  const auto tokenizer = data::huggingface_tokenizer(json, "t.json", {.bos = 0, .eos = 0});
  const HfFiles files = hf_tokenizer_files(*tokenizer, {});
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files.at("tokenizer.json"), json);
  EXPECT_THAT(files.at("tokenizer_config.json"), HasSubstr("\"PreTrainedTokenizerFast\""));
  EXPECT_THAT(files.at("tokenizer_config.json"), HasSubstr("\"bos_token\": \"<|endoftext|>\""));

  const auto folder = std::filesystem::path(testing::TempDir()) / "lckv_hf_tokenizer_files";
  std::filesystem::create_directories(folder);
  for (const auto& [name, content] : files)
    std::ofstream(folder / name, std::ios::binary) << content;
  EXPECT_EQ(hf_tokenizer_spec(folder), (folder / "tokenizer.json").string());
  const auto again = data::load_tokenizer(hf_tokenizer_spec(folder));
  EXPECT_EQ(again->sha256(), tokenizer->sha256());
  EXPECT_EQ(again->bos_id(), 0);
  EXPECT_EQ(again->eos_id(), 0);
  std::ofstream(folder / "tokenizer.model") << "x";
  EXPECT_EQ(hf_tokenizer_spec(folder), (folder / "tokenizer.model").string());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace lckv::train
