#include "lckv/cli/generate_requests.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"
#include "lckv/data/text_format.h"
#include "lckv/data/text_source.h"
#include "lckv/data/utf8.h"

namespace lckv::cli {

namespace {

constexpr int64_t kNewTokens = 128;  // unless told otherwise
constexpr int64_t kSinks = 4;        // of a window, as its inventors recommend

void require_utf8(const char* option, const std::string& text) {
  const size_t good = data::valid_utf8_prefix(text);
  if (good == text.size()) return;
  throw DataError(format("{}: byte {} is not UTF-8", option, good));
}

std::vector<std::string> prompts_of_file(const std::string& path) {
  if (!data::text_format(path)) {
    throw DataError(
        format("{}: expected a .txt file with a prompt on each line, or a .jsonl file "
               "with the field \"prompt\"",
               path));
  }
  data::TextSource source(
      {path},
      {.txt_documents = data::TxtDocuments::kLines, .json_field = "prompt", .piece_bytes = 0});
  std::vector<std::string> prompts;
  data::TextPiece piece;
  while (source.next(piece)) prompts.push_back(piece.text);
  return prompts;
}

infer::SamplingOptions sampling_options(const GenerateArgs& args) {
  infer::SamplingOptions options;
  options.temperature = args.temperature;
  options.top_k = args.top_k;
  options.top_p = args.top_p;
  options.min_p = args.min_p;
  options.repetition_penalty = args.repetition_penalty;
  options.presence_penalty = args.presence_penalty;
  options.frequency_penalty = args.frequency_penalty;
  options.repeat_last_n = args.repeat_last_n;
  options.seed = args.seed;
  if (args.samplers) options.order = infer::parse_filters(*args.samplers);
  infer::require_possible(options);
  return options;
}

infer::StopRules stop_rules(const GenerateArgs& args, const data::Tokenizer& tokenizer,
                            const config::ModelConfig& config) {
  infer::StopRules rules;
  rules.strings = args.stops;
  rules.ignore_eos = args.ignore_eos;
  for (const std::string& stop : args.stops) {
    require_utf8("--stop", stop);
    if (stop.empty()) throw ConfigError("--stop: an empty text would end every text at once");
  }
  for (const int64_t id : args.stop_ids) {
    if (id < 0 || id >= config.vocab_size) {
      throw ConfigError(
          format("--stop-id {} is outside the vocabulary [0, {})", id, config.vocab_size));
    }
    rules.ids.push_back(static_cast<int32_t>(id));
  }
  // Where documents were stored without EOS, the BOS of the next one is what ends a text.
  for (const auto id : {tokenizer.eos_id(), tokenizer.bos_id()}) {
    if (id) rules.eos_ids.push_back(*id);
  }
  if (config.eos_token_id) rules.eos_ids.push_back(static_cast<int32_t>(*config.eos_token_id));
  return rules;
}

/// "prompt 3 'The cat sat on'"
std::string describe(size_t number, const std::string& prompt) {
  constexpr size_t kShown = 40;
  const std::string shown = prompt.substr(0, data::character_boundary(prompt, kShown));
  return format("prompt {} '{}{}'", number + 1, shown, shown.size() < prompt.size() ? "..." : "");
}

/// As many new tokens as are asked for, or as the context leaves.
int64_t new_tokens(const GenerateArgs& args, int64_t prompt_tokens, const std::string& prompt,
                   const config::ModelConfig& config) {
  const int64_t context = config.max_position_embeddings;
  const int64_t least = args.max_new_tokens.value_or(1);
  if (args.window > 0) return args.max_new_tokens.value_or(kNewTokens);
  if (prompt_tokens + least > context) {
    throw ConfigError(
        format("{}: {} tokens and {} new ones are more than the model's "
               "max_position_embeddings {}; --window goes beyond it",
               prompt, prompt_tokens, least, context));
  }
  return args.max_new_tokens.value_or(std::min(kNewTokens, context - prompt_tokens));
}

}  // namespace

std::vector<std::string> read_prompts(const GenerateArgs& args) {
  std::vector<std::string> prompts = args.prompts;
  for (const std::string& prompt : prompts) require_utf8("--prompt", prompt);
  if (!args.prompts_file.empty()) {
    for (std::string& prompt : prompts_of_file(args.prompts_file)) {
      prompts.push_back(std::move(prompt));
    }
  }
  if (prompts.empty()) {
    throw Error("generate: name what to continue: --prompt TEXT or --prompts FILE",
                ExitCode::kUsage);
  }
  return prompts;
}

infer::SinkWindow sink_window(const GenerateArgs& args) {
  return {args.sinks.value_or(args.window > 0 ? kSinks : 0), args.window};
}

std::vector<infer::Request> make_requests(const GenerateArgs& args,
                                          const std::vector<std::string>& prompts,
                                          const data::Tokenizer& tokenizer,
                                          const config::ModelConfig& config) {
  if (tokenizer.vocab_size() > config.vocab_size) {
    throw DataError(format("the tokenizer has {} tokens, the model's vocabulary {}",
                           tokenizer.vocab_size(), config.vocab_size));
  }
  infer::Request request;
  request.samples = args.samples;
  request.sampling = sampling_options(args);
  request.stops = stop_rules(args, tokenizer, config);
  request.logprobs = args.logprobs;
  request.min_new_tokens = args.min_new_tokens;
  std::vector<infer::Request> requests;
  for (size_t i = 0; i < prompts.size(); ++i) {
    request.number = i;
    request.prompt = tokenizer.encode(prompts[i]);
    const auto bos = tokenizer.bos_id();
    if (bos && !args.no_bos) request.prompt.insert(request.prompt.begin(), *bos);
    const std::string place = describe(i, prompts[i]);
    if (request.prompt.empty()) {
      throw DataError(format("{}: has no token, and there is no BOS in front of it", place));
    }
    request.max_new_tokens = new_tokens(args, std::ssize(request.prompt), place, config);
    if (request.min_new_tokens > request.max_new_tokens) {
      throw ConfigError(format("{}: at least {} new tokens are asked for, at most {}", place,
                               request.min_new_tokens, request.max_new_tokens));
    }
    requests.push_back(request);
  }
  return requests;
}

std::string to_text(const std::vector<infer::Request>& requests) {
  StreamHash hash;
  for (const infer::Request& request : requests) {
    hash.update(request.prompt.data(), request.prompt.size() * sizeof(int32_t));
    hash.update(&request.max_new_tokens, sizeof(int64_t));
  }
  const infer::Request& r = requests.front();
  const infer::SamplingOptions& s = r.sampling;
  std::string text =
      format("{} prompts {:016x}\n{} samples of {} tokens or more, logprobs {}\n", requests.size(),
             hash.digest(), r.samples, r.min_new_tokens, r.logprobs);
  text += format("temperature {} top_k {} top_p {} min_p {} seed {}\n", s.temperature, s.top_k,
                 s.top_p, s.min_p, s.seed);
  text += format("penalties {} {} {} of {}\nsamplers {}\n", s.repetition_penalty,
                 s.presence_penalty, s.frequency_penalty, s.repeat_last_n, infer::to_text(s.order));
  text += format("ignore eos {}\n", r.stops.ignore_eos);
  for (const int32_t id : r.stops.eos_ids) text += format("eos {}\n", id);
  for (const int32_t id : r.stops.ids) text += format("stop id {}\n", id);
  for (const std::string& stop : r.stops.strings) text += format("stop {}\n", stop);
  return text;
}

}  // namespace lckv::cli
