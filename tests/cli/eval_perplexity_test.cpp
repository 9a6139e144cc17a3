#include "eval_model.h"

// `lckv eval --perplexity` and --questions.

namespace lckv::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class EvalPerplexity : public EvalModel {
 protected:
  json score(const std::string& more, const std::string& of = store(),
             const std::string& prefix = "") {
    must("--perplexity " + of + " --max-tokens 600 --json " + path("r.json") + " " + more, prefix);
    return read_json("r.json");
  }
};

TEST_F(EvalPerplexity, IsTheSameExactNumberInEveryForwardMode) {
  const double exact = score("--forward sequential")["loss"];
  EXPECT_NEAR(score("--forward iterate:32")["loss"], exact, 1e-6 * exact);
  EXPECT_NEAR(score("--forward converge:1e-7")["loss"], exact, 1e-6 * exact);
  EXPECT_GT(std::abs(score("--forward iterate:1")["loss"].get<double>() - exact), 1e-6 * exact);
  const json two = score("--forward sequential", store(), mpirun_ranks(2));
  EXPECT_NEAR(two["loss"], exact, 1e-6 * exact);
}

/// config.json's use_sequential.
TEST_F(EvalPerplexity, OfAModelThatAsksForItIsSequentialUnlessToldOtherwise) {
  const auto forward_of = [&](const std::string& folder, const std::string& more = "") {
    const Outcome outcome =
        run_lckv("eval " + folder + " --threads 1 --max-tokens 600 --perplexity " + store() +
                 " --json " + path("r.json") + more);
    return outcome.exit_code == 0 ? std::string(read_json("r.json")["forward"]) : outcome.output;
  };
  ASSERT_EQ(run_lckv("export " + model() + " -o " + path("hf")).exit_code, 0);
  EXPECT_EQ(forward_of(path("hf")), "iterate:4");
  json config = read_json("hf/config.json");
  ASSERT_EQ(config["use_sequential"], false);
  config["use_sequential"] = true;
  write("hf/config.json", config.dump());
  EXPECT_EQ(forward_of(path("hf")), "sequential");
  EXPECT_EQ(forward_of(path("hf"), " --forward iterate"), "iterate:4");
  EXPECT_EQ(forward_of(path("hf"), " --forward iterate:2"), "iterate:2");
  const Outcome again = run_lckv("export " + path("hf") + " -o " + path("again"));
  ASSERT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(read_json("again/config.json")["use_sequential"], true);
  EXPECT_EQ(forward_of(path("again")), "sequential");
}

TEST_F(EvalPerplexity, StatesHowItWasMeasured) {
  const json sliding = score("--perplexity-mode sliding:8");
  EXPECT_EQ(sliding["mode"], "sliding:8");
  EXPECT_EQ(sliding["stride"], 8);
  EXPECT_EQ(sliding["T"], 32);
  EXPECT_EQ(sliding["scored_tokens"], 599);
  EXPECT_EQ(sliding["bos"], "as in the text");
  EXPECT_EQ(sliding["forward"], "iterate:4");
  EXPECT_GT(sliding["work"]["computed_tokens"], 599);
  const json blocks = score("--perplexity-mode llamacpp --sequence-tokens 16");
  EXPECT_EQ(blocks["scored_tokens"], 37 * 7);
  EXPECT_THAT(blocks["bos"], HasSubstr("first token"));
  EXPECT_GT(blocks["perplexity_stderr"], 0.0);
  EXPECT_FALSE(sliding.contains("perplexity_stderr"));
  EXPECT_THAT(must("--perplexity-mode llamacpp --max-tokens 600 --perplexity " + store()),
              testing::ContainsRegex("perplexity [0-9.]+ \\+/- [0-9.]+, loss"));
  EXPECT_THAT(score("")["definition"], HasSubstr("nonoverlap"));
}

TEST_F(EvalPerplexity, OfBlocksDropsTheirFirstTokensAndTheRemainder) {
  for (const char* tokens : {"9", "11"}) {
    const std::string more = std::string("--sequence-tokens 4 --max-tokens ") + tokens;
    must("--perplexity-mode blocks --perplexity " + store() + " --json " + path("r.json") + " " +
         more);
    const json blocks = read_json("r.json");
    EXPECT_EQ(blocks["mode"], "blocks");
    EXPECT_EQ(blocks["scored_tokens"], 6);
    EXPECT_THAT(blocks["definition"], HasSubstr("the first of each not scored"));
    EXPECT_EQ(blocks["bos"], "as in the text");
    must("--perplexity " + store() + " --json " + path("r.json") + " " + more);
    EXPECT_EQ(read_json("r.json")["scored_tokens"], 8) << "nonoverlap";
  }
}

