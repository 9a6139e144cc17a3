#include <gmock/gmock.h>

#include "run_file.h"

namespace lckv::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

/// Run files that name another one, `base:`, whose keys lie below their own.
class Base : public RunFiles {
 protected:
  Base() { write("base.yaml", kSmallestRun); }
};

/// On top of base.yaml, `text` alone.
std::string above_base(const std::string& text) { return "base: base.yaml\n" + text; }

TEST_F(Base, KeysOfTheBaseCountAndThoseGivenAgainWin) {
  const RunConfig run =
      load(above_base("output: runs/mine\n"
                      "model: {layer_types: 0_2_2_3}\n"
                      "data: {train: [b.h5, c.h5]}\n"
                      "train: {steps: 20}\n"));
  RunConfig expected = smallest_run();
  expected.output = "runs/mine";
  expected.model.layer_types = "0_2_2_3";
  expected.data.train = {"b.h5", "c.h5"};  // not a.h5 as well: a list is one value
  expected.train.steps = 20;
  EXPECT_EQ(to_yaml(run), to_yaml(expected));
}

TEST_F(Base, NullInTheFileUnsetsWhatTheBaseSets) {
  write("base.yaml", with("model", "layer_types: 0_2_2_3"));
  EXPECT_EQ(load(above_base("output: x\n")).model.layer_types, "0_2_2_3");
  EXPECT_EQ(load(above_base("output: x\nmodel: {layer_types: null}\n")).model.layer_types, "");
}

TEST_F(Base, OverridesWinOverBoth) {
  const RunConfig run = load(above_base("output: x\ntrain: {steps: 20}\n"),
                             {"train.steps=30", "model.vocab_size=99"});
  EXPECT_EQ(run.train.steps, 30);
  EXPECT_EQ(run.model.vocab_size, 99);
}

TEST_F(Base, TheResolvedRunHoldsAllAndNeedsNoBase) {
  const RunConfig run = load(above_base("output: x\ntrain: {steps: 20}\n"));
  const std::string resolved = to_yaml(run);
  std::filesystem::remove(folder_ / "base.yaml");
  EXPECT_EQ(to_yaml(load(resolved)), resolved);
  EXPECT_EQ(resolved.find("base"), std::string::npos);
}

TEST_F(Base, IsLookedForBesideTheRunFile) {
  std::filesystem::create_directories(folder_ / "below" / "deep");
  const std::string run = write("below/deep/run.yaml", "base: ../../base.yaml\noutput: x\n");
  EXPECT_EQ(load_run(run).model.hidden_size, 64);
  const std::string absolute =
      write("below/run.yaml", "base: " + (folder_ / "base.yaml").string() + "\noutput: x\n");
  EXPECT_EQ(load_run(absolute).model.hidden_size, 64);
  const std::string text = "base: ../base.yaml\noutput: x\n";
  EXPECT_EQ(parse_run(text, (folder_ / "below" / "text").string()).model.hidden_size, 64);
}

TEST_F(Base, DoesNotLendItsOutputFolder) {
  EXPECT_THAT(mistakes(above_base("train: {steps: 20}\n")),
              ElementsAre("run.yaml:1:1: output: must be given, text that is not empty"));
}

TEST_F(Base, MayBeUnfinishedOrEmpty) {
  write("base.yaml", "model: {hidden_size: 64}\n");
  std::string rest = kSmallestRun;
  rest.erase(rest.find("  hidden_size: 64\n"), 18);
  EXPECT_EQ(to_yaml(load(above_base(rest))), to_yaml(load(kSmallestRun)));
  write("base.yaml", "");
  EXPECT_EQ(to_yaml(load(above_base(kSmallestRun))), to_yaml(load(kSmallestRun)));
}

TEST_F(Base, MistakesAreSaidWhereTheyStand) {
  write("base.yaml", R"(output: runs/base
model:
  hiden_size: 64
  intermediate_size: 1.5
  num_hidden_layers: 4
  num_attention_heads: 4
  num_key_value_heads: 3
  vocab_size: 100
data: {train: a.h5}
)");
  EXPECT_THAT(
      mistakes(above_base("output: x\nmodel: {layer_types: 0_9_2_3}\ntrain: {stepz: 3}\n")),
      ElementsAre(
          "run.yaml:3:22: model.layer_types: layer_types \"0_9_2_3\": entry 1 \"9\" must be a "
          "layer index below num_hidden_layers 4",
          "run.yaml:4:9: train.stepz: unknown key; did you mean train.steps?",
          "base.yaml:3:3: model.hiden_size: unknown key; did you mean model.hidden_size?",
          "base.yaml:4:22: model.intermediate_size: must be an integer in [1, 2147483647], is 1.5",
          "base.yaml:7:24: model.num_key_value_heads: 3 does not divide num_attention_heads 4"));
}

