#include "lckv/eval/sample_log.h"

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/data/sha256.h"
#include "lckv/eval/measure.h"

namespace lckv::eval {

namespace {

using Json = nlohmann::ordered_json;

struct Hashes {
  std::string document, prompt, target;
};

Hashes hashes_of(const Task& task, const Document& document, const Sample& sample) {
  const Prompt& first = document.prompts.front();
  // Of a page the harness knows no context, and takes the page itself.
  const std::string prompt =
      task.output == OutputKind::kRolling ? first.continuation : sample.prefix + first.context;
  return {data::sha256_hex(document.json), data::sha256_hex(prompt),
          data::sha256_hex(document.target)};
}

/// str() of Python.
std::string python_text(double value) {
  const std::string text = format("{}", value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

Json arguments_of(const Task& task, const Document& document, const std::string& prefix) {
  Json arguments = Json::object();
  for (size_t i = 0; i < document.prompts.size(); ++i) {
    const Prompt& prompt = document.prompts[i];
    Json& own = arguments[format("gen_args_{}", i)];
    if (task.output == OutputKind::kRolling) {
      own["arg_0"] = prompt.continuation;
    } else {
      own["arg_0"] = prefix + prompt.context;
      own["arg_1"] = prompt.continuation;
    }
  }
  return arguments;
}

/// One per prompt: ["-12.3", "False"], or "-12.3" for a page; null where there is no score.
Json responses_of(const Task& task, const Sample& sample) {
  Json responses = Json::array();
  for (const RequestScore& score : sample.scores) {
    if (!score.error.empty()) {
      responses.push_back(nullptr);
    } else if (task.output == OutputKind::kRolling) {
      responses.push_back(python_text(score.ll));
    } else {
      responses.push_back(Json::array({python_text(score.ll), score.is_greedy ? "True" : "False"}));
    }
  }
  return responses;
}

Json value_json(Metric metric, double value, const Document& document) {
  switch (metric) {
    case Metric::kWordPerplexity:
      return Json::array({value, document.words});
    case Metric::kBytePerplexity:
    case Metric::kBitsPerByte:
      return Json::array({value, document.bytes});
    default:
      return value;
  }
}

Json line_of(const Task& task, size_t index, const Document& document, const Sample& sample) {
  const Json responses = responses_of(task, sample);
  Json wrapped = Json::array();
  for (const Json& response : responses) wrapped.push_back(Json::array({response}));
  const Hashes hashes = hashes_of(task, document, sample);
  Json line = {{"doc_id", index},
               {"doc", Json::parse(document.json)},
               {"target", document.target},
               {"arguments", arguments_of(task, document, sample.prefix)},
               {"resps", wrapped},
               {"filtered_resps", responses},
               {"doc_hash", hashes.document},
               {"prompt_hash", hashes.prompt},
               {"target_hash", hashes.target}};
  for (const Metric metric : task.metrics) {
    const auto value = value_of(metric, document, sample);
    if (value) line[std::string(name(metric))] = value_json(metric, *value, document);
  }
  if (!sample.error().empty()) line["error"] = sample.error();
  return line;
}

}  // namespace

std::string sample_log(const TaskInput& input, const TaskResult& result) {
  std::string text;
  for (size_t i = 0; i < result.samples.size(); ++i) {
    text += line_of(*input.task, i, input.documents[i], result.samples[i]).dump() + "\n";
  }
  return text;
}

std::string to_text(const Document& document, const Sample& sample) {
  std::string text = document.prompts.front().context + "\n";
  for (size_t i = 0; i < document.choices.size(); ++i) {
    const RequestScore& score = sample.scores[i];
    const bool picked = sample.answer && sample.answer->pick == i;
    text += format("  {} {}  {}{}\n", picked ? '>' : ' ',
                   score.error.empty() ? format("{:9.3f}", score.ll) : score.error,
                   document.choices[i], document.gold == i ? "  (right)" : "");
  }
  return text;
}

std::string task_hash(const TaskInput& input, const TaskResult& result) {
  std::string all;
  for (size_t i = 0; i < result.samples.size(); ++i) {
    const Hashes hashes = hashes_of(*input.task, input.documents[i], result.samples[i]);
    all += hashes.document + hashes.prompt + hashes.target;
  }
  return data::sha256_hex(all);
}

}  // namespace lckv::eval
