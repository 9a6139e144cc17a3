#pragma once

#include <string>
#include <vector>

namespace lckv::config {

/// A position in a text, counted from 1; line 0: unknown.
struct Mark {
  int line = 0;
  int column = 0;
};

struct Entry;

/// A value of a YAML or JSON text, with the positions that messages need.
struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  Mark mark;
  std::string text;            // of a scalar, quotes and escapes resolved
  bool quoted = false;         // the scalar stood in quotes: it is text, whatever it looks like
  std::vector<Node> items;     // of a list
  std::vector<Entry> entries;  // of a map, in the order of the text, repeated names included
};

/// `name: value` of a map; `mark` is the name's.
struct Entry {
  std::string name;
  Mark mark;
  Node value;
};

/// What parse_document throws: the text is not one plain YAML document.
struct SyntaxMistake {
  Mark mark;
  std::string message;
};

/// Reads one YAML document; JSON is read too, being a subset but for rare escapes. An empty text is
/// null. Anchors, aliases, merge keys, tags, keys that are not plain words and second documents are
/// refused: a run file says what it means in place.
Node parse_document(const std::string& text);

/// How a message shows the value: "1.5", "\"abc\" (text)", "a list", "nothing".
std::string shown(const Node& node);

}  // namespace lckv::config