TEST_F(Base, ARuleBetweenTheTwoIsPlacedAtTheKeyThatBreaksIt) {
  write("base.yaml", with("train", "sequences_per_step: 8"));
  EXPECT_THAT(mistakes(above_base("output: x\ntrain:\n  micro_batch_sequences: 3\n")),
              ElementsAre("run.yaml:4:26: train.micro_batch_sequences: 3 does not divide "
                          "sequences_per_step 8"));
  write("base.yaml", with("train", "micro_batch_sequences: 3"));
  EXPECT_THAT(mistakes(above_base("output: x\ntrain:\n  sequences_per_step: 8\n")),
              ElementsAre("base.yaml:11:26: train.micro_batch_sequences: 3 does not divide "
                          "sequences_per_step 8"));
}

TEST_F(Base, AMissingKeyIsPlacedAtTheSectionOfTheFileThatWasGiven) {
  write("base.yaml", "model: {hidden_size: 64}\n");
  std::string rest = kSmallestRun;
  rest.erase(rest.find("  hidden_size: 64\n"), 18);
  rest.erase(rest.find("  steps: 10"), 11);
  EXPECT_THAT(mistakes(above_base(rest)),
              ElementsAre("run.yaml:10:1: train.steps: must be given, an integer >= 1"));
}

TEST_F(Base, ThatIsMissingIsTheOnlyMistakeNamed) {
  EXPECT_THAT(mistakes("output: x\nbase: no.yaml\nmodel: {layer_types: 0_2_2_3}\n"),
              ElementsAre(StartsWith("run.yaml:2:7: base: no.yaml: cannot be read: ")));
  EXPECT_THAT(mistakes("output: x\nbase: .\n"), ElementsAre(StartsWith("run.yaml:2:7: base: ")));
}

TEST_F(Base, ThatIsNoYamlIsTheOnlyMistakeNamed) {
  write("base.yaml", "model: {a: 1\n");
  EXPECT_THAT(mistakes(above_base("output: x\n")), ElementsAre(StartsWith("base.yaml:")));
}

TEST_F(Base, MustBeAPath) {
  for (const char* value : {"[base.yaml]", "{a: b}", "\"\"", ""}) {
    EXPECT_THAT(mistakes(std::string("base: ") + value + "\noutput: x\n"),
                ElementsAre(StartsWith("run.yaml:1:")))
        << value;
  }
  EXPECT_THAT(mistakes("base: [base.yaml]\noutput: x\n"),
              ElementsAre("run.yaml:1:7: base: must be the path of a run file, is a list"));
}

TEST_F(Base, HasNoBaseItself) {
  write("deepest.yaml", kSmallestRun);
  write("base.yaml", "base: deepest.yaml\n" + std::string(kSmallestRun));
  EXPECT_THAT(mistakes(above_base("output: x\n")),
              ElementsAre("base.yaml:1:7: base: this file is the base of run.yaml and cannot have "
                          "one itself"));
}

TEST_F(Base, ACycleIsRefusedLikeAnyBaseOfABase) {
  EXPECT_THAT(mistakes("base: run.yaml\n" + std::string(kSmallestRun)),
              ElementsAre("run.yaml:1:7: base: this file is the base of run.yaml and cannot have "
                          "one itself"));
  write("base.yaml", "base: run.yaml\n" + std::string(kSmallestRun));
  EXPECT_THAT(mistakes(above_base("output: x\n")),
              ElementsAre(StartsWith("base.yaml:1:7: base: this file is the base of run.yaml")));
}

TEST_F(Base, IsNamedInTheFileAlone) {
  EXPECT_THAT(mistakes(kSmallestRun, {"base=base.yaml"}),
              ElementsAre("--set base=base.yaml: base can only be named in the run file"));
  EXPECT_THAT(mistakes("bese: base.yaml\n" + std::string(kSmallestRun)),
              ElementsAre("run.yaml:1:1: bese: unknown key; did you mean base?"));
}

TEST_F(Base, TheHuggingFaceFileLiesBelowAllWrittenKeys) {
  write("config.json", R"({"model_type": "llama", "hidden_size": 32, "intermediate_size": 128,
  "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 77})");
  write("base.yaml", "data: {train: a.h5}\ntrain: {steps: 10}\nmodel: {hidden_size: 64}\n");
  const std::string json = (folder_ / "config.json").string();
  const RunConfig run = load(above_base("output: x\nmodel: {from: " + json + "}\n"));
  EXPECT_EQ(run.model.hidden_size, 64);
  EXPECT_EQ(run.model.vocab_size, 77);
  write("base.yaml", "data: {train: a.h5}\ntrain: {steps: 10}\nmodel: {from: " + json + "}\n");
  EXPECT_EQ(load(above_base("output: x\nmodel: {vocab_size: 78}\n")).model.vocab_size, 78);
  EXPECT_THAT(mistakes(above_base("output: x\n")), IsEmpty());
}

}  // namespace
}  // namespace lckv::config
