#include "lckv/cli/generate_output.h"

#include <algorithm>
#include <tuple>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"

namespace lckv::cli {

using nlohmann::ordered_json;

namespace {

double per_second(int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

ordered_json timings(const infer::Completion& c) {
  const int64_t predicted = std::ssize(c.tokens);
  return {{"prompt_n", c.prompt_tokens},
          {"prompt_ms", c.prompt_ms},
          {"predicted_n", predicted},
          {"predicted_ms", c.predicted_ms},
          // The first token comes with the prompt.
          {"predicted_per_second", per_second(predicted - 1, c.predicted_ms / 1e3)}};
}

ordered_json to_json(const infer::TokenLogprob& token, const data::Tokenizer& tokenizer) {
  return {{"id", token.token}, {"token", tokenizer.piece(token.token)}, {"logprob", token.logprob}};
}

ordered_json to_json(const std::vector<infer::Logprobs>& logprobs,
                     const data::Tokenizer& tokenizer) {
  ordered_json all = ordered_json::array();
  for (const infer::Logprobs& here : logprobs) {
    ordered_json one = to_json(here.chosen, tokenizer);
    one["top"] = ordered_json::array();
    for (const infer::TokenLogprob& t : here.top) one["top"].push_back(to_json(t, tokenizer));
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace

ordered_json to_json(const infer::Completion& c, const infer::Request& request,
                     const std::string& prompt, const data::Tokenizer& tokenizer) {
  ordered_json json = {{"index", request.number},
                       {"sample", c.sample},
                       {"prompt", prompt},
                       {"text", c.text},
                       {"tokens", c.tokens},
                       {"stop_type", infer::name(c.stop)},
                       {"stopping_word", c.stopping_word},
                       {"timings", timings(c)},
                       {"truncated", c.truncated},
                       {"prefill", c.prefill},
                       {"kv_bytes", c.kv_bytes},
                       {"seed", request.sampling.seed}};
  if (request.logprobs > 0) json["logprobs"] = to_json(c.logprobs, tokenizer);
  return json;
}

std::string to_line(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

infer::GenerationStats gather_stats(comm::Communicator& world, bool speaks_for_its_copy,
                                    const infer::GenerationStats& own) {
  ordered_json here = {own.prompt_tokens, own.prompt_s, own.new_tokens,
                       own.new_s,         own.kv_bytes, own.kv_used_bytes};
  infer::GenerationStats all;
  const auto texts = comm::gather_texts(world, speaks_for_its_copy ? here.dump() : "");
  for (const std::string& text : texts) {
    if (text.empty()) continue;
    const ordered_json of_rank = ordered_json::parse(text);
    all.prompt_tokens += of_rank[0].get<int64_t>();
    all.prompt_s = std::max(all.prompt_s, of_rank[1].get<double>());
    all.new_tokens += of_rank[2].get<int64_t>();
    all.new_s = std::max(all.new_s, of_rank[3].get<double>());
    all.kv_bytes += of_rank[4].get<int64_t>();
    all.kv_used_bytes += of_rank[5].get<int64_t>();
  }
  return all;
}

std::vector<ordered_json> gather_lines(comm::Communicator& world, std::vector<ordered_json> own) {
  if (world.size() == 1) return own;
  std::vector<ordered_json> all;
  for (const std::string& text : comm::gather_texts(world, to_line(std::move(own)))) {
    if (world.rank() != 0) continue;
    for (ordered_json& line : ordered_json::parse(text)) all.push_back(std::move(line));
  }
  std::stable_sort(all.begin(), all.end(), [](const ordered_json& a, const ordered_json& b) {
    return std::tuple(a["index"].get<int64_t>(), a["sample"].get<int64_t>()) <
           std::tuple(b["index"].get<int64_t>(), b["sample"].get<int64_t>());
  });
  return all;
}

std::string to_text(std::span<const ordered_json> lines) {
  std::string text;
  for (const ordered_json& line : lines) {
    if (lines.size() > 1) {
      text += format("== prompt {}, sample {} ==\n", line["index"].get<int64_t>() + 1,
                     line["sample"].get<int64_t>() + 1);
    }
    text += line["prompt"].get<std::string>() + line["text"].get<std::string>() + "\n";
  }
  return text;
}

std::string to_text(const infer::GenerationStats& s) {
  return format(
      "prefill {} tokens, {:.1f} tokens/s; decode {} tokens, {:.1f} tokens/s; KV cache {} of {} "
      "planned bytes used",
      with_thousands(s.prompt_tokens), per_second(s.prompt_tokens, s.prompt_s),
      with_thousands(s.new_tokens), per_second(s.new_tokens, s.new_s),
      with_thousands(s.kv_used_bytes), with_thousands(s.kv_bytes));
}

}  // namespace lckv::cli
