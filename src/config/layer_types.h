#pragma once

#include <string>
#include <vector>

namespace lckv::config {

/// One entry of layer_types: the layer whose keys and values are read, and the suffix s.
struct LayerType {
  int reads = 0;
  bool windowed = false;
  bool operator==(const LayerType&) const = default;
};

/// Parses spec/lckv.md 1.1: entry *("_" entry), entry = index ["s"]. "" means the identity. Throws
/// ConfigError with the entry's number, its text and the rule it breaks (exactly `layers` entries,
/// each index < layers, digits and s only).
std::vector<LayerType> parse_layer_types(const std::string& text, int layers);

/// The canonical text: no leading zeros.
std::string to_string(const std::vector<LayerType>& types);

}  // namespace lckv::config
