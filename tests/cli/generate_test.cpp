#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

// `lckv generate` as a user runs it.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Runs the program; stdout alone, stderr in a file beside.
struct Separated {
  int exit_code;
  std::string out, err;
};

/// A tiny model of byte tokens in a folder of the test's own.
class Generate : public testing::Test {
 protected:
  Generate() : folder_(fresh_folder("generate_" + test_name())) {
    tiny_store(folder_);
    train(6);
  }
  /// Some 150 steps teach it to write about cats.
  void train(int steps) {
    fs::remove_all(folder_ / "run");
    const Outcome trained =
        run_lckv("train " + tiny_run_file(folder_) + " --set train.steps=" + std::to_string(steps) +
                 " --set train.sequences_per_step=8 --set optimizer.lr=0.01");
    EXPECT_EQ(trained.exit_code, 0) << trained.output;
  }
  static std::string test_name() {
    std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(name.begin(), name.end(), '/', '_');
    return name;
  }
  const fs::path& folder() const { return folder_; }
  std::string run() const { return (folder() / "run").string(); }
  std::string command(const std::string& more) const {
    return "generate " + run() + " --threads 1 --precision fp32 " + more;
  }
  Separated generate(const std::string& more) const {
    const fs::path out = folder() / "out", err = folder() / "err";
    const Outcome outcome = run_lckv(
        command(more) + " >" + out.string() + " 2>" + err.string() + "; exit $?", "timeout 60");
    return {outcome.exit_code, content(out), content(err)};
  }
  static std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static json line_of(const Separated& done) {
    const std::vector<json> all = lines(done.out);
    EXPECT_EQ(all.size(), 1U) << done.err;
    return all.empty() ? json::object() : all[0];
  }
  static std::vector<json> lines(const std::string& text) {
    std::vector<json> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.push_back(json::parse(line));
    return all;
  }

 private:
  fs::path folder_;
};

TEST_F(Generate, ContinuesOnePromptAsAStreamAndWholeAlike) {
  const Separated streamed = generate("--prompt 'the cat' -n 20");
  EXPECT_EQ(streamed.exit_code, 0) << streamed.err;
  EXPECT_THAT(streamed.out, testing::StartsWith("the cat"));
  EXPECT_THAT(streamed.err,
              AllOf(HasSubstr("tokens/s"), HasSubstr("KV cache"), HasSubstr("seed 42")));
  const Separated whole = generate("--prompt 'the cat' -n 20 --no-stream");
  EXPECT_EQ(whole.out, streamed.out);
  EXPECT_NE(generate("--prompt 'the cat' -n 20 --seed 43").out, streamed.out);
}

TEST_F(Generate, WritesALineForEverySampleInOrderWhateverTheBatch) {
  write_file(
      folder() / "prompts.jsonl",
      "{\"prompt\": \"the cat\"}\n{\"prompt\": \"a mat, and\\nmore\"}\n{\"prompt\": \"\"}\n");
  const std::string asked = "--prompt first --prompts " + (folder() / "prompts.jsonl").string() +
                            " --samples 2 -n 12 --logprobs 2 --json";
  const Separated all = generate(asked);
  ASSERT_EQ(all.exit_code, 0) << all.err;
  const std::vector<json> ours = lines(all.out);
  ASSERT_EQ(ours.size(), 8U);
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i]["index"], i / 2);
    EXPECT_EQ(ours[i]["sample"], i % 2);
    EXPECT_EQ(ours[i]["logprobs"].size(), ours[i]["tokens"].size());
    EXPECT_EQ(ours[i]["logprobs"][0]["top"].size(), 2U);
    EXPECT_EQ(ours[i]["timings"]["predicted_n"], ours[i]["tokens"].size());
    EXPECT_EQ(ours[i]["seed"], 42);
    EXPECT_EQ(ours[i]["truncated"], false);
    EXPECT_EQ(ours[i]["prefill"], "iterate:4");
    EXPECT_GT(ours[i]["kv_bytes"], 0);
    EXPECT_THAT(ours[i]["stop_type"], testing::AnyOf("limit", "eos"));
  }
  EXPECT_EQ(ours[4]["prompt"], "a mat, and\nmore");
  EXPECT_EQ(ours[0]["timings"]["prompt_n"], 6);  // BOS
  const std::string file = (folder() / "out.jsonl").string();
  ASSERT_EQ(generate(asked.substr(0, asked.size() - 6) + " --batch 1 -o " + file).exit_code, 0);
  const std::vector<json> single = lines(content(file));
  ASSERT_EQ(single.size(), ours.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(single[i]["text"], ours[i]["text"]) << i;
    EXPECT_EQ(single[i]["tokens"], ours[i]["tokens"]) << i;
  }
}

