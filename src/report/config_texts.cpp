#include "lckv/report/config_texts.h"

#include <algorithm>
#include <map>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/config/document.h"

namespace lckv::report {

namespace {

/// A value on one line.
std::string text_of(const config::Node& node) {
  using Kind = config::Node::Kind;
  if (node.kind == Kind::kNull) return "null";
  if (node.kind == Kind::kScalar) return node.quoted ? '"' + node.text + '"' : node.text;
  std::string text;
  for (const config::Node& item : node.items) {
    text += (text.empty() ? "" : ", ") + text_of(item);
  }
  for (const config::Entry& entry : node.entries) {
    text += (text.empty() ? "" : ", ") + entry.name + ": " + text_of(entry.value);
  }
  return node.kind == Kind::kList ? "[" + text + "]" : "{" + text + "}";
}

/// Sections hold keys; a map below them is a value.
void add_section(ConfigTexts& texts, const std::string& name, const config::Node& section) {
  if (section.kind != config::Node::Kind::kMap) {
    texts.emplace_back(name, text_of(section));
    return;
  }
  for (const config::Entry& entry : section.entries) {
    texts.emplace_back(name + "." + entry.name, text_of(entry.value));
  }
}

std::string value_of(const std::map<std::string, std::string>& texts, const std::string& key) {
  const auto found = texts.find(key);
  return found == texts.end() ? kNoKey : found->second;
}

/// Every key that occurs, once.
std::vector<std::string> all_keys(const std::vector<ConfigTexts>& runs) {
  std::vector<std::string> keys;
  std::map<std::string, bool> is_known;
  for (const ConfigTexts& run : runs) {
    for (const auto& [key, value] : run) {
      if (!std::exchange(is_known[key], true)) keys.push_back(key);
    }
  }
  return keys;
}

}  // namespace

ConfigTexts config_texts(const std::string& yaml, const std::string& place) {
  ConfigTexts texts;
  try {
    const config::Node document = config::parse_document(yaml);
    if (document.kind != config::Node::Kind::kMap) {
      throw DataError(format("{}: is {}, not a map of sections", place, config::shown(document)));
    }
    for (const config::Entry& entry : document.entries) {
      add_section(texts, entry.name, entry.value);
    }
  } catch (const config::SyntaxMistake& mistake) {
    throw DataError(
        format("{}:{}:{}: {}", place, mistake.mark.line, mistake.mark.column, mistake.message));
  }
  return texts;
}

std::vector<ConfigDifference> config_differences(const std::vector<ConfigTexts>& runs) {
  std::vector<std::map<std::string, std::string>> by_key;
  by_key.reserve(runs.size());
  for (const ConfigTexts& run : runs) by_key.emplace_back(run.begin(), run.end());
  std::vector<ConfigDifference> differences;
  for (const std::string& key : all_keys(runs)) {
    ConfigDifference difference{key, {}};
    for (const auto& texts : by_key) difference.values.push_back(value_of(texts, key));
    const auto& values = difference.values;
    const bool equal = std::all_of(values.begin(), values.end(),
                                   [&](const std::string& value) { return value == values[0]; });
    if (!equal) differences.push_back(std::move(difference));
  }
  return differences;
}

}  // namespace lckv::report
