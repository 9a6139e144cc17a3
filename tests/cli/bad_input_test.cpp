#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"

// What a user sees: one clear message, the documented exit code, nothing half-written.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct BadText {
  std::string name;
  std::string file;
  std::string content;
  std::string message;
};

class BadTextTest : public testing::TestWithParam<BadText> {};

TEST_P(BadTextTest, IsRefusedWithFileAndPlaceAndNothingIsWritten) {
  const fs::path folder = fresh_folder("text_" + GetParam().name);
  write_file(folder / GetParam().file, GetParam().content);
  const Outcome outcome = run_lckv("tokenize " + (folder / GetParam().file).string() +
                                   " --tokenizer bytes -o " + (folder / "out.h5").string());
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr(GetParam().file));
  EXPECT_THAT(outcome.output, HasSubstr(GetParam().message));
  EXPECT_THAT(files_in(folder), ElementsAre(GetParam().file));
}

INSTANTIATE_TEST_SUITE_P(
    Files, BadTextTest,
    testing::Values(BadText{"empty", "a.txt", "", "empty"},
                    BadText{"binary", "a.txt", std::string("text\0more", 9), "NUL"},
                    BadText{"not_utf8", "a.txt", "good\nbad \xff\xfe here", "UTF-8"},
                    BadText{"broken_json", "a.jsonl", "{\"text\": \"x\"}\n{\"text\": \n", "2"},
                    BadText{"no_field", "a.jsonl", "{\"txt\": \"x\"}\n", "text"},
                    BadText{"cut_gzip", "a.txt.gz",
                            std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x4c", 12),
                            "a.txt.gz"}),
    [](const auto& test) { return test.param.name; });

TEST(BadStore, TruncatedForeignAndMismatchedStoresAreRefused) {
  const fs::path folder = fresh_folder("store");
  ASSERT_EQ(tiny_store(folder).exit_code, 0);
  const std::string config = tiny_run_file(folder);
  const std::string store = (folder / "train.h5").string();
  const std::string good = [&] {
    std::ifstream file(store, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();

  write_file(store, good.substr(0, good.size() / 2));
  Outcome outcome = run_lckv("train " + config);
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("train.h5"));

  write_file(store, "this is not HDF5");
  outcome = run_lckv("inspect " + store);
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("HDF5"));

  write_file(store, good);
  outcome = run_lckv("train " + config + " --set model.vocab_size=200");
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("258"));
  EXPECT_THAT(outcome.output, HasSubstr("200"));
  EXPECT_FALSE(fs::exists(folder / "run"));

  fs::remove(store);
  outcome = run_lckv("train " + config);
  EXPECT_EQ(outcome.exit_code, 5) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("train.h5"));
}

TEST(BadStore, ValidationOfAnotherTokenizerIsRefusedAlthoughItsVocabularyFits) {
  const fs::path folder = fresh_folder("other_tokenizer");
  ASSERT_EQ(tiny_store(folder).exit_code, 0);
  const std::string config = tiny_run_file(folder);
  const std::string other = (folder / "other.h5").string();
  const Outcome made = run_lckv("tokenize " + (folder / "train.txt").string() + " --tokenizer " +
                                (folder / "v.model").string() +
                                " --train-sentencepiece 300 --documents lines -o " + other);
  ASSERT_EQ(made.exit_code, 0) << made.output;
  Outcome outcome =
      run_lckv("train " + config + " --set model.vocab_size=400 --set data.validation=" + other);
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("another tokenizer"));
  EXPECT_FALSE(fs::exists(folder / "run"));

  ASSERT_EQ(run_lckv("train " + config + " --set model.vocab_size=400").exit_code, 0);
  outcome = run_lckv("eval " + (folder / "run").string() + " --perplexity " + other);
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("another tokenizer"));
}