TEST_F(Generate, TakesAPromptFromEveryLineOfAText) {
  write_file(folder() / "prompts.txt", "one\ntwo\n");
  const Separated done = generate("--prompts " + (folder() / "prompts.txt").string() + " -n 3");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("== prompt 1, sample 1 ==\none"),
                              HasSubstr("== prompt 2, sample 1 ==\ntwo")));
}

TEST_F(Generate, EndsAtAStopStringWithoutIt) {
  train(150);
  const json free_run = line_of(generate("--prompt a -n 40 --json --temperature 0"));
  const std::string text = free_run["text"];
  ASSERT_GT(text.size(), 8U);
  const std::string stop = text.substr(5, 2);
  const json stopped =
      line_of(generate("--prompt a -n 40 --json --temperature 0 --stop '" + stop + "'"));
  EXPECT_EQ(stopped["stop_type"], "word");
  EXPECT_EQ(stopped["stopping_word"], stop);
  EXPECT_EQ(stopped["text"], text.substr(0, text.find(stop)));
  const json never =
      line_of(generate("--prompt a -n 5 --json --temperature 0 --stop 'never to come'"));
  EXPECT_EQ(never["stop_type"], "limit");
  EXPECT_EQ(never["text"], text.substr(0, 5));
}

TEST_F(Generate, FillsTheContextUnlessToldAndGoesBeyondItWithAWindow) {
  // 64 positions: BOS, 9 bytes, 54 new ones.
  json line = line_of(generate("--prompt 'a prompt.' --json --ignore-eos"));
  EXPECT_EQ(line["tokens"].size(), 54U);
  EXPECT_EQ(line["stop_type"], "limit");
  line = lines(
      generate("--prompt 'a prompt.' --json --ignore-eos -n 100 --window 32 --sinks 2").out)[0];
  EXPECT_EQ(line["tokens"].size(), 100U);
  EXPECT_EQ(line["truncated"], true);
}

TEST_F(Generate, ExactAndIteratedPrefillAreNamed) {
  const std::string asked = "--prompt 'the cat number 7 sat on' --json -n 8 --prefill ";
  const json exact = line_of(generate(asked + "exact"));
  EXPECT_EQ(exact["prefill"], "exact");
  const json enough = line_of(generate(asked + "iterate:24"));
  EXPECT_EQ(enough["prefill"], "iterate:24");
  EXPECT_EQ(enough["tokens"], exact["tokens"]);
  EXPECT_EQ(line_of(generate(asked + "iterate:2 --prefill-chunk 8"))["prefill"],
            "iterate:2, chunks of 8");
}

