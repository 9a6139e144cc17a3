#include <gmock/gmock.h>

#include "lckv/config/keys.h"
#include "run_file.h"

namespace lckv::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The messages after one change to a valid run.
template <class Change>
std::vector<std::string> after(Change change) {
  RunConfig run = smallest_run();
  change(run);
  return validate(run);
}

TEST(Validate, AcceptsASmallRun) { EXPECT_THAT(validate(smallest_run()), IsEmpty()); }

TEST(Validate, HeadsDivideTheWidthUnlessTheHeadWidthIsGiven) {
  EXPECT_THAT(after([](RunConfig& r) { r.model.num_attention_heads = 12; }),
              ElementsAre("model.num_attention_heads: 12 does not divide hidden_size 64; give "
                          "head_dim if that is meant"));
  EXPECT_THAT(after([](RunConfig& r) {
                r.model.num_attention_heads = 12;
                r.model.head_dim = 16;
              }),
              IsEmpty());
}

TEST(Validate, TheHeadWidthIsEven) {
  EXPECT_THAT(after([](RunConfig& r) { r.model.head_dim = 15; }),
              ElementsAre("model.head_dim: 15 is odd; rotary positions need an even head width"));
  EXPECT_THAT(after([](RunConfig& r) { r.model.num_attention_heads = 64; }),
              ElementsAre(HasSubstr("hidden_size 64 / num_attention_heads 64 = 1 is odd")));
}

TEST(Validate, KeyValueHeadsDivideTheHeads) {
  EXPECT_THAT(after([](RunConfig& r) { r.model.num_key_value_heads = 3; }),
              ElementsAre("model.num_key_value_heads: 3 does not divide num_attention_heads 4"));
  EXPECT_THAT(after([](RunConfig& r) { r.model.num_key_value_heads = 8; }).size(), 1u);
}

TEST(Validate, LayerTypesFitTheLayers) {
  EXPECT_THAT(after([](RunConfig& r) { r.model.layer_types = "0_1_2"; }),
              ElementsAre(HasSubstr("model.layer_types: ")));
  EXPECT_THAT(after([](RunConfig& r) { r.model.layer_types = "0_1_2_4"; }),
              ElementsAre(HasSubstr("entry 3 \"4\"")));
}

TEST(Validate, AWindowedLayerNeedsAWindow) {
  EXPECT_THAT(after([](RunConfig& r) {
                r.model.layer_types = "0_1_1s_3";
                r.model.sliding_window = 0;
              }),
              ElementsAre("model.sliding_window: must be >= 1 because layer 2 of layer_types has a "
                          "window (s), is 0"));
  EXPECT_THAT(after([](RunConfig& r) { r.model.sliding_window = 0; }), IsEmpty());
}

TEST(Validate, SpecialTokensAreInTheVocabulary) {
  EXPECT_THAT(after([](RunConfig& r) { r.model.bos_token_id = 99; }), IsEmpty());
  EXPECT_THAT(after([](RunConfig& r) {
                r.model.bos_token_id = 100;
                r.model.eos_token_id = 100;
                r.model.pad_token_id = 32000;
              }),
              ElementsAre("model.bos_token_id: 100 is outside the vocabulary [0, 100)",
                          "model.eos_token_id: 100 is outside the vocabulary [0, 100)",
                          "model.pad_token_id: 32000 is outside the vocabulary [0, 100)"));
}

TEST(Validate, SequentialScoringIsNotForTraining) {
  EXPECT_THAT(after([](RunConfig& r) { r.model.use_sequential = true; }),
              ElementsAre(HasSubstr("model.use_sequential: ")));
  ModelConfig model = smallest_run().model;
  model.use_sequential = true;
  EXPECT_THAT(validate(model), IsEmpty());
}

TEST(Validate, MicroBatchesDivideTheBatch) {
  EXPECT_THAT(after([](RunConfig& r) { r.train.micro_batch_sequences = 4; }), IsEmpty());
  EXPECT_THAT(after([](RunConfig& r) { r.train.micro_batch_sequences = 16; }),
              ElementsAre("train.micro_batch_sequences: 16 does not divide sequences_per_step 8"));
}