TEST(BadStore, OneFlippedTokenByteIsFoundByTraining) {
  const fs::path folder = fresh_folder("flipped");
  ASSERT_EQ(tiny_store(folder).exit_code, 0);
  const std::string config = tiny_run_file(folder), store = (folder / "train.h5").string();
  std::fstream file(store, std::ios::binary | std::ios::in | std::ios::out);
  std::string content(std::istreambuf_iterator<char>(file), {});
  // "the cat" as byte tokens of two bytes each
  const size_t at = content.find(std::string("t\0h\0e\0 \0c\0a\0t\0", 14));
  ASSERT_NE(at, std::string::npos);
  file.seekp(static_cast<std::streamoff>(at));
  file.put('T');
  file.close();
  const Outcome outcome = run_lckv("train " + config);
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("checksum"));
}

TEST(BadTarget, ADeviceIsNotReplacedByAFile) {
  const fs::path folder = fresh_folder("pipe");
  write_file(folder / "a.txt", "some text");
  ASSERT_EQ(std::system(("mkfifo " + (folder / "pipe").string()).c_str()), 0);
  const Outcome outcome = run_lckv("tokenize " + (folder / "a.txt").string() +
                                   " --tokenizer bytes -o " + (folder / "pipe").string());
  EXPECT_EQ(outcome.exit_code, 5) << outcome.output;
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
}

TEST(BadConfig, TenMistakesAreReportedAtOnceWithTheirLines) {
  const fs::path folder = fresh_folder("config");
  const std::string path = write_file(folder / "run.yaml", R"(output: run
model:
  hiden_size: 512
  hidden_size: 500
  intermediate_size: -3
  num_hidden_layers: 8
  num_attention_heads: 7
  vocab_size: many
  layer_types: 0_9_6_6_6_6_6_7
  backward_passes: 0
data:
  train: [x.h5]
  sequence_tokens: 1.5
train:
  steps: 10
  precision: fp8
  micro_batch_sequences: 3
optimizer:
  beta1: 1.0
schedule:
  kind: cosin
)");
  const Outcome outcome = run_lckv("train " + path);
  EXPECT_EQ(outcome.exit_code, 3) << outcome.output;
  for (const char* const place :
       {":3:", ":5:", ":7:", ":8:", ":9:", ":10:", ":13:", ":16:", ":19:", ":21:"}) {
    EXPECT_THAT(outcome.output, HasSubstr("run.yaml" + std::string(place))) << place;
  }
  EXPECT_THAT(outcome.output, HasSubstr("hidden_size"));  // the nearest valid key
}

TEST(BadCommandLine, ExitsWithTwo) {
  EXPECT_EQ(run_lckv("trian x").exit_code, 2);
  EXPECT_EQ(run_lckv("train").exit_code, 2);
  EXPECT_EQ(run_lckv("tokenize a --tokenizer bytes").exit_code, 2);
  EXPECT_EQ(run_lckv("--help").exit_code, 0);
}

TEST(BadTokenizer, IsRefused) {
  const fs::path folder = fresh_folder("tokenizer");
  write_file(folder / "a.txt", "some text");
  write_file(folder / "b.model", "not a model");
  const Outcome outcome =
      run_lckv("tokenize " + (folder / "a.txt").string() + " --tokenizer " +
               (folder / "b.model").string() + " -o " + (folder / "c.h5").string());
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("b.model"));
  EXPECT_FALSE(fs::exists(folder / "c.h5"));
}

