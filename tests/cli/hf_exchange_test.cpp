#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// "perplexity 12.3456, loss ..."
std::string score_of(const std::string& output) {
  return output.substr(output.find("perplexity"),
                       output.find(" tokens") - output.find("perplexity"));
}

/// A plain Llama as a Hugging Face folder, with a file that only other programs read.
class HfExchange : public testing::Test {
 protected:
  HfExchange() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fresh_folder(std::string("exchange_") + test->name());
    tiny_store(folder_);
    config_ = tiny_run_file(folder_);
    must("train " + config_ + " --set model.layer_types=0_1_2_3_4 --set train.steps=2");
    must("export " + path("run") + " -o " + path("llama") + " --dtype fp32");
    write_file(folder_ / "llama" / "special_tokens_map.json", "{\"bos_token\": \"<s>\"}\n");
  }
  ~HfExchange() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string must(const std::string& arguments) const {
    const Outcome outcome = run_lckv(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << "\n" << outcome.output;
    return outcome.output;
  }
  std::string score(const std::string& model) const {
    return score_of(must("eval " + path(model) + " --perplexity " + path("train.h5") +
                         " --threads 1 --precision fp32 --sequence-tokens 32"));
  }
  void expect_same_files(const std::string& a, const std::string& b) const {
    ASSERT_EQ(files_in(path(a)), files_in(path(b)));
    for (const std::string& name : files_in(path(a))) {
      EXPECT_EQ(content(folder_ / a / name), content(folder_ / b / name)) << name;
    }
  }
  /// What the program says when it refuses; the exit code must be `exit_code`.
  std::string refusal(const std::string& arguments, int exit_code) const {
    const Outcome outcome = run_lckv(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.output;
    return outcome.output;
  }

  fs::path folder_;
  std::string config_;
};

TEST_F(HfExchange, ALlamaBecomesAnotherLayoutFromWhichTrainingStarts) {
  const std::string said = must("import " + path("llama") + " -o " + path("lckv") +
                                " --layer-types 0_3_3_3_4 --forward-passes 2 --kv average");
  EXPECT_THAT(
      said, AllOf(HasSubstr("as fp32 in 1 file"), HasSubstr("layer_types 0_3_3_3_4, m = 2, b = 2"),
                  HasSubstr("; keys and values of 1 layer are means; "),
                  HasSubstr("special_tokens_map.json, tokenizer_config.json")));
  EXPECT_EQ(content(folder_ / "lckv" / "special_tokens_map.json"), "{\"bos_token\": \"<s>\"}\n");
  EXPECT_THAT(content(folder_ / "lckv" / "config.json"),
              AllOf(HasSubstr("\"layer_types\": \"0_3_3_3_4\""), HasSubstr("\"lckv-llama\"")));
  const std::string imported = score("lckv");

  // Steps too small to change a weight: what is saved is what was imported, whatever the precision.
  for (const char* const precision : {"fp32", "bf16"}) {
    must("train " + config_ + " --init-from " + path("lckv") +
         " --set train.steps=1 --set output=" + path(precision) +
         " --set optimizer.lr=1e-30 --set train.precision=" + precision);
    must("export " + path(precision) + " -o " + path(precision) + "_hf --dtype fp32");
    EXPECT_EQ(content(path(precision) + "_hf/model.safetensors"),
              content(folder_ / "lckv" / "model.safetensors"));
  }
  EXPECT_EQ(score("fp32"), imported);
}

TEST_F(HfExchange, ARunFileNamesTheLayoutToo) {
  must("import " + path("llama") + " -o " + path("by_options") +
       " --layer-types 0_3_3_3_4 --forward-passes 2");
  must("import " + path("llama") + " -o " + path("by_file") + " --config " + config_);
  expect_same_files("by_options", "by_file");
}

TEST_F(HfExchange, AFolderIsDividedAndPutTogetherAgain) {
  EXPECT_THAT(must("export " + path("llama") + " -o " + path("many") + " --shard-bytes 20KB"),
              AllOf(HasSubstr("as fp32"), HasSubstr("as they were: special_tokens_map.json")));
  EXPECT_THAT(files_in(path("many")),
              IsSupersetOf({"model.safetensors.index.json", "special_tokens_map.json"}));
  EXPECT_GT(files_in(path("many")).size(), 6u);
  EXPECT_EQ(score("many"), score("llama"));
  must("export " + path("many") + " -o " + path("one"));
  expect_same_files("one", "llama");
  EXPECT_THAT(must("import " + path("many") + " -o " + path("same") + " --layer-types 0_1_2_3_4"),
              HasSubstr(": a plain Llama; as they were: "));
  expect_same_files("same", "llama");
  EXPECT_THAT(must("export " + path("llama") + " -o " + path("half") + " --dtype bf16"),
              HasSubstr("as bf16"));
  EXPECT_NEAR(static_cast<double>(fs::file_size(path("half") + "/model.safetensors")),
              static_cast<double>(fs::file_size(path("llama") + "/model.safetensors")) / 2, 5000);
}

TEST_F(HfExchange, WhatDoesNotFitIsRefusedAndLeavesNothing) {
  const std::string import = "import " + path("llama") + " -o " + path("out");
  EXPECT_THAT(refusal(import, 2), HasSubstr("--layer-types and --config"));
  EXPECT_THAT(refusal(import + " --layer-types 0_1 --config " + config_, 2), HasSubstr("--config"));
  EXPECT_THAT(refusal(import + " --layer-types 0_7_7_7_4 --backward-passes 0", 3),
              AllOf(HasSubstr("layer_types"), HasSubstr("backward_passes")));
  EXPECT_THAT(refusal(import + " --layer-types 0_3_3_3", 3), HasSubstr("layer_types"));
  EXPECT_THAT(refusal(import + " --layer-types 0_3_3_3_4 --dtype fp16", 2), HasSubstr("fp16"));
  for (const char* const size : {"0", "-1", "5XB", "much"}) {
    EXPECT_THAT(refusal(import + " --layer-types 0_3_3_3_4 --shard-bytes " + size, 2),
                HasSubstr("--shard-bytes"));
  }
  for (const std::string& command :
       {"import " + path("llama") + " --layer-types 0_3_3_3_4", "export " + path("run"),
        "tokenize " + config_ + " --tokenizer bytes"}) {
    EXPECT_THAT(refusal(command + " -o ''", 3), HasSubstr("--output: must not be empty"));
  }
  must("import " + path("llama") + " -o " + path("lckv") + " --layer-types 0_3_3_3_4");
  const std::string back =
      refusal("import " + path("lckv") + " -o " + path("out") + " --layer-types 0_1_2_3_4", 4);
  EXPECT_THAT(back, HasSubstr("4 tensors are missing"));
  for (const char* const name :
       {"1.self_attn.k_proj", "1.self_attn.v_proj", "2.self_attn.k_proj", "2.self_attn.v_proj"}) {
    EXPECT_THAT(back, HasSubstr(name));
  }
  EXPECT_THAT(refusal("import " + path("run") + " -o " + path("out") + " --layer-types 0", 4),
              HasSubstr("not a Hugging Face folder"));
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(HfExchange, AnExistingFolderIsReplacedOnlyWhenAsked) {
  const std::string import =
      "import " + path("llama") + " -o " + path("out") + " --layer-types 0_3_3_3_4";
  must(import);
  EXPECT_THAT(refusal(import, 4), HasSubstr("the folder exists"));
  must(import + " --overwrite --dtype bf16");
  EXPECT_THAT(content(folder_ / "out" / "config.json"), HasSubstr("bfloat16"));
  // Onto itself: what is read stays until what is written is whole.
  must("import " + path("llama") + " -o " + path("llama") + " --layer-types 0_3_3_3_4 --overwrite");
  must("import " + path("llama") + " -o " + path("out") +
       " --layer-types 0_3_3_3_4 --overwrite --dtype fp32");
  expect_same_files("llama", "out");
}

}  // namespace
}  // namespace lckv::test
