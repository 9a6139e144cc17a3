#include <gmock/gmock.h>

#include "lckv/config/what_fits.h"
#include "run_file.h"

namespace lckv::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Parallel : public RunFiles {};

std::string with_parallel(const std::string& keys) {
  return std::string(kSmallestRun) + "parallel: {" + keys + "}\n";
}

/// 12 heads, 6 key/value heads, 24 sequences per step: numbers with many divisors.
RunConfig twelve_heads() {
  RunConfig run = smallest_run();
  run.model.hidden_size = 96;
  run.model.intermediate_size = 240;
  run.model.num_attention_heads = 12;
  run.model.num_key_value_heads = 6;
  run.train.sequences_per_step = 24;
  return run;
}

/// The messages after one change to a valid run.
template <class Change>
std::vector<std::string> after(Change change) {
  RunConfig run = twelve_heads();
  change(run);
  return validate(run);
}

std::vector<std::string> with_tensor(int64_t tensor) {
  return after([=](RunConfig& r) { r.parallel.tensor = tensor; });
}

TEST_F(Parallel, OneCopyPerRankUnlessTheFileSaysOtherwise) {
  const ParallelConfig p = load(kSmallestRun).parallel;
  EXPECT_EQ(p.tensor, 1);
  EXPECT_EQ(p.data, 0);
  EXPECT_FALSE(p.sequence);
  EXPECT_FALSE(p.oversubscribe);
}

TEST_F(Parallel, ReadsTheSection) {
  const ParallelConfig p =
      load(with_parallel("tensor: 2, data: 4, sequence: true, oversubscribe: true")).parallel;
  EXPECT_EQ(p.tensor, 2);
  EXPECT_EQ(p.data, 4);
  EXPECT_TRUE(p.sequence);
  EXPECT_TRUE(p.oversubscribe);
}

TEST_F(Parallel, AutoIsReadWrittenAndSet) {
  EXPECT_EQ(load(with_parallel("data: auto")).parallel.data, 0);
  EXPECT_EQ(load(kSmallestRun, {"parallel.data=2"}).parallel.data, 2);
  EXPECT_EQ(load(with_parallel("data: 2"), {"parallel.data=auto"}).parallel.data, 0);
  EXPECT_THAT(to_yaml(smallest_run()), HasSubstr("\nparallel:\n  tensor: 1\n  data: auto\n"));
  for (const int64_t data : {0, 1, 4}) {
    RunConfig run = smallest_run();
    run.parallel.data = data;
    EXPECT_EQ(load(to_yaml(run)).parallel.data, data);
  }
}

TEST_F(Parallel, CopiesAreAutoOrAnIntegerFromOneOn) {
  for (const char* value : {"0", "-1", "1.5", "Auto", "all", "\"2\"", "[2]", "02"}) {
    const auto found = mistakes(with_parallel(std::string("data: ") + value));
    ASSERT_EQ(found.size(), 1u) << value;
    EXPECT_THAT(
        found[0],
        HasSubstr("run.yaml:12:18: parallel.data: must be an integer in [1, 65536] or auto, is "))
        << value;
  }
  EXPECT_THAT(mistakes(with_parallel("data: null")), ElementsAre(HasSubstr("is nothing (null)")));
  EXPECT_THAT(
      mistakes(kSmallestRun, {"parallel.data=0"}),
      ElementsAre("--set parallel.data=0: parallel.data: must be an integer in [1, 65536] or auto, "
                  "is 0"));
}

TEST_F(Parallel, RefusesOtherValuesOutOfRange) {
  for (const char* value : {"0", "-2", "65537"}) {
    EXPECT_THAT(
        mistakes(with_parallel(std::string("tensor: ") + value)),
        ElementsAre(std::string("run.yaml:12:20: parallel.tensor: must be an integer in [1, "
                                "65536], is ") +
                    value));
  }
  EXPECT_THAT(mistakes(with_parallel("tensor: auto")), ElementsAre(HasSubstr("in [1, 65536]")));
  EXPECT_THAT(mistakes(with_parallel("sequence: 1")), ElementsAre(HasSubstr("true or false")));
}

TEST_F(Parallel, FindsTheNearestKey) {
  EXPECT_THAT(mistakes(std::string(kSmallestRun) + "paralell:\n  tensor: 2\n"),
              ElementsAre("run.yaml:12:1: paralell: unknown key; did you mean parallel?"));
  EXPECT_THAT(
      mistakes(with_parallel("tensr: 2")),
      ElementsAre("run.yaml:12:12: parallel.tensr: unknown key; did you mean parallel.tensor?"));
  EXPECT_THAT(mistakes(kSmallestRun, {"paralell.tensor=2", "parallel=2"}),
              ElementsAre("--set paralell.tensor=2: paralell.tensor: unknown key; did you mean "
                          "parallel.tensor?",
                          "--set parallel=2: parallel is a section; set one of its keys, "
                          "parallel.key=value"));
}

