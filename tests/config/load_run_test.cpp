#include <gmock/gmock.h>

#include "lckv/config/keys.h"
#include "run_file.h"

namespace lckv::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class LoadRun : public RunFiles {};

TEST_F(LoadRun, KeepsDefaultsForKeysThatAreNotGiven) {
  EXPECT_EQ(to_yaml(load(kSmallestRun)), to_yaml(smallest_run()));
}

TEST_F(LoadRun, ReadsEverySection) {
  const RunConfig run = load(R"(output: "runs/a"
model: {hidden_size: 64, intermediate_size: 128, num_hidden_layers: 3, num_attention_heads: 4,
        num_key_value_heads: 2, head_dim: 24, vocab_size: 100, rms_norm_eps: 1e-6, eos_token_id: 2,
        tie_word_embeddings: true, layer_types: 0_2_2s, forward_passes: 3, sliding_window: 16}
data:
  train: [a.h5, b.h5]
  validation: v.h5
  seed: 18446744073709551615
train: {steps: 10, precision: bf16, recompute: block, init_kv: average}
optimizer: {lr: 3e-4, beta1: 0}
schedule: {kind: wsd, warmup_frac: 0.1, final_lr_frac: 1}
validation: {every_steps: 5}
)");
  EXPECT_EQ(run.model.num_key_value_heads, 2);
  EXPECT_EQ(run.model.rms_norm_eps, 1e-6);
  EXPECT_EQ(run.model.eos_token_id, 2);
  EXPECT_EQ(run.model.bos_token_id, std::nullopt);
  EXPECT_TRUE(run.model.tie_word_embeddings);
  EXPECT_EQ(run.model.layer_types, "0_2_2s");
  EXPECT_THAT(run.data.train, ElementsAre("a.h5", "b.h5"));
  EXPECT_THAT(run.data.validation, ElementsAre("v.h5"));
  EXPECT_EQ(run.data.seed, UINT64_MAX);
  EXPECT_EQ(run.train.precision, Precision::kBf16);
  EXPECT_EQ(run.train.recompute, Recompute::kBlock);
  EXPECT_EQ(run.train.init_kv, "average");
  EXPECT_EQ(run.optimizer.lr, 3e-4);
  EXPECT_EQ(run.schedule.kind, Schedule::kWsd);
  EXPECT_EQ(run.validation.every_steps, 5);
}

TEST_F(LoadRun, ReadsTheEvaluationSection) {
  const RunConfig run = load(std::string(kSmallestRun) + R"(eval:
  every_steps: 100
  tasks: [piqa, arc_easy]
  task_files:
    piqa: valid.jsonl
    arc_easy: "easy.jsonl.gz"
  questions: world.jsonl
  limit: 0.5
  compat: lmeval-head
  exact_tokens: 4096
)");
  EXPECT_TRUE(run.eval.is_on());
  EXPECT_THAT(run.eval.tasks, ElementsAre("piqa", "arc_easy"));
  EXPECT_EQ(run.eval.task_files, (TextMap{{"piqa", "valid.jsonl"}, {"arc_easy", "easy.jsonl.gz"}}));
  EXPECT_THAT(run.eval.questions, ElementsAre("world.jsonl"));
  EXPECT_EQ(run.eval.exact_validation, ExactValidation::kAuto);
  EXPECT_EQ(run.eval.exact_tokens, 4096);
  EXPECT_EQ(run.eval.compat, "lmeval-head");
  EXPECT_FALSE(load(kSmallestRun).eval.is_on());
}

TEST_F(LoadRun, RefusesAMapThatIsNoneOrNamesAKeyTwice) {
  for (const char* const map : {"[a, b]", "a.jsonl", "{piqa: [a]}", "{piqa: a, piqa: b}", ""}) {
    EXPECT_THAT(mistakes(with("eval", std::string("task_files: ") + map)),
                ElementsAre(HasSubstr("eval.task_files: must be a map of names to texts")))
        << map;
  }
}

