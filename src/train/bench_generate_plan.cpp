#include "lckv/train/bench_generate_plan.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/config/load.h"
#include "lckv/infer/largest_batch.h"
#include "lckv/model/layer_spec.h"

namespace lckv::train {

std::string GenerateSubject::layout() const {
  return is_plain_llama() ? "llama" : model.layer_types;
}

bool GenerateSubject::is_plain_llama() const {
  return model::is_plain_llama(model::make_layer_specs(model));
}

GenerateSubject with_layout(const std::string& file, const config::ModelConfig& config,
                            const std::string& layer_types) {
  GenerateSubject subject{file, config};
  if (layer_types == "config") return subject;
  const bool is_llama = layer_types == "llama";
  subject.model.layer_types = is_llama ? "" : layer_types;
  if (is_llama) subject.model.force_nodiag = false;
  std::string mistakes;
  for (const std::string& mistake : config::validate(subject.model)) mistakes += "\n" + mistake;
  if (!mistakes.empty()) {
    throw ConfigError(format("--layer-types '{}' with {} (also possible: 'llama', 'config'):{}",
                             layer_types, file, mistakes));
  }
  return subject;
}

std::string GenerateTest::label() const {
  std::string text;
  if (prompt_tokens > 0) text = format("pp{}", prompt_tokens);
  if (new_tokens > 0) text += format("{}tg{}", text.empty() ? "" : "+", new_tokens);
  if (context_tokens > 0) text += format(" @ d{}", context_tokens);
  return text + (shares_prompt ? " pps" : "");
}

std::vector<GenerateTest> GenerateTests::list() const {
  std::vector<GenerateTest> tests;
  const auto add = [&](int64_t prompt, int64_t generate) {
    GenerateTest test{prompt, generate, context_tokens, /*shares_prompt=*/false};
    tests.push_back(test);
    if (!also_shared || prompt + context_tokens == 0) return;
    test.shares_prompt = true;
    tests.push_back(test);
  };
  for (const int64_t prompt : prompts) {
    if (prefill && prompt > 0) add(prompt, 0);
  }
  for (const int64_t generate : generates) {
    if (decode && generate > 0) add(0, generate);
  }
  for (const int64_t prompt : prompts) {
    for (const int64_t generate : generates) {
      if (whole && prompt > 0 && generate > 0) add(prompt, generate);
    }
  }
  return tests;
}

infer::StaticBatch::Options batch_options(const BenchGenerateSettings& settings,
                                          const GenerateSubject& subject, const GenerateTest& test,
                                          int64_t batch) {
  infer::StaticBatch::Options options;
  options.dtype = settings.dtype;
  options.prefill = infer::parse_prefill(settings.prefill, /*chunk_tokens=*/0, subject.model);
  options.sequences = batch;
  options.context_tokens = test.context_tokens;
  options.prompt_tokens = test.prompt_tokens;
  options.new_tokens = test.new_tokens;
  options.shares_prompt = test.shares_prompt;
  options.prompt_rows = settings.prompt_rows;
  const int64_t positions = subject.model.max_position_embeddings;
  if (options.most_tokens() > positions) {
    throw ConfigError(
        format("{}: context {} + prompt {} + generated {} = {} tokens of a sequence are more than "
               "max_position_embeddings {}",
               subject.config, test.context_tokens, test.prompt_tokens, test.new_tokens,
               options.most_tokens(), positions));
  }
  return options;
}

namespace {

std::string memory_text(const infer::BatchMemory& memory) {
  return format("{} (weights {}, keys and values {}, activations, logits and tables {})",
                with_thousands(memory.total_bytes()), with_thousands(memory.weights_bytes),
                with_thousands(memory.kv_bytes), with_thousands(memory.other_bytes));
}

GeneratePlan plan_one(const BenchGenerateSettings& settings, size_t number,
                      const GenerateTest& test) {
  const GenerateSubject& subject = settings.subjects[number];
  auto options = batch_options(settings, subject, test, 1);
  GeneratePlan plan;
  plan.subject = number;
  plan.test = test;
  plan.memory_bytes = settings.memory_bytes;
  plan.planned_batch =
      infer::largest_batch(subject.model, options, settings.memory_bytes, settings.device);
  if (plan.planned_batch == 0) {
    throw ConfigError(format(
        "--memory: {} bytes are too few for {} of {} ({}): one sequence needs {}",
        with_thousands(settings.memory_bytes), test.label(), subject.layout(), subject.config,
        memory_text(infer::plan_batch(subject.model, options, settings.device))));
  }
  plan.predicted_batch =
      infer::predict_batch(subject.model, options, settings.memory_bytes, settings.device);
  options.sequences = plan.planned_batch;
  plan.memory = infer::plan_batch(subject.model, options, settings.device);
  return plan;
}

}  // namespace

std::vector<GeneratePlan> plan_generation(const BenchGenerateSettings& settings) {
  std::vector<GeneratePlan> plans;
  for (const GenerateTest& test : settings.tests) {
    for (size_t s = 0; s < settings.subjects.size(); ++s) {
      plans.push_back(plan_one(settings, s, test));
    }
  }
  return plans;
}

std::vector<GenerateCase> list_generate_cases(const BenchGenerateSettings& settings,
                                              const std::vector<GeneratePlan>& plans) {
  std::vector<GenerateCase> cases;
  for (size_t s = 0; s < settings.subjects.size(); ++s) {
    for (size_t t = 0; t < settings.tests.size(); ++t) {
      const auto add = [&](int64_t batch, const GeneratePlan& plan) {
        cases.push_back({s, settings.tests[t], batch, plan});
      };
      if (settings.memory_bytes == 0) {
        for (const int64_t batch : settings.batches) add(batch, {});
        continue;
      }
      const auto first = plans.begin() + std::ptrdiff_t(t * settings.subjects.size());
      const auto capped = [&](int64_t batch) {
        return settings.max_batch > 0 ? std::min(batch, settings.max_batch) : batch;
      };
      const auto smallest = std::min_element(
          first, first + std::ptrdiff_t(settings.subjects.size()),
          [](const auto& a, const auto& b) { return a.planned_batch < b.planned_batch; });
      const GeneratePlan& own = first[std::ptrdiff_t(s)];
      const int64_t common = capped(smallest->planned_batch);
      add(common, own);
      if (capped(own.planned_batch) != common) add(capped(own.planned_batch), own);
    }
  }
  return cases;
}

}  // namespace lckv::train
