#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lckv/data/tokenizer.h"
#include "test_files.h"

namespace lckv::data {

using Ids = std::vector<int32_t>;

/// What tools/tokenizer_fixture.py made with the tokenizers library.
inline std::string fixture_path(const std::string& name) {
  return std::string(LCKV_SOURCE_DIR) + "/tests/data/tokenizers/" + name;
}

inline nlohmann::json fixture_json(const std::string& name) {
  return nlohmann::json::parse(read_file(fixture_path(name)));
}

inline std::vector<std::string> fixture_strings() {
  return fixture_json("strings.json").get<std::vector<std::string>>();
}

inline std::vector<Ids> fixture_ids(const std::string& name) {
  return fixture_json(name + ".ids.json").get<std::vector<Ids>>();
}

inline std::shared_ptr<const Tokenizer> fixture_tokenizer(const std::string& name) {
  return load_tokenizer(fixture_path(name + ".tokenizer.json"));
}

/// A tokenizer.json of this content, which messages call "t.json".
inline std::shared_ptr<const Tokenizer> tokenizer_of(const nlohmann::json& content,
                                                     const DocumentIds& beside = {}) {
  return huggingface_tokenizer(content.dump(), "t.json", beside);
}

}  // namespace lckv::data