TEST_F(LoadRun, NamesTenMistakesInOneMessage) {
  const std::vector<std::string> found = mistakes(R"(output: runs/x
model:
  hiden_size: 64
  intermediate_size: 1.5
  num_hidden_layers: 4
  num_attention_heads: 4
  num_key_value_heads: 3
  vocab_size: 100
  layer_types: 0_9_2_3
  tie_word_embeddings: yes
  backward_passes: 0
data:
  train: a.h5
train:
  steps: 10
  steps: 20
  micro_batch_sequences: 3
  precision: fp16
optimiser:
  lr: 1e-3
)");
  EXPECT_THAT(
      found,
      ElementsAre(
          "run.yaml:3:3: model.hiden_size: unknown key; did you mean model.hidden_size?",
          "run.yaml:4:22: model.intermediate_size: must be an integer in [1, 2147483647], is 1.5",
          "run.yaml:7:24: model.num_key_value_heads: 3 does not divide num_attention_heads 4",
          "run.yaml:9:16: model.layer_types: layer_types \"0_9_2_3\": entry 1 \"9\" must be a "
          "layer "
          "index below num_hidden_layers 4",
          "run.yaml:10:24: model.tie_word_embeddings: must be true or false, is yes",
          "run.yaml:11:20: model.backward_passes: must be an integer in [1, 65536], is 0",
          "run.yaml:16:3: train.steps: repeated; first given in line 15",
          "run.yaml:17:26: train.micro_batch_sequences: 3 does not divide sequences_per_step 8",
          "run.yaml:18:14: train.precision: must be one of auto, bf16, fp32, fp64, is fp16",
          "run.yaml:19:1: optimiser: unknown key; did you mean optimizer?"));
}

TEST_F(LoadRun, NamesEveryMissingKeyOfAnEmptyFile) {
  EXPECT_THAT(
      mistakes(""),
      ElementsAre(HasSubstr("output: must be given"), HasSubstr("model.hidden_size"),
                  HasSubstr("model.intermediate_size"), HasSubstr("model.num_hidden_layers"),
                  HasSubstr("model.num_attention_heads"), HasSubstr("model.vocab_size"),
                  HasSubstr("data.train"), HasSubstr("train.steps")));
}

TEST_F(LoadRun, PlacesAMissingKeyAtItsSection) {
  EXPECT_THAT(mistakes(with("train", "steps: 0")),
              ElementsAre(StartsWith("run.yaml:11:10: train.steps")));
  std::string without_steps = kSmallestRun;
  without_steps.replace(without_steps.find("  steps: 10"), 11, "  seed: 1");
  EXPECT_THAT(mistakes(without_steps),
              ElementsAre("run.yaml:10:1: train.steps: must be given, an integer >= 1"));
}

TEST_F(LoadRun, RefusesValuesOfAnotherType) {
  const std::vector<std::pair<const char*, std::vector<const char*>>> wrong = {
      {"train/steps",
       {"1.5", "3e-4", "0x10", "1_000", "010", "\"10\"", "ten", "", "[1]", "{a: 1}",
        "99999999999999999999", "+1"}},
      {"train/seed", {"-1", "18446744073709551616", "1.0"}},
      {"optimizer/lr",
       {"fast", "\"0.1\"", ".inf", "nan", "0x1p-3", "1e999", "true", "null", "1,5"}},
      {"data/document_mask", {"yes", "on", "True", "1", "\"true\"", "null"}},
      {"train/precision", {"FP32", "fp16", "1", "null", "[fp32]"}},
      {"train/init_kv", {"mean"}},
      {"train/init_from", {"null", "[a]"}},
      {"data/train", {"[]", "[a.h5, [b.h5]]", "{a: b}", "null", "\"\"", "[a.h5, null]"}},
      {"model/layer_types", {"\"\"", "[0, 1, 2, 3]"}},
      {"model/bos_token_id", {"[1, 2]", "one"}},
  };
  for (const auto& [path, values] : wrong) {
    const std::string section = std::string(path).substr(0, std::string(path).find('/'));
    const std::string name = std::string(path).substr(section.size() + 1);
    for (const char* value : values) {
      const auto found = mistakes(with(section, name + ": " + value));
      ASSERT_FALSE(found.empty()) << path << ": " << value;
      EXPECT_THAT(found.front(), HasSubstr(section + "." + name + ": must be ")) << value;
    }
  }
}

