#include <algorithm>

#include "lckv/base/text.h"
#include "lckv/config/assignment.h"
#include "lckv/config/fixed_keys.h"
#include "lckv/config/scalar.h"

namespace lckv::config {
namespace {

/// Takes the parsed value if there is one.
template <class Field, class Value>
bool store(Field& field, const std::optional<Value>& value) {
  if (value) field = *value;
  return value.has_value();
}

/// Writes a node into a field; false if the node is of another type.
struct Writer {
  const Node& node;
  bool nullable;

  bool is_null() const { return nullable && node.kind == Node::Kind::kNull; }

  bool operator()(std::string* field) const {
    if (is_null()) {
      field->clear();
      return true;
    }
    // empty text is how "null" is kept in the field, and must not be written so
    if (node.kind != Node::Kind::kScalar || (nullable && node.text.empty())) return false;
    *field = node.text;
    return true;
  }
  bool operator()(std::vector<std::string>* field) const {
    const bool is_list = node.kind == Node::Kind::kList;
    const std::vector<Node>& items = is_list ? node.items : std::vector<Node>{node};
    const bool all_text = std::all_of(items.begin(), items.end(), [](const Node& item) {
      return item.kind == Node::Kind::kScalar && !item.text.empty();
    });
    if (!all_text) return false;
    field->clear();
    for (const Node& item : items) field->push_back(item.text);
    return true;
  }
  bool operator()(TextMap* field) const {
    if (node.kind != Node::Kind::kMap) return false;
    TextMap map;
    for (const Entry& entry : node.entries) {
      const bool is_text = entry.value.kind == Node::Kind::kScalar && !entry.value.text.empty();
      if (!is_text || entry.name.empty()) return false;
      if (!map.emplace(entry.name, entry.value.text).second) return false;  // named twice
    }
    *field = std::move(map);
    return true;
  }
  bool operator()(int64_t* field) const {
    if (is_null()) return store(*field, std::optional<int64_t>(0));
    return store(*field, parse_integer(node));
  }
  bool operator()(std::optional<int64_t>* field) const {
    if (is_null()) {
      field->reset();
      return true;
    }
    return store(*field, parse_integer(node));
  }
  bool operator()(uint64_t* field) const { return store(*field, parse_unsigned(node)); }
  bool operator()(double* field) const { return store(*field, parse_number(node)); }
  bool operator()(bool* field) const { return store(*field, parse_flag(node)); }
  bool operator()(const Choice& choice) const {
    const auto& words = choice.words;
    const bool known = node.kind == Node::Kind::kScalar &&
                       std::find(words.begin(), words.end(), node.text) != words.end();
    if (known) choice.set(node.text);
    return known;
  }
  bool operator()(const IntegerOrAuto& field) const {
    if (node.kind == Node::Kind::kScalar && node.text == "auto") {
      *field.number = 0;
      return true;
    }
    const std::optional<int64_t> number = parse_integer(node);
    // 0 is how "auto" is kept in the field, and must not be written so
    return number != 0 && store(*field.number, number);
  }
};

/// Why the value is refused, "" if it was written.
std::string assign(const Assignment& assignment, const std::vector<Key>& keys) {
  if (is_fixed_key(assignment.path)) {
    return fixed_key_mistake(assignment.path, assignment.value);
  }
  const auto key = std::find_if(keys.begin(), keys.end(),
                                [&](const Key& k) { return k.path == assignment.path; });
  const Writer writer{assignment.value, key->need == Need::kNullable};
  if (std::visit(writer, key->field)) return "";
  return format("must be {}, is {}", expectation(*key), shown(assignment.value));
}

}  // namespace

void apply(const std::vector<Assignment>& assignments, const std::vector<Key>& keys, Places& places,
           Mistakes& mistakes) {
  for (const Assignment& assignment : assignments) {
    places[assignment.path] = assignment.place;
    const std::string wrong = assign(assignment, keys);
    if (!wrong.empty()) mistakes.add(assignment.place, assignment.path, wrong);
  }
}

}  // namespace lckv::config
