#include "lckv/eval/results.h"

#include <nlohmann/json.hpp>

#include "harness_documents.h"
#include "lckv/base/error.h"
#include "lckv/eval/sample_log.h"
#include "lckv/test_support/refusal.h"
#include "written_files.h"

namespace lckv::eval {
namespace {

RunOptions short_options() {
  RunOptions options;
  options.max_inputs = 1000;
  options.bootstrap_resamples = 1000;
  return options;
}

using nlohmann::json;
using testing::HasSubstr;

class Results : public WrittenFiles {
 protected:
  void add(const char* task, const std::string& lines) {
    inputs_.push_back({&find_task(task), read(task, lines), {}});
    results_.push_back(run_task(inputs_.back(), *data::bytes_tokenizer(), options_, [](auto rows) {
      std::vector<RequestScore> scores(rows.size());
      for (size_t i = 0; i < rows.size(); ++i) {
        scores[i] = {-1.0 - static_cast<double>(i), i == 0, ""};
      }
      return scores;
    }));
  }

  json written(bool samples_logged = true) const {
    RunFacts facts;
    facts.samples_logged = samples_logged;
    facts.model_name = "runs/lckv:50m";
    facts.engine = {{"lckv_forward", "iterate:9"}, {"compat", "lmeval-0.4.5"}};
    facts.start = std::chrono::system_clock::time_point(std::chrono::seconds(1700000000));
    facts.end = facts.start + std::chrono::seconds(2);
    return json::parse(
        results_json(inputs_, results_, options_, *data::bytes_tokenizer(), facts, 2));
  }

  std::vector<json> sample_lines(size_t task) const {
    std::vector<json> lines;
    std::istringstream text(sample_log(inputs_[task], results_[task]));
    for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
    return lines;
  }

