// The door to yaml-cpp. Its events are used instead of its nodes: nodes keep one of two equal keys,
// follow aliases and guess types.
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "lckv/base/text.h"
#include "lckv/config/document.h"

namespace lckv::config {
namespace {

Mark to_mark(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

/// Builds the Node tree; a frame is a list or map that is still open.
class TreeBuilder : public YAML::EventHandler {
 public:
  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_indirection(mark, "", anchor);
    put(make(mark, Node::Kind::kNull));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw SyntaxMistake{to_mark(mark), "aliases (*name) are not supported"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_indirection(mark, tag, anchor);
    Node node = make(mark, Node::Kind::kScalar);
    node.text = value;
    node.quoted = tag == "!";
    put(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::kList);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::kMap);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Node node;
    bool has_name = false;  // a map's next value belongs to the last entry
  };

  static Node make(const YAML::Mark& mark, Node::Kind kind) {
    Node node;
    node.kind = kind;
    node.mark = to_mark(mark);
    return node;
  }

  static void refuse_indirection(const YAML::Mark& mark, const std::string& tag,
                                 YAML::anchor_t anchor) {
    if (anchor != 0) throw SyntaxMistake{to_mark(mark), "anchors (&name) are not supported"};
    // "?" and "!" are the parser's own marks of an untagged plain and quoted value
    if (tag.size() > 1) {
      throw SyntaxMistake{to_mark(mark), format("tags such as {} are not supported", tag)};
    }
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            Node::Kind kind) {
    refuse_indirection(mark, tag, anchor);
    open_.push_back({make(mark, kind), false});
  }

  void close() {
    Node node = std::move(open_.back().node);
    open_.pop_back();
    put(std::move(node));
  }

  void put(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().node.kind == Node::Kind::kList) {
      open_.back().node.items.push_back(std::move(node));
    } else {
      put_in_map(open_.back(), std::move(node));
    }
  }

  static void put_in_map(Frame& map, Node node) {
    if (map.has_name) {
      map.node.entries.back().value = std::move(node);
    } else if (node.kind != Node::Kind::kScalar) {
      throw SyntaxMistake{node.mark, format("a key must be a word, is {}", shown(node))};
    } else if (node.text == "<<") {
      throw SyntaxMistake{node.mark, "merge keys (<<) are not supported"};
    } else {
      map.node.entries.push_back({node.text, node.mark, Node{}});
    }
    map.has_name = !map.has_name;
  }

  Node root_;
  std::vector<Frame> open_;
};

}  // namespace

Node parse_document(const std::string& text) {
  std::istringstream stream(text);
  TreeBuilder builder;
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return {};
    Node root = builder.take_root();
    if (parser.HandleNextDocument(builder)) {
      throw SyntaxMistake{builder.take_root().mark, "a second document; the file must hold one"};
    }
    return root;
  } catch (const YAML::Exception& e) {
    throw SyntaxMistake{to_mark(e.mark), e.msg};
  }
}

std::string shown(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing (null)";
    case Node::Kind::kScalar:
      return node.quoted ? format("\"{}\" (text)", node.text) : node.text;
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map of keys";
  }
  return "";
}

}  // namespace lckv::config