TEST_F(EvalPerplexity, OfATextsDocumentsIsThatOfItsStore) {
  const std::string text =
      write("a.jsonl", R"({"text": "the cat number 1 sat on the mat, and the dog sat too"})"
                       "\n"
                       R"({"text": "the mat"})"
                       "\n");
  ASSERT_EQ(run_lckv("tokenize " + text + " --tokenizer bytes -o " + path("a.h5")).exit_code, 0);
  const json of_text = score("--perplexity-mode rolling", text);
  const json of_store = score("--perplexity-mode rolling", path("a.h5"));
  EXPECT_EQ(of_text["loss"], of_store["loss"]);
  EXPECT_EQ(of_text["scored_tokens"], 52 + 7);
  EXPECT_EQ(of_text["bos"], "in front of every document");
  expect_refused("--perplexity " + text, 3, "a text has no sequences");
}

TEST_F(EvalPerplexity, OfSequencesIsTheSameByRowsAndRoundsLogitsWhereAsked) {
  const json network = score(""), rows = score("--batch-tokens 64");
  EXPECT_FALSE(network.contains("work"));
  EXPECT_EQ(rows["work"]["passes"], 4);
  EXPECT_EQ(rows["scored_tokens"], network["scored_tokens"]);
  EXPECT_NEAR(rows["loss"], network["loss"].get<double>(), 1e-6 * network["loss"].get<double>());
  const json rounded = score("--logits bf16");
  EXPECT_EQ(rounded["logits"], "bf16");
  EXPECT_NE(rounded["loss"], rows["loss"]);
}

TEST_F(EvalPerplexity, RefusesModesThatCannotBe) {
  const std::string start = "--perplexity " + store() + " --perplexity-mode ";
  expect_refused(start + "sliding", 3, "expected nonoverlap, blocks, rolling");
  expect_refused(start + "sliding:33", 3, "a stride is at most T = 32");
  expect_refused(start + "blocks --sequence-tokens 1", 3, "expected at least 2");
  expect_refused(start + "llamacpp --sequence-tokens 3", 3, "expected at least 4");
  expect_refused(start + "rolling --sequence-tokens 65", 3, "max_position_embeddings 64");
  expect_refused("--perplexity " + store() + " --tokenizer bytes", 2, "--tokenizer is for texts");
  expect_refused("--perplexity " + store() + " --forward converge:0", 3, "converge:eps");
}

TEST_F(EvalPerplexity, IsPlannedInADryRun) {
  const std::string said = must("--perplexity " + store() + " --max-tokens 320 --dry-run");
  EXPECT_THAT(said, AllOf(HasSubstr("10 requests, 320 tokens"), HasSubstr("weights ")));
}

TEST_F(EvalPerplexity, QuestionsAreAnsweredAsBefore) {
  // What is longer is less likely as a whole.
  const std::string choices = R"("choices": ["the mat", "a long wooden table by the door"])";
  const std::string file = write(
      "q.jsonl", R"({"query": "the cat sat on", "gold": 0, "kind": "where", )" + choices + "}\n" +
                     R"({"query": "the cat", "gold": 1, "kind": "what", )" + choices + "}\n");
  const std::string said = must("--questions " + file + " --show 1 --json " + path("r.json"));
  EXPECT_THAT(said, AllOf(HasSubstr("the cat sat on\n  >"), HasSubstr("the mat  (right)"),
                          HasSubstr("q.jsonl: 2 questions, chance 0.5000 (forward iterate:4)"),
                          HasSubstr("  all            2  acc 0.5000 +- 0.5000   acc_norm "),
                          HasSubstr("  what           1  acc 0.0000 +- N/A"),
                          HasSubstr("  where          1  acc 1.0000 +- N/A")));
  const json result = read_json("r.json");
  EXPECT_EQ(result["questions"], 2);
  EXPECT_EQ(result["acc"], 0.5);
  EXPECT_EQ(result["bos"], true);
  EXPECT_EQ(result["by_kind"]["where"]["acc"], 1.0);
  EXPECT_EQ(result["by_kind"]["where"]["questions"], 1);
}

}  // namespace
}  // namespace lckv::test
