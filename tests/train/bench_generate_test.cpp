#include "lckv/train/bench_generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lckv/test_support/refusal.h"
#include "lckv/test_support/test_network.h"

namespace lckv::train {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

GenerateSubject subject_of(const std::string& layer_types) {
  config::ModelConfig config = test::small_config("0_3_3_3_4");
  config.max_position_embeddings = 64;
  return with_layout("runs/tiny.yaml", config, layer_types);
}

BenchGenerateSettings small_settings() {
  BenchGenerateSettings settings;
  settings.subjects = {subject_of("config"), subject_of("llama")};
  settings.tests = GenerateTests{.prompts = {20}, .generates = {9}, .also_shared = true}.list();
  settings.batches = {1, 3};
  settings.repetitions = 3;
  settings.rate_bytes = 1 << 16;
  settings.rate_s = 1e-4;
  return settings;
}

const BenchGenerateResult& small_result() {
  static const BenchGenerateResult result = bench_generate(small_settings());
  return result;
}

std::string written(GenerateFormat format) {
  GenerateWriter writer(format, small_settings());
  std::string text = writer.begin(small_result().machine, {});
  for (const GenerateRow& row : small_result().rows) text += writer.row(row);
  return text + writer.end(small_result().rows);
}

bool is_near(double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(b); }

int64_t in_pages(int64_t tokens) { return (tokens + 15) / 16 * 16; }

/// Tokens with a place in the cache at a row's end, in whole pages.
int64_t page_tokens(const Json& row) {
  const int64_t prompt = row["n_prompt"], generated = row["n_gen"], batch = row["batch"];
  const int64_t tokens = prompt + generated - (prompt > 0 && generated > 0 ? 1 : 0);
  if (!row["shared_prompt"]) return batch * in_pages(tokens);
  return in_pages(tokens) + (batch - 1) * (in_pages(tokens) - prompt / 16 * 16);
}

/// What a row's figures have to do with each other: its rates with its samples, its keys and values
/// with its tokens.
bool holds(const Json& row) {
  const int64_t prompts = row["shared_prompt"] ? 1 : row["batch"].get<int64_t>();
  const double prompt = row["n_prompt"], generated = row["n_gen"], batch = row["batch"];
  const double tokens = double(prompts) * prompt + batch * generated;
  const auto ns = row["samples_ns"].get<std::vector<double>>();
  const auto ts = row["samples_ts"].get<std::vector<double>>();
  bool good = ns.size() == 3 && ts.size() == 3;
  for (size_t i = 0; good && i < ns.size(); ++i) {
    good = std::abs(ts[i] * ns[i] / 1e9 - tokens) < 1e-3 * tokens;  // ns are cut off
  }
  const double mean = std::accumulate(ts.begin(), ts.end(), 0.0) / 3;
  double squares = 0;
  for (const double rate : ts) squares += (rate - mean) * (rate - mean);
  good = good && is_near(row["avg_ts"], mean) &&
         is_near(row["stddev_ts"], std::sqrt(squares / 2)) &&
         is_near(row["total_tokens_per_s"], mean);
  if (generated > 0) {
    good = good && is_near(row["output_tokens_per_s"], mean * batch * generated / tokens);
    const double step_bytes = double(row["step_weights_bytes"]) + double(row["step_kv_bytes"]);
    good = good &&
           is_near(row["bytes_per_s"].get<double>() * row["time_per_output_token_s"].get<double>(),
                   step_bytes);
  }
  return good &&
         row["kv_used_bytes"] == page_tokens(row) * row["kv_bytes_per_token"].get<int64_t>();
}

TEST(BenchGenerate, EveryRowHoldsAndAMiscountedOneDoesNot) {
  const Json rows = Json::parse(written(GenerateFormat::kJson));
  ASSERT_EQ(rows.size(), 2 * 2 * 5);  // subjects, batches; pp, tg, pp+tg, the first and last shared
  for (const Json& row : rows) {
    EXPECT_TRUE(holds(row)) << row.dump(2);
    for (const char* const key : {"kv_used_bytes", "batch", "n_prompt", "n_gen", "stddev_ts",
                                  "avg_ts", "kv_bytes_per_token"}) {
      if (row[key] == 0) continue;
      Json planted = row;
      planted[key] = row[key].get<double>() * 2;
      if (row[key].is_number_integer()) planted[key] = row[key].get<int64_t>() * 2;
      EXPECT_FALSE(holds(planted)) << key << " " << row.dump(2);
    }
  }
}

TEST(BenchGenerate, KeepsTheKeysOfLlamaBench) {
  const Json rows = Json::parse(written(GenerateFormat::kJson));
  for (const char* const key :
       {"build_commit",   "build_number", "cpu_info",   "gpu_info",   "backends",
        "model_filename", "model_type",   "model_size", "n_batch",    "n_ubatch",
        "n_prompt",       "n_gen",        "test_time",  "avg_ns",     "stddev_ns",
        "avg_ts",         "stddev_ts",    "samples_ns", "samples_ts", "model_n_params"}) {
    EXPECT_TRUE(rows[0].contains(key)) << key;
  }
  EXPECT_EQ(rows[0]["layer_types"], "0_3_3_3_4");
  EXPECT_EQ(rows[0]["forward"], "iterate:4");
  EXPECT_EQ(rows[0]["model_type"], "lckv-llama");
  EXPECT_EQ(rows.back()["layer_types"], "llama");
  EXPECT_EQ(rows.back()["forward"], "exact");
  EXPECT_THAT(rows[0]["test_time"].get<std::string>(),
              testing::MatchesRegex("20..-..-..T..:..:..Z"));
}

TEST(BenchGenerate, CountsTheBytesOfAStepAsTheMeanOfItsSteps) {
  // C = 12, F = 10, V = 11, Cq = 16, Ckv = 8 in F32: norms, q, o and MLP; k and v; row, norm, head.
  const int64_t block = 12 + 2 * 12 * 16 + 12 + 3 * 10 * 12, key_value = 2 * 8 * 12;
  for (const GenerateRow& row : small_result().rows) {
    if (row.test.label() != "pp20+tg9") continue;
    const int64_t kv_layers = row.subject.is_plain_llama() ? 5 : 3;
    // Steps with 20 .. 27 cached tokens; layers 1 and 2 read those of 3 without the own one.
    const int64_t keys = row.subject.is_plain_llama() ? 5 * 24 + 2 : 3 * 24 + 2 * 23 + 2;
    EXPECT_EQ(row.traffic.weights_bytes,
              4 * (5 * block + kv_layers * key_value + row.batch * 12 + 12 + 11 * 12));
    const int64_t of_step = 4 * 2 * 8 * row.batch;
    EXPECT_NEAR(double(row.traffic.kv_bytes), double(of_step * keys), double(of_step)) << keys;
  }
}

size_t lines(const std::string& text) { return size_t(std::count(text.begin(), text.end(), '\n')); }

TEST(BenchGenerate, WritesOneRecordPerRowInEveryFormat) {
  const size_t rows = small_result().rows.size();
  std::istringstream records(written(GenerateFormat::kJsonLines));
  size_t count = 0;
  for (std::string line; std::getline(records, line); ++count)
    EXPECT_TRUE(holds(Json::parse(line)));
  EXPECT_EQ(count, rows);

  const std::string csv = written(GenerateFormat::kCsv);
  EXPECT_EQ(lines(csv), rows + 1);
  EXPECT_THAT(csv, testing::StartsWith("\"build_commit\",\"build_number\""));
  std::istringstream csv_lines(csv);
  for (std::string line; std::getline(csv_lines, line);) {
    EXPECT_EQ(std::count(line.begin(), line.end(), '"'),
              std::count(csv.begin(), csv.begin() + std::ptrdiff_t(csv.find('\n')), '"'));
  }

  const std::string table = written(GenerateFormat::kMarkdown);
  size_t table_rows = 0;
  std::istringstream table_lines(table);
  for (std::string line; std::getline(table_lines, line);)
    table_rows += line.starts_with("| tiny ");
  EXPECT_EQ(table_rows, rows);
  EXPECT_THAT(table, HasSubstr("pp20+tg9 pps"));
  EXPECT_THAT(table, HasSubstr("0_3_3_3_4 over llama, pp20+tg9, output t/s: "));
  EXPECT_THAT(table, HasSubstr("x at equal batch (3)"));
}

TEST(BenchGenerate, LargestBatchesAreMeasuredBesideOneThatAllHold) {
  BenchGenerateSettings settings = small_settings();
  settings.tests =
      GenerateTests{.prefill = false, .decode = false, .prompts = {20}, .generates = {9}}.list();
  settings.memory_bytes = 200'000;
  settings.prompt_rows = 20;  // small activations
  settings.repetitions = 1;
  const BenchGenerateResult result = bench_generate(settings);
  ASSERT_EQ(result.plans.size(), 2);
  const int64_t condensed = result.plans[0].planned_batch, standard = result.plans[1].planned_batch;
  EXPECT_GT(condensed, standard);
  ASSERT_EQ(result.rows.size(), 3);
  EXPECT_EQ(result.rows[0].batch, standard);
  EXPECT_EQ(result.rows[1].batch, condensed);
  EXPECT_EQ(result.rows[2].batch, standard);
  for (const GenerateRow& row : result.rows) EXPECT_LE(row.memory.total_bytes(), 200'000);
  EXPECT_THAT(compare_layouts(result.rows),
              HasSubstr(format("at equal memory (batch {} instead of {})", condensed, standard)));

  settings.max_batch = standard + 1;
  const BenchGenerateResult capped = bench_generate(settings);
  EXPECT_EQ(capped.rows[1].batch, standard + 1);
  EXPECT_THAT(compare_layouts(capped.rows), HasSubstr("not at equal memory"));
}

GenerateRow made_row(const char* layout, int64_t batch, int64_t largest, double seconds) {
  GenerateRow row;
  row.subject = subject_of(layout);
  row.test = {.prompt_tokens = 10, .new_tokens = 10};
  row.batch = batch;
  row.plan.memory_bytes = 1000;
  row.plan.planned_batch = largest;
  row.traffic.kv_bytes = 100 * batch;
  row.samples = {{.prompt_s = seconds / 2, .decode_s = seconds / 2}};
  return row;
}

TEST(BenchGenerate, SaysThatTheGainIsCapacityWhereItIs) {
  std::vector<GenerateRow> rows = {made_row("config", 2, 8, 1), made_row("config", 8, 8, 2),
                                   made_row("llama", 2, 2, 1)};
  std::string text = compare_layouts(rows);
  EXPECT_THAT(
      text,
      HasSubstr("2.00 ± 0.00x at equal memory (batch 8 instead of 2), 1.00 ± 0.00x at equal batch "
                "(2); per step and sequence 100 B of keys and values are read, of "
                "llama 100 B; the gain is capacity (a larger batch), not traffic."));
  rows[0] = made_row("config", 2, 8, 0.8);
  EXPECT_THAT(compare_layouts(rows), HasSubstr("traffic is not less: 1.60x come from the larger "
                                               "batch, 1.25x are there at equal batch already"));
  rows[0].samples.push_back({.prompt_s = 0.6, .decode_s = 0.6});  // 1.04 ± 0.29
  EXPECT_THAT(compare_layouts(rows), HasSubstr("repetitions differ too much to say why"));
  rows[0].traffic.kv_bytes = 100;  // a layout that reads half as much
  EXPECT_THAT(compare_layouts(rows), testing::Not(HasSubstr("traffic")));
  rows[0] = made_row("config", 2, 8, 1);
  rows[1] = made_row("config", 8, 8, 4);
  EXPECT_THAT(compare_layouts(rows), testing::Not(HasSubstr("capacity")));
}

TEST(BenchGenerate, RefusesWhatDoesNotFit) {
  BenchGenerateSettings settings = small_settings();
  settings.tests = {{.prompt_tokens = 40, .new_tokens = 25}};
  test::expect_refusal<ConfigError>([&] { bench_generate(settings); },
                                    "prompt 40 + generated 25 = 65 tokens of a sequence are more "
                                    "than max_position_embeddings 64");
  settings = small_settings();
  settings.memory_bytes = 10'000;
  test::expect_refusal<ConfigError>([&] { plan_generation(settings); }, "one sequence needs ");
  test::expect_refusal<ConfigError>([&] { subject_of("0_1"); }, "has 2 entries");
  test::expect_refusal<ConfigError>([&] { subject_of("lama"); }, "--layer-types 'lama'");
}

TEST(BenchGenerate, LabelsTestsAsLlamaBenchDoes) {
  const auto tests =
      GenerateTests{
          .prompts = {512, 0}, .generates = {128}, .context_tokens = 64, .also_shared = true}
          .list();
  std::vector<std::string> labels;
  for (const GenerateTest& test : tests) labels.push_back(test.label());
  EXPECT_EQ(labels, (std::vector<std::string>{"pp512 @ d64", "pp512 @ d64 pps", "tg128 @ d64",
                                              "tg128 @ d64 pps", "pp512+tg128 @ d64",
                                              "pp512+tg128 @ d64 pps"}));
}

TEST(Statistic, IsThatOfASample) {
  EXPECT_EQ(statistic({1, 3}).mean, 2);
  EXPECT_DOUBLE_EQ(statistic({1, 3}).stddev, std::sqrt(2.0));
  EXPECT_EQ(statistic({5}).stddev, 0);
  EXPECT_EQ(statistic({}).mean, 0);
}

}  // namespace
}  // namespace lckv::train