  RunOptions options_ = short_options();
  std::vector<TaskInput> inputs_;
  std::vector<TaskResult> results_;
};

TEST_F(Results, HoldWhatReadersOfTheHarnessLookFor) {
  options_.limit = 2;
  add("piqa", kPiqa);
  add("wikitext", R"({"page": "a b"})");
  const json all = written();
  EXPECT_EQ(all["results"]["piqa"], (json{{"alias", "piqa"},
                                          {"acc,none", 0.5},
                                          {"acc_stderr,none", 0.5},
                                          {"acc_norm,none", 0.5},
                                          {"acc_norm_stderr,none", 0.5}}));
  EXPECT_EQ(all["results"]["wikitext"]["word_perplexity_stderr,none"], "N/A");
  EXPECT_EQ(all["versions"], (json{{"piqa", 1.0}, {"wikitext", 2.0}}));
  EXPECT_EQ(all["n-shot"]["piqa"], 0);
  EXPECT_EQ(all["n-samples"]["piqa"], (json{{"original", 3}, {"effective", 2}}));
  EXPECT_EQ(all["higher_is_better"]["wikitext"]["bits_per_byte"], false);
  EXPECT_EQ(all["configs"]["piqa"]["output_type"], "multiple_choice");
  EXPECT_EQ(all["configs"]["piqa"]["fewshot_delimiter"], "\n\n");
  EXPECT_EQ(all["configs"]["piqa"]["metadata"]["version"], 1.0);
  EXPECT_EQ(all["configs"]["piqa"]["metric_list"][1],
            (json{{"metric", "acc_norm"}, {"aggregation", "mean"}, {"higher_is_better", true}}));
  EXPECT_EQ(all["group_subtasks"]["piqa"], json::array());
  EXPECT_EQ(all["config"]["fewshot_seed"], 1234);
  EXPECT_EQ(all["config"]["limit"], 2.0);
  EXPECT_EQ(all["date"], 1700000000.0);
  EXPECT_EQ(all["tokenizer_bos_token"][1], "256");
  EXPECT_EQ(all["eot_token_id"], 257);
  EXPECT_EQ(all["max_length"], 1000);
  EXPECT_EQ(all["model_name_sanitized"], "runs__lckv__50m");
}

TEST_F(Results, KeepWhatIsOursUnderEngine) {
  add("questions", R"({"query": "1", "choices": ["aa", "b"], "gold": 0, "kind": "k"})");
  const json all = written();
  const std::vector<std::string> known = {"results",
                                          "group_subtasks",
                                          "configs",
                                          "versions",
                                          "n-shot",
                                          "higher_is_better",
                                          "n-samples",
                                          "config",
                                          "git_hash",
                                          "date",
                                          "pretty_env_info",
                                          "transformers_version",
                                          "upper_git_hash",
                                          "tokenizer_pad_token",
                                          "tokenizer_eos_token",
                                          "tokenizer_bos_token",
                                          "eot_token_id",
                                          "max_length",
                                          "task_hashes",
                                          "model_source",
                                          "model_name",
                                          "model_name_sanitized",
                                          "system_instruction",
                                          "system_instruction_sha",
                                          "fewshot_as_multiturn",
                                          "chat_template",
                                          "chat_template_sha",
                                          "start_time",
                                          "end_time",
                                          "total_evaluation_time_seconds",
                                          "engine"};
  std::vector<std::string> keys;
  for (const auto& [key, value] : all.items()) keys.push_back(key);
  EXPECT_THAT(keys, testing::UnorderedElementsAreArray(known));
  EXPECT_EQ(all["engine"]["lckv_forward"], "iterate:9");
  EXPECT_EQ(all["engine"]["tasks"]["questions"]["by_kind"]["k"],
            (json{{"acc,none", 1.0},
                  {"acc_stderr,none", "N/A"},
                  {"acc_norm,none", 1.0},
                  {"acc_norm_stderr,none", "N/A"},
                  {"scored", 1}}));
  EXPECT_EQ(all["engine"]["tasks"]["questions"]["errors"], 0);
  // "1 a" and "1 " are read in two seconds; the last byte of a row is not read.
  EXPECT_EQ(all["engine"]["tokens_per_s"], 2.5);
}

TEST_F(Results, OfATaskWithoutRightAnswersHaveNoMetric) {
  add("questions", R"({"query": "1", "choices": ["aa", "b"]})");
  EXPECT_EQ(written()["results"]["questions"], (json{{"alias", "questions"}}));
  EXPECT_EQ(written()["engine"]["tasks"]["questions"]["scored"], 0);
}

TEST_F(Results, RefuseATaskThatIsAskedTwice) {
  add("piqa", kPiqa);
  add("piqa", kPiqa);
  test::expect_refusal<ConfigError>([&] { written(); }, "task piqa is asked twice");
}

TEST_F(Results, HashesOfATaskAreTheHarnessesAndChangeWithAPrompt) {
  add("arc_easy", kArc);
  // SHA-256 over json.dumps(doc, indent=2, ensure_ascii=False), the first prompt and the target.
  constexpr const char* kHash = "3d2d3efe1f7b22303cd27e940e53721d9f78ec564230e9feb47e507555df0e92";
  EXPECT_EQ(written()["task_hashes"]["arc_easy"], kHash);
  EXPECT_EQ(written(false)["task_hashes"], json::object());
  results_[0].samples[1].prefix = "Question: ";
  EXPECT_NE(task_hash(inputs_[0], results_[0]), kHash);
}

TEST_F(Results, SamplesShowWhatWasAskedAndAnswered) {
  add("arc_easy", kArc);
  const auto lines = sample_lines(0);
  ASSERT_EQ(lines.size(), 3u);
  const json& line = lines[0];
  EXPECT_EQ(line["doc_id"], 0);
  EXPECT_EQ(line["doc"]["question"], "Which is a metal?");
  EXPECT_EQ(line["target"], "0");
  EXPECT_EQ(line["arguments"]["gen_args_2"],
            (json{{"arg_0", "Question: Which is a metal?\nAnswer:"}, {"arg_1", " salt"}}));
  EXPECT_EQ(line["resps"],
            json::parse(R"([[["-1.0","True"]],[["-2.0","False"]],[["-3.0","False"]]])"));
  EXPECT_EQ(line["filtered_resps"],
            json::parse(R"([["-1.0","True"],["-2.0","False"],["-3.0","False"]])"));
  EXPECT_EQ(line["doc_hash"], "35bdb45581b5ea2d198723ed4ac2fd16cb1514d22303623547c5a40bf7796cb5");
  EXPECT_EQ(line["prompt_hash"],
            "61730cd969b00219d03b8195058c347bc9436cc93e5d54ac660c20ee8abafb62");
  EXPECT_EQ(line["target_hash"],
            "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9");
  EXPECT_EQ(line["acc"], 1.0);
  EXPECT_TRUE(line.contains("acc_norm"));
  EXPECT_FALSE(line.contains("error"));
}

TEST_F(Results, DocumentsAreHashedWithWhatTheTaskMadeOfThem) {
  add("hellaswag", kHellaswag);
  add("openbookqa", kOpenbookqa);
  add("winogrande", kWinogrande);
  EXPECT_EQ(sample_lines(0)[0]["doc_hash"],
            "1af926afb9e132ac0b504c45f4ec48561e1ff6f7ecf7268bec7d7d2227c2c4a3");
  EXPECT_EQ(sample_lines(1)[2]["doc_hash"],
            "abfd333ea2798247b4d34e1ef34b9cc1070a71e408b2b27356e53dd6c0fb7031");
  EXPECT_EQ(sample_lines(2)[1]["target"], ", it was too “big”.");
  EXPECT_EQ(sample_lines(2)[1]["target_hash"],
            "6e396a5b8784d6f4da7ee0ef73feb16425e69caa49bae69d069c9d03ff006b74");
}

TEST_F(Results, SamplesOfPagesHaveOneArgumentAndTheirCounts) {
  add("wikitext", R"({"page": "a , b"})");
  const json line = sample_lines(0)[0];
  EXPECT_EQ(line["arguments"], (json{{"gen_args_0", {{"arg_0", "a, b"}}}}));
  EXPECT_EQ(line["resps"], json::parse(R"([["-1.0"]])"));
  EXPECT_EQ(line["word_perplexity"], json::parse("[-1.0, 3]"));
  EXPECT_EQ(line["bits_per_byte"], json::parse("[-1.0, 5]"));
  EXPECT_EQ(line["prompt_hash"], line["target_hash"]);
}

TEST_F(Results, ASampleWithoutAScoreSaysWhyAndHasNoMetric) {
  options_.max_inputs = 12;
  add("piqa", kPiqa);
  const json line = sample_lines(0)[0];
  EXPECT_THAT(line["error"].get<std::string>(), HasSubstr("tokens, expected 1 to 12"));
  EXPECT_FALSE(line.contains("acc"));
  EXPECT_EQ(line["filtered_resps"][0], nullptr);
  EXPECT_EQ(written()["engine"]["tasks"]["piqa"]["errors"], 2);
  EXPECT_THAT(written()["engine"]["tasks"]["piqa"]["first_error"].get<std::string>(),
              HasSubstr("d.jsonl:2: "));
}

}  // namespace
}  // namespace lckv::eval
