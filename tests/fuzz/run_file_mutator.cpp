#include "run_file_mutator.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dice.h"
#include "lckv/base/text.h"
#include "lckv/config/keys.h"

namespace lckv::fuzz {

namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kValidRun = R"(output: o
model:
  hidden_size: 64
  intermediate_size: 128
  num_hidden_layers: 4
  num_attention_heads: 4
  vocab_size: 100
data:
  train: a.h5
train:
  steps: 10
)";

std::string one_of(const Words& words, Dice& dice) { return words[below(dice, words.size())]; }

std::string odd_value(Dice& dice) {
  static const Words values = {"null", "~",    "-1",       "1.5",     "true",  "''",   "[]",
                               "{}",   "[[]]", "{a: 1}",   "&x y",    "*x",    "007",  "0x10",
                               "1_0",  "yes",  "|\n  a\n", "!!str a", "\"1\"", "\xff", "a # b"};
  return one_of(values, dice);
}

std::string integer(Dice& dice) {
  static const Words values = {"0",
                               "1",
                               "2",
                               "3",
                               "4",
                               "6",
                               "8",
                               "10",
                               "64",
                               "4096",
                               "2147483647",
                               "2147483648",
                               "-1",
                               "7",
                               "100",
                               "9007199254740993",
                               "9223372036854775807",
                               "18446744073709551615"};
  return one_of(values, dice);
}

std::string number(Dice& dice) {
  static const Words values = {"0",     "1",      "0.5",   "0.999", "1e-8", "1e-320",
                               "1e308", "0.1000", "2.5e3", "1e",    "-0.0", ".5"};
  return one_of(values, dice);
}

std::string text(Dice& dice) {
  static const Words values = {"a b",        "\"a\\tb\\n\"", "\"\\u0007\\x1f\"",
                               "\"\\N\\L\"", "'it''s'",      "\"\\\\\\\"\"",
                               "\xc3\xa9",   "\"\"",         "/proc/self/fd/1000"};
  return one_of(values, dice);
}

std::string layer_types(Dice& dice) {
  std::string types;
  for (size_t i = 0; i < 3 + below(dice, 3); ++i) {
    types += format("{}{}{}", i == 0 ? "" : "_", below(dice, 6), below(dice, 4) == 0 ? "s" : "");
  }
  return types;
}

/// A value of the kind that the key asks for.
struct ValueOfKind {
  Dice& dice;

  std::string operator()(std::string*) const { return text(dice); }
  std::string operator()(std::vector<std::string>*) const {
    return format("[{}, {}]", text(dice), text(dice));
  }
  std::string operator()(config::TextMap*) const {
    return format("{{{}: {}, b: {}}}", text(dice), text(dice), text(dice));
  }
  std::string operator()(int64_t*) const { return integer(dice); }
  std::string operator()(uint64_t*) const { return integer(dice); }
  std::string operator()(std::optional<int64_t>*) const { return integer(dice); }
  std::string operator()(double*) const { return number(dice); }
  std::string operator()(bool*) const { return below(dice, 2) == 0 ? "true" : "false"; }
  std::string operator()(const config::Choice& choice) const { return one_of(choice.words, dice); }
  std::string operator()(const config::IntegerOrAuto&) const {
    return below(dice, 3) == 0 ? "auto" : integer(dice);
  }
};

/// In the line that has the key, or else as an override.
void set_a_key(Words& lines, Dice& dice) {
  config::RunConfig run;
  const std::vector<config::Key> keys = config::keys_of(run);
  const config::Key& key = keys[below(dice, keys.size())];
  std::string value = std::visit(ValueOfKind{dice}, key.field);
  if (key.path == "model.layer_types") value = layer_types(dice);
  if (below(dice, 6) == 0) value = odd_value(dice);
  const std::string name = config::name_of(key.path) + ":";
  const auto line = std::find_if(lines.begin(), lines.end(), [&](const std::string& candidate) {
    return candidate.find(name) != std::string::npos;
  });
  if (line == lines.end()) {
    lines.push_back(format("--set {}={}", key.path, value));
  } else {
    *line = format("{} {}", line->substr(0, line->find(name) + name.size()), value);
  }
}

void move_a_line(Words& lines, Dice& dice) {
  const size_t at = below(dice, lines.size());
  const auto place = lines.begin() + static_cast<ptrdiff_t>(at);
  switch (below(dice, 4)) {
    case 0:
      lines.insert(place, std::string(lines[below(dice, lines.size())]));
      break;
    case 1:
      if (lines.size() > 1) lines.erase(place);
      break;
    case 2:
      lines[at] = "  " + lines[at];
      break;
    default:
      std::swap(lines[at], lines[below(dice, lines.size())]);
  }
}

std::string join(const Words& lines) {
  std::string joined;
  for (size_t i = 0; i < lines.size(); ++i) joined += (i == 0 ? "" : "\n") + lines[i];
  return joined;
}

}  // namespace

size_t mutate_run_file(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Dice dice(seed);
  if (below(dice, 4) == 0) return LLVMFuzzerMutate(data, size, max_size);
  const std::string_view given(reinterpret_cast<const char*>(data), size);
  Words lines = split(below(dice, 2) == 0 ? kValidRun : given, '\n');
  for (size_t times = 1 + below(dice, 4); times > 0; --times) {
    below(dice, 4) == 0 ? move_a_line(lines, dice) : set_a_key(lines, dice);
  }
  const std::string mutated = join(lines);
  if (mutated.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::copy(mutated.begin(), mutated.end(), data);
  return mutated.size();
}

}  // namespace lckv::fuzz
