#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/hf_file_parts.h"

namespace lckv::data {

namespace {

/// The one id that the template's special token of this name stands for.
int32_t id_of_special(const JsonPlace& processor, const JsonPlace& piece,
                      const HfTokenizerFile& file) {
  const JsonPlace name = piece.at("id");
  const JsonPlace special = processor.at("special_tokens").at(name.text().c_str());
  const std::vector<JsonPlace> ids = special.at("ids").items();
  if (ids.size() != 1) special.at("ids").refuse("a list of one id");
  return static_cast<int32_t>(ids.front().integer(0, file.vocab_size() - 1));
}

void set_once(std::optional<int32_t>& id, int32_t value, const JsonPlace& piece) {
  if (id) piece.refuse_with("more than one token before or after the text is not implemented");
  id = value;
}

void read_template(const JsonPlace& processor, HfTokenizerFile& file) {
  processor.require_known_fields({"type", "single", "pair", "special_tokens"});
  bool after_text = false;
  for (const JsonPlace& piece : processor.at("single").items()) {
    if (const auto sequence = piece.find("Sequence")) {
      if (after_text) sequence->refuse_with("the text itself comes twice");
      after_text = true;
    } else {
      const JsonPlace special = piece.at("SpecialToken");
      std::optional<int32_t>& id = after_text ? file.document.eos : file.document.bos;
      set_once(id, id_of_special(processor, special, file), special);
    }
  }
  if (!after_text) processor.at("single").refuse_with("the text itself does not occur in it");
}

void read_processor(const JsonPlace& processor, HfTokenizerFile& file) {
  const JsonPlace type = processor.at("type");
  const std::string name = type.text();
  if (name == "TemplateProcessing") {
    read_template(processor, file);
  } else if (name == "Sequence") {
    processor.require_known_fields({"type", "processors"});
    for (const JsonPlace& step : processor.at("processors").items()) read_processor(step, file);
  } else if (name != "ByteLevel") {  // which moves offsets, not tokens
    type.refuse("one of TemplateProcessing, ByteLevel, Sequence");
  }
}

}  // namespace

void read_hf_post_processor(const JsonPlace& root, HfTokenizerFile& file) {
  if (const auto processor = root.find("post_processor")) read_processor(*processor, file);
}

}  // namespace lckv::data