TEST_F(LoadRun, AcceptsNumbersAsPeopleWriteThem) {
  EXPECT_EQ(load(with("optimizer", "lr: 3e-4")).optimizer.lr, 3e-4);
  EXPECT_EQ(load(with("optimizer", "lr: 1")).optimizer.lr, 1);
  EXPECT_EQ(load(with("model", "rope_theta: 1.0E+6")).model.rope_theta, 1e6);
}

TEST_F(LoadRun, NullMeansNotSetWhereThatMeansSomething) {
  EXPECT_EQ(load(with("model", "layer_types: null")).model.layer_types, "");
  EXPECT_EQ(load(with("model", "head_dim: ~")).model.head_dim, 0);
  EXPECT_EQ(load(with("model", "pad_token_id:")).model.pad_token_id, std::nullopt);
  EXPECT_THAT(mistakes(with("model", "hidden_size:")),
              ElementsAre("run.yaml:3:3: model.hidden_size: must be an integer in [1, 2147483647], "
                          "is nothing (null)"));
}

TEST_F(LoadRun, RefusesValuesOutOfRange) {
  for (const char* line : {"model/rms_norm_eps: 0",
                           "model/rope_theta: -1",
                           "model/hidden_size: -64",
                           "model/num_hidden_layers: 1000000000",
                           "model/forward_passes: -1",
                           "model/bos_token_id: -1",
                           "model/initializer_range: -0.1",
                           "data/sequence_tokens: 0",
                           "data/prefetch_batches: 0",
                           "train/steps: -5",
                           "train/sequences_per_step: 0",
                           "train/threads: -1",
                           "train/log_every_steps: 0",
                           "guards/max_nonfinite_steps: 0",
                           "optimizer/lr: 0",
                           "optimizer/beta1: 1",
                           "optimizer/beta2: -0.1",
                           "optimizer/eps: 0",
                           "optimizer/weight_decay: -1",
                           "optimizer/clip_norm: -1",
                           "schedule/warmup_frac: 1",
                           "schedule/warmup_steps: -1",
                           "schedule/final_lr_frac: 1.1",
                           "schedule/decay_frac: 0",
                           "validation/every_steps: -1",
                           "validation/tokens: -1"}) {
    const std::string text = line;
    const size_t slash = text.find('/');
    const auto found = mistakes(with(text.substr(0, slash), text.substr(slash + 1)));
    const std::string path =
        text.substr(0, slash) + "." + text.substr(slash + 1, text.find(':') - slash - 1);
    ASSERT_EQ(found.size(), 1u) << line;
    EXPECT_THAT(found[0], HasSubstr(path + ": must be ")) << line;
  }
}

TEST_F(LoadRun, RefusesARepeatedSection) {
  EXPECT_THAT(mistakes(std::string(kSmallestRun) + "train:\n  seed: 1\n"),
              ElementsAre("run.yaml:12:1: train: repeated; first given in line 10"));
}

TEST_F(LoadRun, PointsToTheSectionThatHasTheKey) {
  EXPECT_THAT(mistakes(with("train", "lr: 1e-3")),
              ElementsAre("run.yaml:11:3: train.lr: unknown key; did you mean optimizer.lr?"));
  EXPECT_THAT(mistakes(std::string(kSmallestRun) + "lr: 1e-3\n"),
              ElementsAre("run.yaml:12:1: lr: unknown key; did you mean optimizer.lr?"));
  EXPECT_THAT(mistakes(with("train", "zzzzzzzzzzzz: 1")),
              ElementsAre("run.yaml:11:3: train.zzzzzzzzzzzz: unknown key"));
}