TEST_F(Generate, WaitsForMemoryWhereItIsShort) {
  write_file(folder() / "many.txt", "one\ntwo\nthree\nfour\nfive\nsix\n");
  const std::string asked = "--prompts " + (folder() / "many.txt").string() + " -n 40 --json";
  const std::vector<json> all = lines(generate(asked).out);
  const Separated less = generate(asked + " --memory 150KB");
  ASSERT_EQ(less.exit_code, 0) << less.err;
  const std::vector<json> waited = lines(less.out);
  ASSERT_EQ(waited.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(waited[i]["tokens"], all[i]["tokens"]);
  const Separated none = generate(asked + " --memory 1000");
  EXPECT_EQ(none.exit_code, 3);
  EXPECT_THAT(none.err, HasSubstr("one sequence at a time needs"));
}

struct Bad {
  std::string name, arguments;
  int exit_code;
  std::string message;
};

class BadGenerate : public Generate, public testing::WithParamInterface<Bad> {};

TEST_P(BadGenerate, IsRefusedBeforeAnythingIsPrinted) {
  write_file(folder() / "broken.txt", "good\nbad \xff here\n");
  write_file(folder() / "broken.jsonl", "{\"prompt\": \"x\"}\n{\"text\": \"y\"}\n");
  std::string arguments = GetParam().arguments;
  if (const size_t at = arguments.find("FOLDER"); at != std::string::npos) {
    arguments.replace(at, 6, folder().string());
  }
  const Separated outcome = generate(arguments);
  EXPECT_EQ(outcome.exit_code, GetParam().exit_code) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(GetParam().message));
  EXPECT_EQ(outcome.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    Arguments, BadGenerate,
    testing::Values(
        Bad{"no_prompt", "", 2, "--prompt TEXT or --prompts FILE"},
        Bad{"too_long", "--prompt 'a prompt' -n 60", 3, "max_position_embeddings 64"},
        Bad{"no_token", "--prompt '' --no-bos", 4, "has no token"},
        Bad{"prompt_not_utf8", "--prompt $(printf '\\377')", 4, "byte 0 is not UTF-8"},
        Bad{"file_not_utf8", "--prompts FOLDER/broken.txt", 4, "line 2"},
        Bad{"no_field", "--prompts FOLDER/broken.jsonl", 4, "no field \"prompt\""},
        Bad{"no_file", "--prompts FOLDER/missing.txt", 5, "missing.txt"},
        Bad{"other_file", "--prompts FOLDER/run.yaml", 4, "run.yaml"},
        Bad{"sampler", "--prompt a --samplers 'top_k;temprature'", 3, "did you mean 'temperature'"},
        Bad{"unused", "--prompt a --samplers temperature --top-k 3", 3, "does not have 'top_k'"},
        Bad{"top_p", "--prompt a --top-p 1.5", 3, "--top-p 1.5"},
        Bad{"temperature", "--prompt a --temperature -1", 3, "--temperature -1"},
        Bad{"prefill", "--prompt a --prefill iterate:0", 3, "iterate:0"},
        Bad{"sinks", "--prompt a --sinks 4", 3, "sinks without a window"},
        Bad{"window", "--prompt a --window 65 -n 5", 3, "65"},
        Bad{"stop_id", "--prompt a --stop-id 999", 3, "outside the vocabulary [0, 258)"},
        Bad{"stop", "--prompt a --stop ''", 3, "--stop"},
        Bad{"least", "--prompt a -n 3 --min-new-tokens 4", 3, "at least 4"},
        Bad{"stream", "--prompt a --prompt b --stream", 2, "--stream"},
        Bad{"stream_json", "--prompt a --json --stream", 2, "--stream"},
        Bad{"tokenizer", "--prompt a --tokenizer FOLDER/missing.model", 5, "missing.model"}),
    [](const auto& test) { return test.param.name; });

TEST_F(Generate, RefusesAModelWithoutATokenizer) {
  const std::string hf = (folder() / "hf").string();
  ASSERT_EQ(run_lckv("export " + run() + " -o " + hf + " --dtype fp32").exit_code, 0);
  fs::remove(folder() / "hf" / "tokenizer_config.json");
  const Outcome outcome = run_lckv("generate " + hf + " --prompt a --threads 1 -n 3");
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("--tokenizer"));
  EXPECT_EQ(run_lckv("generate " + hf + " --prompt a --threads 1 -n 3 --tokenizer bytes").exit_code,
            0);
}

TEST_F(Generate, PrintsWhatIsThereWhenItIsInterrupted) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const fs::path log = folder() / "log";
    const auto writing = [&] { return content(log).find("the cat") != std::string::npos; };
    fs::remove(log);
    const Outcome outcome = run_and_signal(
        command("--prompt 'the cat' -n 1000000 --ignore-eos --window 32"), signal, writing, log);
    EXPECT_EQ(outcome.exit_code, 130) << outcome.output;
    EXPECT_THAT(outcome.output, AllOf(HasSubstr("the cat"), HasSubstr("tokens/s"),
                                      HasSubstr("interrupted; 1 of 1")));
  }
}

}  // namespace
}  // namespace lckv::test
