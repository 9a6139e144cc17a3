#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lckv/config/run.h"

namespace lckv::config {

/// The numbers a key may hold; bounds belong to it unless excluded.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool excludes_min = false;
  bool excludes_max = false;

  bool holds(double value) const;
  std::string text() const;  // " >= 1", " > 0", " in [0, 1)"
};

/// A field that holds one of a few words.
struct Choice {
  std::vector<std::string> words;
  std::function<std::string()> get;
  std::function<void(const std::string& word)> set;  // a member of `words`
};

/// A field that holds a number of the key's range, or 0 where the file says `auto`.
struct IntegerOrAuto {
  int64_t* number;
};

/// A field that holds texts by names.
using TextMap = std::map<std::string, std::string>;

enum class Need {
  kOptional,  // the field's default stands
  kRequired,  // must be given, and not as 0 or empty text
  kNullable   // null stands for "not set": empty text, 0, no value
};

/// One key of the run file and the field of one RunConfig that it fills.
struct Key {
  using Field = std::variant<std::string*, std::vector<std::string>*, TextMap*, int64_t*, uint64_t*,
                             double*, bool*, std::optional<int64_t>*, Choice, IntegerOrAuto>;
  std::string path;  // "section.name"; "output" has no section
  Field field;
  Range range = {};  // of numbers
  Need need = Need::kOptional;
};

/// THE table of keys, in the order of the run file. Reading, writing, range checks, and the search
/// for unknown keys all walk it. The keys point into the argument.
std::vector<Key> keys_of(RunConfig& run);
std::vector<Key> keys_of(ModelConfig& model);

/// "train" of "train.steps", "" of "output"; and the part behind it.
std::string section_of(std::string_view path);
std::string name_of(std::string_view path);

/// What the key expects: "an integer >= 1", "one of auto, bf16, fp32, fp64".
std::string expectation(const Key& key);

/// The field's value as YAML, which is JSON too: numbers with every digit that matters, text in
/// quotes.
std::string value_text(const Key& key);
std::string quoted(std::string_view text);

}  // namespace lckv::config