TEST(Validate, SequencesFitTheContext) {
  EXPECT_THAT(after([](RunConfig& r) { r.data.sequence_tokens = 2048; }), IsEmpty());
  EXPECT_THAT(
      after([](RunConfig& r) { r.data.sequence_tokens = 2049; }),
      ElementsAre("data.sequence_tokens: 2049 is more than model.max_position_embeddings 2048"));
}

TEST(Validate, WarmUpIsGivenOnceAndEnds) {
  EXPECT_THAT(after([](RunConfig& r) { r.schedule.warmup_steps = 9; }), IsEmpty());
  EXPECT_THAT(after([](RunConfig& r) { r.schedule.warmup_steps = 10; }),
              ElementsAre("schedule.warmup_steps: 10 must be less than train.steps 10"));
  EXPECT_THAT(after([](RunConfig& r) { r.schedule.warmup_frac = 0.9; }), IsEmpty());
  EXPECT_THAT(after([](RunConfig& r) { r.schedule.warmup_frac = 0.91; }),
              ElementsAre(HasSubstr("schedule.warmup_frac: 0.91 of train.steps 10, rounded up")));
  EXPECT_THAT(after([](RunConfig& r) {
                r.schedule.warmup_steps = 1;
                r.schedule.warmup_frac = 0.1;
              }),
              ElementsAre(HasSubstr("both given")));
}

TEST(Validate, WarmUpAndDecayDoNotOverlap) {
  const auto wsd = [](double warmup, double decay) {
    return after([=](RunConfig& r) {
      r.schedule.kind = Schedule::kWsd;
      r.schedule.warmup_frac = warmup;
      r.schedule.decay_frac = decay;
    });
  };
  EXPECT_THAT(wsd(0.8, 0.2), IsEmpty());
  EXPECT_THAT(wsd(0.7, 0.3), IsEmpty());
  EXPECT_THAT(wsd(0.8, 0.3), ElementsAre(HasSubstr("schedule.decay_frac: ")));
  EXPECT_THAT(after([](RunConfig& r) {
                r.schedule.warmup_frac = 0.8;
                r.schedule.decay_frac = 0.5;  // cosine does not use it
              }),
              IsEmpty());
}

TEST(Validate, PeriodicValidationNeedsAStore) {
  EXPECT_THAT(after([](RunConfig& r) { r.validation.every_steps = 5; }),
              ElementsAre("validation.every_steps: is 5, but data.validation names no store"));
}

TEST(Validate, ReportsOneProblemForOneMistake) {
  // 0 heads must not be divided by, nor reported by the rules that would
  EXPECT_THAT(after([](RunConfig& r) { r.model.num_attention_heads = 0; }),
              ElementsAre(HasSubstr("model.num_attention_heads: must be given")));
  EXPECT_THAT(after([](RunConfig& r) { r.model.vocab_size = -1; }).size(), 1u);
}

TEST(Validate, RefusesNumbersThatNoFileCouldHold) {
  EXPECT_THAT(
      after([](RunConfig& r) { r.optimizer.lr = std::numeric_limits<double>::quiet_NaN(); }),
      ElementsAre("optimizer.lr: must be a number > 0, is nan"));
  EXPECT_THAT(after([](RunConfig& r) { r.train.init_kv = "median"; }),
              ElementsAre("train.init_kv: must be one of copy, average, is median"));
  EXPECT_THAT(after([](RunConfig& r) { r.data.validation = {""}; }).size(), 1u);
}

TEST(Validate, TheBestStateNeedsValidationData) {
  EXPECT_THAT(after([](RunConfig& r) { r.checkpoint.keep_best = true; }),
              ElementsAre("checkpoint.keep_best: is true, but data.validation names no store"));
}

TEST(Validate, AnEvaluationHasSomethingToDo) {
  EXPECT_THAT(after([](RunConfig& r) { r.eval.every_steps = 0; }),
              ElementsAre(HasSubstr("eval.every_steps: is 0, but neither eval.tasks, ")));
  EXPECT_THAT(after([](RunConfig& r) { r.eval.questions = {"q.jsonl"}; }),
              ElementsAre("eval.every_steps: is -1, which evaluates nothing, but eval.questions "
                          "names q.jsonl"));
  EXPECT_THAT(after([](RunConfig& r) {
                r.eval.every_steps = 5;
                r.eval.questions = {"q.jsonl"};
              }),
              IsEmpty());
  EXPECT_THAT(after([](RunConfig& r) {
                r.eval.every_steps = 0;
                r.eval.exact_validation = ExactValidation::kTrue;
              }),
              ElementsAre("eval.exact_validation: is true, but data.validation names no store"));
}