TEST_F(LoadRun, ReportsAMisspeltKeyBesideTheRightOne) {
  EXPECT_THAT(mistakes(with("train", "steps: -1") + "  step: 3\n").size(), 2u);
}

TEST_F(LoadRun, PlacesASyntaxError) {
  EXPECT_THAT(mistakes("output: x\nmodel: {a: 1\ndata: 3\n"), ElementsAre(StartsWith("run.yaml:")));
  EXPECT_THAT(mistakes("output: [a\n"), ElementsAre(StartsWith("run.yaml:2:1: ")));
}

TEST_F(LoadRun, RefusesWhatHidesAValueFromTheReader) {
  EXPECT_THAT(mistakes("output: &a x\n"), ElementsAre(HasSubstr("anchors")));
  EXPECT_THAT(mistakes("output: *a\n"), ElementsAre(StartsWith("run.yaml:1:9: ")));
  EXPECT_THAT(mistakes("output: !!str x\n"), ElementsAre(HasSubstr("tags")));
  EXPECT_THAT(mistakes("train:\n  <<: {steps: 3}\n"), ElementsAre(HasSubstr("merge keys")));
  EXPECT_THAT(mistakes("output: x\n---\noutput: y\n"), ElementsAre(HasSubstr("second document")));
  EXPECT_THAT(mistakes("[a, b]: x\n"), ElementsAre(HasSubstr("a key must be a word")));
}

TEST_F(LoadRun, RefusesASectionWithoutKeys) {
  EXPECT_THAT(mistakes("output: x\nmodel: tiny\ndata: {train: a}\ntrain: {steps: 1}\n"),
              ElementsAre("run.yaml:2:8: model: must be a section of keys, is tiny"));
  EXPECT_THAT(mistakes("just text\n"),
              ElementsAre("run.yaml:1:1: must hold keys and sections, is just text"));
  EXPECT_THAT(mistakes(std::string(kSmallestRun) + "validation:\n"), IsEmpty());
}

TEST_F(LoadRun, NamesTheFileThatCannotBeRead) {
  for (const std::string& path : {(folder_ / "missing.yaml").string(), folder_.string()}) {
    try {
      load_run(path);
      FAIL() << path;
    } catch (const IoError& e) {
      EXPECT_THAT(e.what(), StartsWith(path + ": cannot be read: "));
    }
  }
}

TEST_F(LoadRun, DoesNotReadADeviceForEver) {
  EXPECT_THROW(load_run("/dev/zero"), IoError);
  EXPECT_THAT(mistakes(with("model", "from: /dev/zero")),
              ElementsAre(HasSubstr("model.from: /dev/zero: is longer than 64.0 MiB")));
}

TEST_F(LoadRun, ReadsTextAsItReadsAFile) {
  EXPECT_EQ(to_yaml(parse_run(kSmallestRun, "place", {"train.steps=20"})),
            to_yaml(load(kSmallestRun, {"train.steps=20"})));
  try {
    parse_run("output: x\nmodel: tiny\n", "place");
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), HasSubstr("place:2:8: model: must be a section of keys"));
  }
}

TEST_F(LoadRun, DropsLeadingZerosOfLayerTypes) {
  EXPECT_EQ(load(with("model", "layer_types: 00_02_2_03s")).model.layer_types, "0_2_2_3s");
}

TEST_F(LoadRun, AcceptsFixedFieldsOnlyWithTheirOneValue) {
  for (const char* line : {"attention_bias: false", "mlp_bias: false", "attention_dropout: 0",
                           "attention_dropout: 0.0", "rope_scaling: null", "hidden_act: silu"}) {
    EXPECT_THAT(mistakes(with("model", line)), IsEmpty()) << line;
  }
  for (const char* line : {"attention_bias: true", "mlp_bias: true", "mlp_bias: \"false\"",
                           "attention_dropout: 0.1", "attention_dropout: none", "hidden_act: gelu",
                           "rope_scaling: {type: linear}", "rope_scaling: 2"}) {
    EXPECT_THAT(mistakes(with("model", line)), ElementsAre(HasSubstr(": must be "))) << line;
  }
}