TEST_F(Parallel, NamesEveryMistakeOfAGridAtOnce) {
  EXPECT_THAT(
      mistakes(R"(output: runs/x
model:
  hidden_size: 96
  intermediate_size: 192
  num_hidden_layers: 4
  num_attention_heads: 12
  num_key_value_heads: 3
  vocab_size: 100
data:
  train: a.h5
  sequence_tokens: 1023
train:
  steps: 10
  sequences_per_step: 24
  micro_batch_sequences: 8
parallel:
  tensor: 5
  data: 2
  sequence: true
)"),
      ElementsAre(
          "run.yaml:15:26: train.micro_batch_sequences: 8 does not divide 12, a copy's part of "
          "sequences_per_step 24 with parallel.data 2; 6 or 12 would fit",
          "run.yaml:17:11: parallel.tensor: 5 does not divide model.num_attention_heads 12; 3 or 6 "
          "would fit",
          "run.yaml:17:11: parallel.tensor: 5 does not divide model.intermediate_size 192; 3 or 6 "
          "would "
          "fit",
          "run.yaml:17:11: parallel.tensor: 5 and model.num_key_value_heads 3: neither divides the "
          "other, so the ranks cannot hold equally many key/value heads; 3 or 6 would fit",
          "run.yaml:19:13: parallel.sequence: true, but parallel.tensor 5 does not divide the 8184 "
          "rows of a micro-batch (8 sequences of data.sequence_tokens 1023); a multiple of 5 "
          "tokens would fit"));
}

TEST_F(Parallel, APlaceIsNeededForWhatAnOverrideBreaks) {
  EXPECT_THAT(mistakes(kSmallestRun, {"parallel.tensor=3"}),
              ElementsAre("--set parallel.tensor=3: parallel.tensor: 3 does not divide "
                          "model.num_attention_heads 4; 2 or 4 would fit",
                          "--set parallel.tensor=3: parallel.tensor: 3 does not divide "
                          "model.intermediate_size 128; 2 or 4 would fit"));
}

TEST(ValidateParallel, TensorRanksShareTheHeadsAndTheWidth) {
  for (const int64_t tensor : {1, 2, 3, 6, 12}) EXPECT_THAT(with_tensor(tensor), IsEmpty());
  EXPECT_THAT(with_tensor(5),
              ElementsAre("parallel.tensor: 5 does not divide model.num_attention_heads 12; 3 or 6 "
                          "would fit",
                          HasSubstr("neither divides the other")));
  EXPECT_THAT(with_tensor(24),
              ElementsAre("parallel.tensor: 24 does not divide model.num_attention_heads 12; 12 "
                          "would fit"));
  EXPECT_THAT(after([](RunConfig& r) {
                r.parallel.tensor = 3;
                r.model.intermediate_size = 256;
              }),
              ElementsAre("parallel.tensor: 3 does not divide model.intermediate_size 256; 2 would "
                          "fit"));
}

TEST(ValidateParallel, KeyValueHeadsAreSplitOrRepeated) {
  EXPECT_THAT(with_tensor(4),
              ElementsAre("parallel.tensor: 4 and model.num_key_value_heads 6: neither divides the "
                          "other, so the ranks cannot hold equally many key/value heads; 3 or 6 "
                          "would fit"));
  for (const int64_t heads : {0, 1, 2, 4, 12}) {  // 0: all 12
    EXPECT_THAT(after([=](RunConfig& r) {
                  r.parallel.tensor = 4;
                  r.model.num_key_value_heads = heads;
                }),
                IsEmpty())
        << heads;
  }
}

TEST(ValidateParallel, OneMistakeInTheHeadsIsToldOnce) {
  EXPECT_THAT(after([](RunConfig& r) {
                r.parallel.tensor = 5;
                r.model.num_key_value_heads = 0;
              }),
              ElementsAre(HasSubstr("does not divide model.num_attention_heads 12")));
}

TEST(ValidateParallel, CopiesDivideTheStep) {
  for (const int64_t data : {0, 1, 2, 3, 4, 6, 8, 12, 24}) {
    EXPECT_THAT(after([=](RunConfig& r) { r.parallel.data = data; }), IsEmpty()) << data;
  }
  EXPECT_THAT(
      after([](RunConfig& r) { r.parallel.data = 5; }),
      ElementsAre("parallel.data: 5 does not divide train.sequences_per_step 24; 4 or 6 would "
                  "fit"));
  EXPECT_THAT(
      after([](RunConfig& r) { r.parallel.data = 48; }),
      ElementsAre("parallel.data: 48 does not divide train.sequences_per_step 24; 24 would fit"));
  // what would fit keeps the micro-batch
  EXPECT_THAT(after([](RunConfig& r) {
                r.parallel.data = 5;
                r.train.micro_batch_sequences = 8;
              }),
              ElementsAre(HasSubstr("; 3 would fit")));
}