TEST(Validate, KeysAndValuesSettleWhereLayersAreIteratedAndScoredExactly) {
  const auto asked = [](const auto& change) {
    return after([&](RunConfig& r) {
      r.eval.every_steps = 0;
      r.eval.kv_convergence = KvConvergence::kTrue;
      r.data.validation = {"v.h5"};
      r.model.layer_types = "0_6_6_6_6_6_6_7";
      r.model.num_hidden_layers = 8;
      change(r);
    });
  };
  EXPECT_THAT(asked([](RunConfig&) {}), IsEmpty());
  EXPECT_THAT(asked([](RunConfig& r) { r.eval.kv_exact_distance = true; }), IsEmpty());
  EXPECT_THAT(asked([](RunConfig& r) { r.eval.every_steps = -1; }),
              ElementsAre("eval.every_steps: is -1, which evaluates nothing, but "
                          "eval.kv_convergence is true"));
  EXPECT_THAT(asked([](RunConfig& r) { r.eval.exact_validation = ExactValidation::kFalse; }),
              ElementsAre("eval.kv_convergence: is true, but eval.exact_validation is false"));
  EXPECT_THAT(asked([](RunConfig& r) { r.model.layer_types = "0_0_2_2_4_4_6_6"; }),
              ElementsAre("eval.kv_convergence: is true, but no layer of model.layer_types "
                          "0_0_2_2_4_4_6_6 reads a higher one"));
  EXPECT_THAT(asked([](RunConfig& r) { r.data.validation.clear(); }),
              ElementsAre("eval.kv_convergence: is true, but data.validation names no store"));
  EXPECT_THAT(asked([](RunConfig& r) {
                r.eval.kv_convergence = KvConvergence::kFalse;
                r.eval.kv_exact_distance = true;
              }),
              ElementsAre("eval.kv_exact_distance: is true, but eval.kv_convergence is false"));
}

TEST(Validate, EveryTaskHasItsFileAndEveryFileItsTask) {
  const auto tasks = [](const std::vector<std::string>& names, const TextMap& files,
                        int64_t shots) {
    return after([&](RunConfig& r) {
      r.eval.every_steps = 0;
      r.eval.questions = {"q.jsonl"};
      r.eval.tasks = names;
      r.eval.task_files = files;
      r.eval.num_fewshot = shots;
    });
  };
  EXPECT_THAT(tasks({"piqa"}, {{"piqa", "a"}}, 2), IsEmpty());
  EXPECT_THAT(tasks({"piqa"}, {}, 0), ElementsAre(HasSubstr("eval.tasks: piqa has no file")));
  EXPECT_THAT(tasks({"piqa", "piqa"}, {{"piqa", "a"}}, 0),
              ElementsAre("eval.tasks: names piqa twice"));
  EXPECT_THAT(tasks({"piqa"}, {{"piqa", "a"}, {"boolq", "b"}}, 0),
              ElementsAre("eval.task_files: boolq is for no task of eval.tasks"));
  EXPECT_THAT(tasks({}, {}, 3), ElementsAre(HasSubstr("eval.num_fewshot: is 3")));
}

TEST(Validate, ALimitIsANumberOfDocumentsOrAPartOfThem) {
  const auto limit = [](double value) {
    return after([&](RunConfig& r) { r.eval.limit = value; });
  };
  EXPECT_THAT(limit(0.25), IsEmpty());
  EXPECT_THAT(limit(12), IsEmpty());
  EXPECT_THAT(limit(1.5), ElementsAre(HasSubstr("eval.limit: 1.5 is neither")));
}

TEST(Validate, SpikesNeedAWindowThatSaysSomething) {
  EXPECT_THAT(after([](RunConfig& r) { r.guards.spike_window_steps = 7; }),
              ElementsAre("guards.spike_window_steps: is 7: 0 (off), or at least 8"));
  EXPECT_THAT(after([](RunConfig& r) {
                r.guards.spike_window_steps = 0;
                r.guards.skip_spikes = true;
              }),
              ElementsAre(HasSubstr("guards.skip_spikes: is true")));
}

}  // namespace
}  // namespace lckv::config
