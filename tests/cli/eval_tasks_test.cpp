#include <map>

#include "eval_model.h"

// `lckv eval --tasks` from files as people have them to what is printed and written.

namespace lckv::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Two or three documents of each task, with choices that the tiny model can hold.
const std::map<std::string, std::string> kFiles = {
    {"hellaswag.jsonl",
     R"({"ind":4,"activity_label":"Ice","ctx_a":"A man sits.","ctx_b":"the DJ plays","ctx":"x","endings":["and [step] leaves.","on  ice [title] Then he goes.","nothing.","the cat"],"source_id":"s","split":"val","split_type":"indomain","label":"3"}
{"ind":5,"activity_label":"Cooking","ctx_a":"[header] How to","ctx_b":"","ctx":"x","endings":["a","bb","ccc","dddd"],"source_id":"s","split":"val","split_type":"indomain","label":1}
)"},
    {"openbookqa/test.jsonl",
     R"({"id":"a","question_stem":"The sun is","choices":{"text":["hot","cold","wet","flat"],"label":["A","B","C","D"]},"answerKey":"A"}
{"id":"c","question":{"stem":"A cat has","choices":[{"text":"four legs","label":"A"},{"text":"two","label":"B"},{"text":"three","label":"C"},{"text":"none","label":"D"}]},"answerKey":"B"}
)"},
    {"winogrande_validation.jsonl",
     R"({"sentence":"Sarah beat Maria so _ got the cup.","option1":"Sarah","option2":"Maria","answer":"1"}
{"sentence":"The cup did not fit the _ .","option1":"box","option2":"bag","answer":"2"}
)"},
    {"ARC-Easy-Test.jsonl",
     R"({"id":"1","question":"Which is a metal?","choices":{"text":["iron","wood","salt"],"label":["A","B","C"]},"answerKey":"A"}
{"id":"2","question":"2 + 2 = ?","choices":{"text":["3","4","5","6","22"],"label":["1","2","3","4","5"]},"answerKey":"2"}
{"id":"3","question":"Who sat on the mat?","choices":{"text":["the cat","a dog"],"label":["A","B"]},"answerKey":"A"}
)"},
    {"arc_easy_train.jsonl",
     R"({"id":"t1","question":"Is it?","choices":{"text":["yes","no"],"label":["A","B"]},"answerKey":"B"}
{"id":"t2","question":"Was it?","choices":{"text":["yes","no"],"label":["A","B"]},"answerKey":"A"}
)"},
    {"boolq.jsonl",
     R"({"question":"is a cat a pet","passage":"Cat -- A cat is a pet.","idx":0,"label":1}
{"question":"is ice hot","passage":"Ice -- Ice is cold.","idx":1,"label":0}
)"},
    {"piqa/valid.jsonl",
     R"({"goal":"Cut bread","sol1":"with a knife","sol2":"with a spoon"}
{"goal":"Boil eggs","sol1":"in oil","sol2":"in water"}
)"},
    {"piqa/valid-labels.lst", "0\n1\n"},
    {"sciq.jsonl",
     R"({"question":"What do bees make?","distractor1":"milk","distractor2":"silk","distractor3":"oil","correct_answer":"honey","support":""}
{"question":"What falls?","distractor1":"up","distractor2":"sky","distractor3":"sun","correct_answer":"rain","support":"Rain falls."}
)"},
    {"lambada_openai.jsonl",
     "{\"text\": \"the cat sat on the mat\"}\n{\"text\": \"the cat number one sat\"}\n"},
    {"wikitext_test.jsonl",
     "{\"page\": \" = Cats = \\n The cat sat . \\n\"}\n{\"page\": \"A b\"}\n"},
};

constexpr const char* kAllTasks =
    "hellaswag,openbookqa,winogrande,arc_easy,boolq,piqa,sciq,lambada_openai,wikitext";

class EvalTasks : public EvalModel {
 protected:
  EvalTasks() {
    for (const auto& [name, text] : kFiles) write("data/" + name, text);
  }
  std::string data() const { return " --task-data " + path("data") + " "; }
  std::string tasks(const std::string& names) const { return "--tasks " + names + data(); }
};

