#include "lckv/config/fixed_keys.h"

#include <algorithm>
#include <array>

#include "lckv/base/text.h"
#include "lckv/config/scalar.h"

namespace lckv::config {
namespace {

struct FixedKey {
  const char* path;
  const char* allowed;
  const char* reason;
};

constexpr std::array<FixedKey, 5> kFixedKeys = {{
    {"model.attention_bias", "false", "projections have no bias"},
    {"model.mlp_bias", "false", "projections have no bias"},
    {"model.attention_dropout", "0", "there is no dropout"},
    {"model.rope_scaling", "null", "rotary positions are not scaled"},
    {"model.hidden_act", "silu", "the MLP is SwiGLU"},
}};

const FixedKey* find(const std::string& path) {
  const auto* at = std::find_if(kFixedKeys.begin(), kFixedKeys.end(),
                                [&](const FixedKey& key) { return path == key.path; });
  return at == kFixedKeys.end() ? nullptr : at;
}

bool is_allowed(const std::string& allowed, const Node& value) {
  if (value.kind == Node::Kind::kNull) return allowed == "null";
  if (value.kind != Node::Kind::kScalar) return false;
  if (allowed == "0") return parse_number(value) == 0.0;
  return value.text == allowed && (!value.quoted || allowed == "silu");
}

}  // namespace

std::vector<std::string> fixed_key_paths() {
  std::vector<std::string> paths;
  for (const FixedKey& key : kFixedKeys) paths.emplace_back(key.path);
  return paths;
}

bool is_fixed_key(const std::string& path) { return find(path) != nullptr; }

std::string fixed_key_mistake(const std::string& path, const Node& value) {
  const FixedKey* key = find(path);
  if (key == nullptr || is_allowed(key->allowed, value)) return "";
  return format("must be {} ({}), is {}", key->allowed, key->reason, shown(value));
}

}  // namespace lckv::config
