#include <set>

#include "lckv/base/text.h"
#include "lckv/config/assignment.h"
#include "lckv/config/known_paths.h"

namespace lckv::config {
namespace {

class HfConfigReader {
 public:
  HfConfigReader(const Place& file, Mistakes& mistakes) : file_(file), mistakes_(mistakes) {}

  std::vector<Assignment> read(const Node& root) {
    if (root.kind != Node::Kind::kMap) {
      refuse(root.mark, "", format("must be a JSON object, is {}", shown(root)));
      for (const std::string& path : known_paths()) mistakes_.mark_unsound(path);
      return {};
    }
    refuse_repeated(root);
    check_model_type(root);
    assume_hf_defaults(root);
    for (const Entry& entry : root.entries) read_field(entry);
    return std::move(assignments_);
  }

 private:
  void refuse(Mark mark, const std::string& path, const std::string& message) {
    mistakes_.add({file_.source, file_.name, mark}, path, message);
  }

  void refuse_repeated(const Node& root) {
    std::set<std::string> names;
    for (const Entry& entry : root.entries) {
      if (!names.insert(entry.name).second) refuse(entry.mark, "model." + entry.name, "repeated");
    }
  }

  void check_model_type(const Node& root) {
    std::string type;
    Mark mark = root.mark;
    for (const Entry& entry : root.entries) {
      if (entry.name != "model_type") continue;
      type = entry.value.text;
      mark = entry.value.mark;
    }
    is_llama_ = type == "llama";
    if (!is_llama_ && type != "lckv-llama") {
      refuse(mark, "", format("model_type must be llama or lckv-llama, is \"{}\"", type));
    }
  }

  /// Where Hugging Face's default for a missing field is not ours.
  void assume_hf_defaults(const Node& root) {
    Node eps;
    eps.kind = Node::Kind::kScalar;
    eps.text = "1e-06";
    assignments_.push_back({"model.rms_norm_eps", eps, {file_.source, file_.name, root.mark}});
  }

  void read_field(const Entry& entry) {
    const std::string path = "model." + entry.name;
    if (entry.name == "rope_parameters") {
      read_rope_parameters(entry.value);
    } else if (is_known_path(path) && path != "model.from") {
      add(path, entry);
    }
  }

  void add(const std::string& path, const Entry& entry) {
    if (entry.value.kind == Node::Kind::kNull)
      return;  // null and missing mean the same to Hugging Face
    if (is_llama_ && changes_plain_llama(entry)) {
      refuse(
          entry.value.mark, path,
          format("is {}, a field that model_type llama does not have; model_type lckv-llama does",
                 shown(entry.value)));
      return;
    }
    assignments_.push_back({path, entry.value, {file_.source, file_.name, entry.value.mark}});
  }

  static bool changes_plain_llama(const Entry& entry) {
    return entry.name == "layer_types" ||
           (entry.name == "force_nodiag" && entry.value.text == "true");
  }

  /// {"rope_type": "default", "rope_theta": 10000.0}: how transformers 5 writes rope_theta.
  void read_rope_parameters(const Node& value) {
    if (value.kind == Node::Kind::kNull) return;
    if (value.kind != Node::Kind::kMap) {
      refuse(value.mark, "", format("rope_parameters must be an object, is {}", shown(value)));
    }
    for (const Entry& entry : value.entries) {
      const bool is_type = entry.name == "rope_type" || entry.name == "type";
      if (entry.name == "rope_theta") {
        add("model.rope_theta", entry);
      } else if (!is_type || entry.value.text != "default") {
        refuse(
            entry.mark, "",
            format("rope_parameters: {} is {}; only rope_theta and rope_type default are supported",
                   entry.name, shown(entry.value)));
      }
    }
  }

  Place file_;
  Mistakes& mistakes_;
  bool is_llama_ = false;
  std::vector<Assignment> assignments_;
};

}  // namespace

std::vector<Assignment> read_hf_config(const std::string& json, const Place& file,
                                       Mistakes& mistakes) {
  try {
    return HfConfigReader(file, mistakes).read(parse_document(json));
  } catch (const SyntaxMistake& mistake) {
    mistakes.add({file.source, file.name, mistake.mark}, "", mistake.message);
    for (const std::string& path : known_paths()) mistakes.mark_unsound(path);
    return {};
  }
}

}  // namespace lckv::config