TEST_F(EvalTasks, OfEveryRawFormatAreAskedPrintedAndWritten) {
  const std::string said = must(tasks(kAllTasks) + "--output_path " + path("out") +
                                " --log_samples --bootstrap-iters 1000 --json " + path("r.json"));
  EXPECT_THAT(said, AllOf(HasSubstr("|Version|Filter|n-shot|"), HasSubstr("hellaswag"),
                          HasSubstr("word_perplexity"), HasSubstr("|±  |"),
                          HasSubstr("mean of 7 tasks: acc "), HasSubstr("forward iterate:4"),
                          HasSubstr("arc_easy: 3 documents of "), HasSubstr(" shared)")));
  const std::vector<std::string> lines = lines_of("results_");
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  const json results = json::parse(text);
  for (const char* key : {"results", "group_subtasks", "configs", "versions", "n-shot",
                          "higher_is_better", "n-samples", "config", "git_hash", "date",
                          "max_length", "task_hashes", "model_name", "start_time", "engine"}) {
    EXPECT_TRUE(results.contains(key)) << key;
  }
  for (const char* task : {"hellaswag", "openbookqa", "arc_easy", "piqa", "sciq"}) {
    for (const char* metric : {"acc,none", "acc_stderr,none", "acc_norm,none"}) {
      EXPECT_TRUE(results["results"][task][metric].is_number()) << task << metric;
    }
  }
  EXPECT_FALSE(results["results"]["winogrande"].contains("acc_norm,none"));
  EXPECT_GT(results["results"]["lambada_openai"]["perplexity_stderr,none"], 0.0);
  EXPECT_EQ(results["results"]["wikitext"]["bits_per_byte_stderr,none"], "N/A");
  EXPECT_EQ(results["n-samples"]["arc_easy"], (json{{"original", 3}, {"effective", 3}}));
  EXPECT_EQ(results["engine"]["lckv_forward"], "iterate:4");
  EXPECT_EQ(results["engine"]["compat"], "lmeval-0.4.5");
  EXPECT_EQ(results["engine"]["logits"], "fp32");
  EXPECT_EQ(results["config"]["model_dtype"], "float32");
  EXPECT_EQ(results["task_hashes"]["piqa"].get<std::string>().size(), 64u);

  const std::vector<std::string> samples = lines_of("samples_hellaswag_");
  ASSERT_EQ(samples.size(), 2u);
  const json first = json::parse(samples[0]);
  EXPECT_EQ(first["arguments"]["gen_args_1"]["arg_0"], "Ice: A man sits. The dj plays");
  EXPECT_EQ(first["arguments"]["gen_args_1"]["arg_1"], " on ice. Then he goes.");
  EXPECT_EQ(first["target"], "3");
  EXPECT_EQ(first["resps"].size(), 4u);

  const json own = read_json("r.json");
  EXPECT_EQ(own["tasks"]["arc_easy"]["acc"], results["results"]["arc_easy"]["acc,none"]);
  EXPECT_EQ(own["work"]["requests"], 8 + 8 + 4 + 10 + 4 + 4 + 8 + 2 + 2);
  EXPECT_LT(own["work"]["computed_tokens"], own["work"]["row_tokens"]);
  EXPECT_EQ(own["work"]["passes"], 4);
}

TEST_F(EvalTasks, MayBeNamedApartAndWithFilesOfTheirOwn) {
  const std::string apart = must(tasks("piqa boolq"));
  EXPECT_THAT(apart, AllOf(HasSubstr("|boolq"), HasSubstr("|piqa")));
  EXPECT_LT(apart.find("|piqa"), apart.find("|boolq"));
  EXPECT_THAT(must("--task-file sciq=" + path("data/sciq.jsonl")), HasSubstr("|sciq"));
  EXPECT_THAT(must(tasks("'sciq, piqa'") + "--task-file sciq=" + path("data/sciq.jsonl")),
              AllOf(HasSubstr("|sciq"), HasSubstr("|piqa")));
}

TEST_F(EvalTasks, AreLimitedToTheirFirstDocuments) {
  for (const char* limit : {"2", "0.4"}) {
    must(tasks("arc_easy") + "--output " + path("r.json") + " --limit " + limit);
    EXPECT_EQ(read_json("r.json")["n-samples"]["arc_easy"],
              (json{{"original", 3}, {"effective", 2}}));
  }
  expect_refused(tasks("arc_easy") + "--limit 1.5", 3, "limit 1.5: expected a number");
}

TEST_F(EvalTasks, TakeExamplesFromTheTrainingSplit) {
  must(tasks("arc_easy") + "--num_fewshot 1 --limit 1 --log-samples --output " + path("out"));
  const json sample = json::parse(lines_of("samples_arc_easy_").at(0));
  EXPECT_THAT(sample["arguments"]["gen_args_0"]["arg_0"].get<std::string>(),
              testing::MatchesRegex("Question: (Is|Was) it\\?\nAnswer: (yes|no)\n\n"
                                    "Question: Which is a metal\\?\nAnswer:"));
  must(tasks("arc_easy") +
       "--num-fewshot 2 --fewshot-file arc_easy=" + path("data/arc_easy_train.jsonl"));
  expect_refused(tasks("arc_easy") + "--num-fewshot 3", 4, "the training split has 2");
  expect_refused(tasks("piqa") + "--num-fewshot 1", 5, "no training documents of task piqa");
  expect_refused(tasks("wikitext") + "--num-fewshot 1", 3, "takes no examples");
}