TEST_F(LoadRun, OverridesWinOverTheFile) {
  const RunConfig run = load(
      kSmallestRun, {"train.steps=7", "data.train=[c.h5,d.h5]", "output=o", "optimizer.lr=1e-3",
                     "data.validation=v.h5", "model.layer_types=0_2_2_3", "train.steps=9"});
  EXPECT_EQ(run.train.steps, 9);
  EXPECT_THAT(run.data.train, ElementsAre("c.h5", "d.h5"));
  EXPECT_EQ(run.output, "o");
  EXPECT_EQ(run.optimizer.lr, 1e-3);
  EXPECT_THAT(run.data.validation, ElementsAre("v.h5"));
  EXPECT_EQ(run.model.layer_types, "0_2_2_3");
}

TEST_F(LoadRun, ExplainsWrongOverridesAsWellAsWrongLines) {
  EXPECT_THAT(
      mistakes(kSmallestRun, {"train.stepz=5", "train.steps", "train=3", "optimizer.lr=fast",
                              "train.micro_batch_sequences=3", "data.train=[a", "steps=5"}),
      ElementsAre(
          "--set train.stepz=5: train.stepz: unknown key; did you mean train.steps?",
          "--set train.steps: must have the form section.key=value",
          "--set train=3: train is a section; set one of its keys, train.key=value",
          "--set optimizer.lr=fast: optimizer.lr: must be a number > 0, is fast",
          "--set train.micro_batch_sequences=3: train.micro_batch_sequences: 3 does not divide "
          "sequences_per_step 8",
          StartsWith("--set data.train=[a: data.train: "),
          "--set steps=5: steps: unknown key; did you mean train.steps?"));
}

const char* kLlamaJson = R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
  "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 100, "bos_token_id": 1,
  "rope_theta": 5000.0, "torch_dtype": "bfloat16"})";

std::string from_file(const std::string& path, const std::string& more = "") {
  return "output: x\nmodel:\n  from: " + path + "\n" + more +
         "data: {train: a.h5}\ntrain: {steps: 10}\n";
}

TEST_F(LoadRun, TakesTheModelFromAHuggingFaceFile) {
  const std::string json = write("config.json", kLlamaJson);
  const RunConfig run = load(from_file(json, "  layer_types: 0_2_2_3\n  bos_token_id: null\n"),
                             {"model.vocab_size=99"});
  EXPECT_EQ(run.model.hidden_size, 64);
  EXPECT_EQ(run.model.rope_theta, 5000);
  EXPECT_EQ(run.model.layer_types, "0_2_2_3");
  EXPECT_EQ(run.model.bos_token_id, std::nullopt);
  EXPECT_EQ(run.model.vocab_size, 99);
}

TEST_F(LoadRun, TheResolvedRunDoesNotNeedTheHuggingFaceFile) {
  const std::string json = write("config.json", kLlamaJson);
  const RunConfig run = load(from_file(json));
  std::filesystem::remove(json);
  EXPECT_EQ(to_yaml(load(to_yaml(run))), to_yaml(run));
}

TEST_F(LoadRun, PlacesMistakesInTheHuggingFaceFile) {
  const std::string json = write("config.json", R"({"model_type": "llama", "hidden_size": 66,
  "intermediate_size": 1.5, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 100})");
  EXPECT_THAT(mistakes(from_file(json)),
              ElementsAre(StartsWith("config.json:2:24: model.intermediate_size: must be"),
                          StartsWith("config.json:2:76: model.num_attention_heads: 4 does not")));
}

TEST_F(LoadRun, NamesTheHuggingFaceFileThatIsMissing) {
  const auto found = mistakes(from_file("no/config.json", "  head_dim: 7.5\n"));
  EXPECT_THAT(found, ElementsAre(StartsWith("run.yaml:3:9: model.from: no/config.json: cannot be"),
                                 StartsWith("run.yaml:4:13: model.head_dim")));
}

}  // namespace
}  // namespace lckv::config
