// Text to config::parse_run. Lines of the input that start with "--set " are overrides, what follows a
// line "--from" is the config.json that model.from names when it is the file 1000 of this process.
// An accepted run is checked, written as YAML and as config.json, and read again.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "dice.h"
#include "lckv/base/text.h"
#include "lckv/config/known_paths.h"
#include "lckv/config/load.h"
#include "scratch.h"

namespace lckv::fuzz {
namespace {

using config::ModelConfig;
using config::RunConfig;

constexpr int kFromDescriptor = 1000;  // seeds say "from: /proc/self/fd/1000"
constexpr std::string_view kSet = "--set ";
constexpr std::string_view kFrom = "--from";

struct RunText {
  std::string yaml;
  std::vector<std::string> overrides;
  std::string config_json;
};

RunText cut(const std::string& input) {
  RunText text;
  bool is_json = false;
  for (const std::string& line : split(input, '\n')) {
    if (line.starts_with(kSet)) {
      text.overrides.push_back(line.substr(kSet.size()));
    } else if (line == kFrom) {
      is_json = true;
    } else {
      (is_json ? text.config_json : text.yaml) += line + "\n";
    }
  }
  return text;
}

RunConfig parse(const RunText& text) {
  return config::parse_run(text.yaml, "run.yaml", text.overrides);
}

void check_written_again(const RunConfig& run) {
  const std::string yaml = to_yaml(run);
  std::optional<RunConfig> again;
  require(accepts([&] { again = config::parse_run(yaml, "again.yaml"); }),
          "what to_yaml writes is accepted:\n" + yaml);
  require(to_yaml(*again) == yaml, "what to_yaml writes is read as written:\n" + yaml);
}

void check_hf_json(const ModelConfig& model) {
  const std::string json = to_hf_json(model, "bfloat16");
  std::optional<ModelConfig> again;
  require(accepts([&] { again = config::parse_hf_config(json, "again.json"); }),
          "what to_hf_json writes is accepted:\n" + json);
  require(to_hf_json(*again, "bfloat16") == json, "config.json is read as written:\n" + json);
}

/// Nothing of a file is passed over: with a line that means nothing it is refused.
void check_all_is_read(RunText text) {
  text.yaml += "\nno_such_key: 1\n";
  require(!accepts([&] { parse(text); }), "a line at the end is read");
}

/// What those who use a model rely on.
void check_model(const ModelConfig& model) {
  const auto layers = static_cast<size_t>(model.num_hidden_layers);
  require(model.layer_types.empty() || split(model.layer_types, '_').size() == layers,
          "layer_types has an entry for each layer");
  require(model.head_dim != 0 || model.hidden_size % model.num_attention_heads == 0,
          "heads have a width");
  require(model.from.empty(), "no other file is left to read");
}

void check_use(const RunText& text, const RunConfig& run) {
  require(validate(run).empty(), "an accepted run is valid");
  check_model(run.model);
  for (const int64_t copies : {1, 2, 3, 65536}) validate_grid(run, copies);
  check_written_again(run);
  check_hf_json(run.model);
  check_all_is_read(text);
}

std::string odd_value(Dice& dice) {
  static const std::vector<std::string> values = {"0",
                                                  "1",
                                                  "-1",
                                                  "2",
                                                  "3",
                                                  "64",
                                                  "1e-3",
                                                  "0.5",
                                                  "2147483647",
                                                  "9223372036854775807",
                                                  "1e308",
                                                  "true",
                                                  "false",
                                                  "null",
                                                  "auto",
                                                  "~",
                                                  "\"a\\tb\\n\"",
                                                  "\"\\u0007\"",
                                                  "''",
                                                  "a b",
                                                  "[]",
                                                  "[a, \"b\"]",
                                                  "{}",
                                                  "0_1",
                                                  "0_1s_1",
                                                  "wsd",
                                                  "fp64",
                                                  "copy",
                                                  "block",
                                                  "skip",
                                                  "/proc/self/fd/1000",
                                                  "|\n  a",
                                                  "&x y",
                                                  "*x",
                                                  "!!str a",
                                                  "{a: 1}",
                                                  "\xc3\xa9",
                                                  "\xff"};
  return values[below(dice, values.size())];
}

/// The key of a line, with what stands before it, and all behind its colon exchanged.
std::string with_other_value(const std::string& line, Dice& dice) {
  const size_t colon = line.find(':');
  return colon == std::string::npos ? odd_value(dice)
                                    : line.substr(0, colon + 1) + " " + odd_value(dice);
}

std::string new_line(Dice& dice) {
  const std::string& path = config::known_paths()[below(dice, config::known_paths().size())];
  const size_t dot = path.find('.');
  switch (below(dice, 3)) {
    case 0:
      return format("{}{}={}", kSet, path, odd_value(dice));
    case 1:
      return format("{}: {{{}: {}}}", path.substr(0, dot), path.substr(dot + 1), odd_value(dice));
    default:
      return format("  {}: {}", path.substr(dot + 1), odd_value(dice));
  }
}

void mutate(std::vector<std::string>& lines, Dice& dice) {
  const size_t at = below(dice, lines.size());
  const auto place = lines.begin() + static_cast<ptrdiff_t>(at);
  switch (below(dice, 6)) {
    case 0:
      lines.insert(place, new_line(dice));
      break;
    case 1:
      lines.insert(place, std::string(lines[below(dice, lines.size())]));
      break;
    case 2:
      if (lines.size() > 1) lines.erase(place);
      break;
    case 3:
      std::swap(lines[at], lines[below(dice, lines.size())]);
      break;
    default:
      lines[at] = with_other_value(lines[at], dice);
  }
}

/// Line by line most of the time: byte by byte, hardly ever is a key or a value exchanged for another.
size_t mutate_input(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Dice dice(seed);
  if (below(dice, 4) == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::vector<std::string> lines = split(Input(data, size).rest(), '\n');
  for (size_t times = 1 + below(dice, 3); times > 0; --times) mutate(lines, dice);
  std::string text;
  for (const std::string& line : lines) text += (&line == &lines.front() ? "" : "\n") + line;
  if (text.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::copy(text.begin(), text.end(), data);
  return text.size();
}

}  // namespace
}  // namespace lckv::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return lckv::fuzz::mutate_input(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lckv::fuzz;
  static const MemoryFile from(kFromDescriptor);
  const RunText text = cut(Input(data, size).rest());
  from.put(text.config_json);
  std::optional<lckv::config::RunConfig> run;
  if (accepts([&] { run = parse(text); })) check_use(text, *run);
  accepts([&] { lckv::config::parse_hf_config(text.config_json, "config.json"); });
  return 0;
}