/// Every log-probability of a task's samples, and the picks.
struct Scores {
  std::vector<double> lls;
  std::vector<double> accs;
};

Scores scores_of(const std::vector<std::string>& lines) {
  Scores scores;
  for (const std::string& line : lines) {
    const json sample = json::parse(line);
    for (const json& response : sample["filtered_resps"]) {
      scores.lls.push_back(std::stod(response[0].get<std::string>()));
    }
    scores.accs.push_back(sample["acc"]);
  }
  return scores;
}

TEST_F(EvalTasks, HaveEqualScoresWithAndWithoutSharedPrefixesAndOnSeveralRanks) {
  const std::string asked = tasks("arc_easy") + "--log-samples --output ";
  must(asked + path("one"));
  const Scores one = scores_of(lines_of("samples_arc_easy_"));
  ASSERT_EQ(one.lls.size(), 10u);
  const std::map<std::string, std::string> others = {
      {"--no-share-prefixes", ""},
      {"--batch-tokens 40", mpirun_ranks(2)},
      {"--tensor 2", mpirun_ranks(2)},
      {"--tensor 2 --no-share-prefixes", mpirun_ranks(4)}};
  for (const auto& [more, prefix] : others) {
    std::filesystem::remove_all(folder_ / "one");
    must(asked + path("one") + " " + more, prefix);
    const Scores other = scores_of(lines_of("samples_arc_easy_"));
    ASSERT_EQ(other.lls.size(), one.lls.size());
    for (size_t i = 0; i < one.lls.size(); ++i) {
      EXPECT_NEAR(other.lls[i], one.lls[i], 1e-6 * -one.lls[i]) << more;
    }
    EXPECT_EQ(other.accs, one.accs) << more;
  }
}

TEST_F(EvalTasks, AreComparedOverRanks) {
  write("other.jsonl", R"({"goal":"Cut","sol1":"a","sol2":"b","label":0})");
  const std::string start = "eval " + model() + " --threads 1 --precision fp32 --task-file piqa=";
  const Outcome outcome = run_lckv(start + path("data/piqa/valid.jsonl") + " : -n 1 " +
                                       LCKV_BINARY + " " + start + path("other.jsonl"),
                                   mpirun_ranks(1));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("rank 1 ("), HasSubstr("what is asked differs"),
                                    HasSubstr("1 of piqa")));
}

TEST_F(EvalTasks, HaveOtherScoresInAnotherForwardMode) {
  const auto lls = [&](const std::string& mode) {
    std::filesystem::remove_all(folder_ / "out");
    must(tasks("arc_easy") + "--log-samples --output " + path("out") + " --lckv-forward " + mode);
    return scores_of(lines_of("samples_arc_easy_")).lls;
  };
  const auto exact = lls("sequential"), many = lls("iterate:64"), near = lls("converge:1e-7");
  const auto few = lls("iterate:1");
  double differs = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_NEAR(many[i], exact[i], 1e-5 * -exact[i]);
    EXPECT_NEAR(near[i], exact[i], 1e-5 * -exact[i]);
    differs = std::max(differs, std::abs(few[i] - exact[i]));
  }
  EXPECT_GT(differs, 1e-4);
}

TEST_F(EvalTasks, RoundLogitsWhereAsked) {
  must(tasks("piqa") + "--logits bf16 --compat lmeval-head --output " + path("r.json"));
  const json engine = read_json("r.json")["engine"];
  EXPECT_EQ(engine["logits"], "bf16");
  EXPECT_EQ(engine["compat"], "lmeval-head");
}

TEST_F(EvalTasks, ThatCannotBeAskedAreNamedAndEndInExitCode4) {
  write("data/sciq.jsonl",
        kFiles.at("sciq.jsonl") + R"({"question":"Long?","distractor1":")" + std::string(80, 'x') +
            R"(","distractor2":"a","distractor3":"b","correct_answer":"c","support":""})");
  const Outcome outcome = eval(tasks("sciq,piqa") + "--log-samples --output " + path("out"));
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("sciq: 1 of 3 documents could not be scored"),
                    HasSubstr("sciq.jsonl:3: "), HasSubstr("81 tokens"), HasSubstr("|piqa")));
  EXPECT_EQ(lines_of("samples_sciq_").size(), 3u);
  EXPECT_THAT(lines_of("samples_sciq_").back(), HasSubstr("\"error\""));
}

