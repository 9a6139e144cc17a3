#include "lckv/config/layer_types.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::config {
namespace {

/// The number written in `digits`, or `limit` when it is that large or larger (so that no text
/// overflows).
int bounded_number(std::string_view digits, int limit) {
  int64_t number = 0;
  for (char digit : digits) {
    number = number * 10 + (digit - '0');
    if (number >= limit) return limit;
  }
  return static_cast<int>(number);
}

/// Parses one entry into `type`; returns the rule it breaks, or "".
std::string parse_entry(std::string_view entry, int layers, LayerType& type) {
  type.windowed = entry.ends_with('s');
  const std::string_view digits = entry.substr(0, entry.size() - (type.windowed ? 1 : 0));
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return "must be a layer index, with s behind it for a sliding window";
  }
  type.reads = bounded_number(digits, layers);
  if (type.reads == layers)
    return format("must be a layer index below num_hidden_layers {}", layers);
  return "";
}

std::vector<LayerType> identity(int layers) {
  std::vector<LayerType> types(static_cast<size_t>(layers));
  for (int layer = 0; layer < layers; ++layer) types[static_cast<size_t>(layer)].reads = layer;
  return types;
}

}  // namespace

std::vector<LayerType> parse_layer_types(const std::string& text, int layers) {
  if (text.empty()) return identity(layers);
  const std::vector<std::string> entries = split(text, '_');
  std::vector<LayerType> types(entries.size());
  std::string broken;
  if (entries.size() != static_cast<size_t>(layers)) {
    broken =
        format("has {} entries, must have one for each of the {} layers", entries.size(), layers);
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string rule = parse_entry(entries[i], layers, types[i]);
    if (rule.empty()) continue;
    broken += format("{}entry {} \"{}\" {}", broken.empty() ? "" : "; ", i, entries[i], rule);
  }
  if (!broken.empty()) throw ConfigError(format("layer_types \"{}\": {}", text, broken));
  return types;
}

std::string to_string(const std::vector<LayerType>& types) {
  std::string text;
  for (const LayerType& type : types) {
    if (!text.empty()) text += '_';
    text += format("{}{}", type.reads, type.windowed ? "s" : "");
  }
  return text;
}

}  // namespace lckv::config