TEST(ValidateParallel, MicroBatchesDivideTheShareOfACopy) {
  const auto split = [](int64_t data, int64_t micro) {
    return after([=](RunConfig& r) {
      r.parallel.data = data;
      r.train.micro_batch_sequences = micro;
    });
  };
  EXPECT_THAT(split(4, 6), IsEmpty());
  EXPECT_THAT(split(4, 0), IsEmpty());
  EXPECT_THAT(split(0, 8), IsEmpty());  // the copies are not known yet
  EXPECT_THAT(split(4, 4),
              ElementsAre("train.micro_batch_sequences: 4 does not divide 6, a copy's part of "
                          "sequences_per_step 24 with parallel.data 4; 3 or 6 would fit"));
  EXPECT_THAT(split(4, 5),
              ElementsAre("train.micro_batch_sequences: 5 does not divide sequences_per_step 24"));
}

TEST(ValidateParallel, SequenceParallelRanksShareTheRowsOfAMicroBatch) {
  const auto rows = [](int64_t data, int64_t micro, int64_t T) {
    return after([=](RunConfig& r) {
      r.parallel = {.tensor = 12, .data = data, .sequence = true};
      r.train.micro_batch_sequences = micro;
      r.data.sequence_tokens = T;
    });
  };
  EXPECT_THAT(rows(0, 0, 1001), IsEmpty());  // the micro-batch is not known yet
  EXPECT_THAT(rows(2, 0, 1001), IsEmpty());
  EXPECT_THAT(rows(0, 12, 1001), IsEmpty());
  EXPECT_THAT(rows(0, 8, 1002), IsEmpty());
  EXPECT_THAT(rows(0, 8, 1001),
              ElementsAre("parallel.sequence: true, but parallel.tensor 12 does not divide the "
                          "8008 rows of a micro-batch (8 sequences of data.sequence_tokens 1001); "
                          "a multiple of 3 tokens would fit"));
  EXPECT_THAT(rows(4, 0, 1001),
              ElementsAre(HasSubstr("the 6006 rows of a micro-batch (6 sequences")));
}

TEST(ValidateParallel, NumbersOutOfRangeAreNotDividedBy) {
  EXPECT_THAT(with_tensor(0), ElementsAre("parallel.tensor: must be an integer in [1, 65536], is "
                                          "0"));
  EXPECT_THAT(after([](RunConfig& r) { r.parallel.data = -1; }),
              ElementsAre("parallel.data: must be an integer in [1, 65536] or auto, is -1"));
  EXPECT_THAT(after([](RunConfig& r) {
                r.parallel = {.tensor = 5, .data = 5, .sequence = true};
                r.model.num_attention_heads = 0;
                r.train.sequences_per_step = 0;
                r.train.micro_batch_sequences = -1;
              }).size(),
              3u);  // and intermediate_size 240 is divided by 5
}

TEST(ValidateGrid, IsLoadsRuleForCopiesThatAreKnown) {
  RunConfig run = twelve_heads();
  run.train.micro_batch_sequences = 4;
  run.parallel.sequence = true;
  for (const int64_t tensor : {1, 3, 4, 5}) {
    for (int64_t data = 1; data <= 30; ++data) {
      run.parallel.tensor = tensor;
      run.parallel.data = data;
      const std::vector<std::string> expected = validate(run);
      run.parallel.data = 0;
      EXPECT_EQ(validate_grid(run, data), expected) << tensor << " " << data;
    }
  }
}

TEST(ValidateGrid, NamesWhatTheRanksDoNotFit) {
  RunConfig run = twelve_heads();
  run.parallel = {.tensor = 4, .data = 0, .sequence = true};
  run.data.sequence_tokens = 1001;
  ASSERT_THAT(validate(run), ElementsAre(HasSubstr("key/value")));
  run.model.num_key_value_heads = 4;
  ASSERT_THAT(validate(run), IsEmpty());
  EXPECT_THAT(validate_grid(run, 6), IsEmpty());
  EXPECT_THAT(validate_grid(run, 7), ElementsAre("parallel.data: 7 does not divide "
                                                 "train.sequences_per_step 24; 6 or 8 would fit"));
  EXPECT_THAT(validate_grid(run, 8), ElementsAre(HasSubstr("the 3003 rows of a micro-batch")));
}

TEST(ValidateGrid, LeavesTheOtherSectionsToValidate) {
  RunConfig run = twelve_heads();
  run.output = "";
  run.optimizer.lr = -1;
  EXPECT_THAT(validate_grid(run, 2), IsEmpty());
  EXPECT_THROW(validate_grid(run, 0), Error);
}

TEST(WhatFits, NamesTheNearestDivisorsThatAreAccepted) {
  const auto any = [](int64_t) { return true; };
  EXPECT_EQ(what_fits(5, 24, any), "4 or 6 would fit");
  EXPECT_EQ(what_fits(25, 24, any), "24 would fit");
  EXPECT_EQ(what_fits(7, 2147483647, any), "1 or 2147483647 would fit");
  EXPECT_EQ(what_fits(5, 36, [](int64_t d) { return d % 4 != 0; }), "3 or 6 would fit");
  EXPECT_EQ(what_fits(5, 36, [](int64_t d) { return d == 1; }), "1 would fit");
}

}  // namespace
}  // namespace lckv::config