TEST_F(EvalTasks, ComputeNothingInADryRun) {
  const std::string said =
      must(tasks("arc_easy,wikitext") + "--dry-run --json " + path("plan.json"));
  EXPECT_THAT(said, AllOf(HasSubstr("arc_easy: 10 requests, "), HasSubstr("of them to compute"),
                          HasSubstr("memory of each rank: weights "), Not(HasSubstr("n-shot"))));
  const json plan = read_json("plan.json")["tasks"]["arc_easy"];
  EXPECT_LT(plan["computed_tokens"], plan["row_tokens"]);
  EXPECT_GT(plan["scoring_bytes"], 0);
  must(tasks("arc_easy") + "--json " + path("r.json"));
  const json work = read_json("r.json")["work"];
  EXPECT_EQ(plan["row_tokens"], work["row_tokens"]);
  EXPECT_EQ(plan["computed_tokens"], work["computed_tokens"]);
}

TEST_F(EvalTasks, AreRefusedWithWhatIsWrong) {
  expect_refused(tasks("helaswag"), 3, "there is no task 'helaswag'; did you mean 'hellaswag'?");
  expect_refused(tasks("arc_challenge"), 5, "no documents of task arc_challenge: looked for ");
  for (const char* none : {"''", "' '"}) {
    expect_refused(tasks(none), 2, "--tasks names no task");
  }
  expect_refused("--tasks piqa", 2, "task piqa: where are its documents?");
  expect_refused("--tasks piqa --task-data " + path("missing"), 5, "missing: no such folder");
  expect_refused("--task-file piqa=" + path("missing.jsonl"), 5, "missing.jsonl");
  expect_refused("--task-file piqa", 2, "--task-file 'piqa': expected TASK=FILE");
  expect_refused(tasks("piqa") + "--task-file sciq=x", 2, "not among those of --tasks");
  expect_refused(tasks("piqa,piqa"), 2, "task piqa is asked twice");
  expect_refused(tasks("piqa") + "--questions " + path("data/sciq.jsonl"), 2, "--questions");
  expect_refused(tasks("piqa") + "--perplexity " + store(), 2, "commands of their own");
  expect_refused("--perplexity " + store() + " --limit 1", 2, "are for tasks");
  expect_refused(tasks("piqa") + "--log-samples", 2, "--log-samples needs --output FOLDER");
  expect_refused(tasks("piqa") + "--compat lmeval-9", 2, "lmeval-head");
  expect_refused("", 2, "name what to score");
}

TEST_F(EvalTasks, OfFilesWithMistakesAreRefusedAtTheirLines) {
  const auto refused = [&](const std::string& task, const std::string& text,
                           const std::string& message) {
    const std::string file = write("bad.jsonl", text);
    expect_refused("--task-file " + task + "=" + file, 4, file + message);
  };
  const std::string good = R"({"goal":"Cut","sol1":"a","sol2":"b","label":0})";
  refused("piqa", good + "\n" + R"({"goal":"Cut","sol1":"a","label":0})",
          ":2: field 'sol2' is missing");
  refused("piqa", good + "\n" + R"({"goal":"Cut","sol1":"a","sol2":"b","label":"x"})",
          ":2: field 'label'");
  refused("arc_easy", R"({"question":"q","choices":{"text":[],"label":[]},"answerKey":"A"})",
          ":1: ");
  refused("piqa", good + "\n{\"goal\":\"\xFF\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":0}", ":");
  refused("questions", R"({"query": "A", "choices": ["b", ""]})",
          ":1: field 'choices': choice 1 is empty");
}

TEST_F(EvalTasks, NeedATokenizer) {
  const std::string folder = path("hf");
  ASSERT_EQ(run_lckv("export " + model() + " -o " + folder + " --dtype fp32").exit_code, 0);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name != "config.json" && !name.ends_with(".safetensors")) {
      std::filesystem::remove(entry.path());
    }
  }
  const std::string arguments = "eval " + folder + " --threads 1 --precision fp32 " + tasks("piqa");
  const Outcome outcome = run_lckv(arguments);
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("--tokenizer"));
  const Outcome named = run_lckv(arguments + "--tokenizer bytes");
  EXPECT_EQ(named.exit_code, 0) << named.output;
}

}  // namespace
}  // namespace lckv::test