TEST(BadWeights, DamagedOrWrongSafetensorsAreRefusedBeforeTraining) {
  const fs::path folder = fresh_folder("weights");
  ASSERT_EQ(tiny_store(folder).exit_code, 0);
  const std::string config = tiny_run_file(folder);
  ASSERT_EQ(run_lckv("train " + config).exit_code, 0);
  const std::string hf = (folder / "hf").string();
  ASSERT_EQ(
      run_lckv("export " + (folder / "run").string() + " -o " + hf + " --dtype fp32").exit_code, 0);
  const std::string start =
      " --set train.init_from=" + hf + " --set output=" + (folder / "other").string();

  Outcome outcome = run_lckv("train " + config + start + " --set model.intermediate_size=64");
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("gate_proj"));
  EXPECT_THAT(outcome.output, HasSubstr("[48, 32]"));
  EXPECT_THAT(outcome.output, HasSubstr("[64, 32]"));

  outcome = run_lckv("train " + config + start + " --set model.layer_types=0_3_3_3_3");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;  // layer 4's K,V are dropped: copy
  fs::remove_all(folder / "other");
  outcome = run_lckv("train " + config + start + " --set model.layer_types=0_1_3_3_4");
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("model.layers.1.self_attn.k_proj.weight"));

  const std::string file = hf + "/model.safetensors";
  fs::resize_file(file, fs::file_size(file) - 100);
  outcome = run_lckv("train " + config + start);
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("model.safetensors"));
  write_file(file, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  outcome = run_lckv("train " + config + start);
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  // Nothing is left but the page that says why.
  EXPECT_THAT(files_in(folder / "other"), testing::ElementsAre("status.json"));
}

TEST(FullDisk, TokenizingLeavesNothing) {
  const fs::path folder = fresh_folder("disk");
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "word" + std::to_string(i) + "\n";
  write_file(folder / "big.txt", text);
  // A limit on file size is how a full disk looks to a program that ignores SIGXFSZ.
  const Outcome outcome = run_lckv("tokenize " + (folder / "big.txt").string() +
                                       " --tokenizer bytes -o " + (folder / "out.h5").string(),
                                   "trap '' XFSZ; ulimit -f 200;");
  EXPECT_EQ(outcome.exit_code, 5) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("out.h5"));
  EXPECT_THAT(files_in(folder), ElementsAre("big.txt"));
}

TEST(CtrlC, WhileTokenizingLeavesNothing) {
  const fs::path folder = fresh_folder("ctrlc");
  const std::string line(1000, 'x');
  {
    std::ofstream out(folder / "big.txt");
    for (int i = 0; i < 300000; ++i) out << line << "\n";
  }
  const auto writing = [&] { return files_in(folder).size() > 1; };  // its temporary is there
  const Outcome outcome =
      run_and_signal("tokenize " + (folder / "big.txt").string() + " --tokenizer bytes -o " +
                         (folder / "out.h5").string(),
                     SIGINT, writing, folder.string() + ".log");
  EXPECT_EQ(outcome.exit_code, 130) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("interrupted"));
  EXPECT_THAT(files_in(folder), ElementsAre("big.txt"));
  fs::remove_all(folder);
}

class StopSignal : public testing::TestWithParam<int> {};

TEST_P(StopSignal, WhileTrainingSavesAndExitsWithTheRequeueCode) {
  const fs::path folder = fresh_folder("stop_" + std::to_string(GetParam()));
  ASSERT_EQ(tiny_store(folder).exit_code, 0);
  const std::string config = tiny_run_file(folder);
  const fs::path metrics = folder / "run" / "metrics.jsonl";
  const auto training = [&] { return fs::exists(metrics) && fs::file_size(metrics) > 0; };
  const Outcome stopped = run_and_signal("train " + config + " --set train.steps=1000000",
                                         GetParam(), training, folder / "log");
  EXPECT_EQ(stopped.exit_code, 75) << stopped.output;
  EXPECT_THAT(stopped.output, HasSubstr("saved state of step"));
  for (const std::string& name : files_in(folder / "run")) {
    EXPECT_THAT(name, Not(HasSubstr("tmp")));
  }
}

INSTANTIATE_TEST_SUITE_P(Signals, StopSignal, testing::Values(SIGINT, SIGTERM, SIGUSR1));

TEST(CtrlC, DeliveredTwiceAtOnceIsOneCtrlC) {
  const fs::path folder = fresh_folder("twice");
  ASSERT_EQ(tiny_store(folder).exit_code, 0);
  const std::string config = tiny_run_file(folder);
  const Outcome stopped = run_lckv("train " + config + " --set train.steps=1000000",
                                   "timeout --preserve-status -s INT 2");  // child, then its group
  EXPECT_EQ(stopped.exit_code, 75) << stopped.output;
}

}  // namespace
}  // namespace lckv::test
