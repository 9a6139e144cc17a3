#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/hf_file_parts.h"
#include "lckv/data/hf_regex.h"
#include "lckv/data/utf8.h"

namespace lckv::data {

namespace {

/// The steps of a "Sequence", whose list has this name; of anything else, itself.
std::vector<JsonPlace> steps_of(const JsonPlace& place, const char* list) {
  if (place.at("type").text() != "Sequence") return {place};
  place.require_known_fields({"type", list});
  return place.at(list).items();
}

[[noreturn]] void refuse_type(const JsonPlace& step, std::string_view implemented) {
  step.at("type").refuse(format("one of {}", implemented));
}

// {"String": " "}
std::string plain_pattern(const JsonPlace& step) {
  const JsonPlace pattern = step.at("pattern");
  pattern.require_known_fields({"String"});
  std::string text = pattern.at("String").text();
  if (text.empty()) pattern.refuse("a text that is not empty");
  return text;
}

HfReplacement replacement(const JsonPlace& step) {
  step.require_known_fields({"type", "pattern", "content"});
  return {plain_pattern(step), step.at("content").text()};
}

SplitBehavior behavior(const JsonPlace& place) {
  const std::string name = place.text();
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  place.refuse("Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous");
}

HfSplit split(const JsonPlace& step) {
  step.require_known_fields({"type", "pattern", "behavior", "invert"});
  const JsonPlace pattern = step.at("pattern");
  HfSplit split;
  split.is_literal = pattern.find("String").has_value();
  split.pattern = split.is_literal ? plain_pattern(step) : pcre2_of_hf_regex(pattern.at("Regex"));
  pattern.require_known_fields({"String", "Regex"});
  split.behavior = behavior(step.at("behavior"));
  split.invert = step.flag_or("invert", false);
  return split;
}

HfSplit digits(const JsonPlace& step) {
  step.require_known_fields({"type", "individual_digits"});
  return {.pattern = number_pattern(),
          .behavior = step.flag_or("individual_digits", false) ? SplitBehavior::kIsolated
                                                               : SplitBehavior::kContiguous};
}

HfMetaspace::Prepend prepend_scheme(const JsonPlace& step) {
  using Prepend = HfMetaspace::Prepend;
  const auto scheme = step.find("prepend_scheme");
  const std::string name = scheme ? scheme->text() : "always";
  if (name != "always" && name != "first" && name != "never") {
    scheme->refuse("always, first or never");
  }
  const Prepend prepend = name == "always"  ? Prepend::kAlways
                          : name == "first" ? Prepend::kFirst
                                            : Prepend::kNever;
  if (step.flag_or("add_prefix_space", true)) return prepend;  // what older files have instead
  if (scheme && prepend != Prepend::kNever) {
    step.refuse_with(format("prepend_scheme \"{}\" contradicts add_prefix_space false", name));
  }
  return Prepend::kNever;
}

HfMetaspace metaspace(const JsonPlace& step) {
  step.require_known_fields(
      {"type", "replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep"});
  HfMetaspace metaspace;
  const JsonPlace place = step.at("replacement");
  metaspace.replacement = place.text();
  if (metaspace.replacement.empty() ||
      utf8_character(metaspace.replacement, 0).size_bytes != metaspace.replacement.size()) {
    place.refuse("one character");
  }
  metaspace.prepend = prepend_scheme(step);
  metaspace.split = step.flag_or("split", true);
  return metaspace;
}

void require_byte_level_fields(const JsonPlace& step) {
  step.require_known_fields({"type", "add_prefix_space", "trim_offsets", "use_regex"});
}

void read_pre_tokenizer_step(const JsonPlace& step, HfTokenizerFile& file) {
  if (file.bytes || file.metaspace)
    step.refuse_with("only the last step can be ByteLevel or Metaspace");
  const std::string type = step.at("type").text();
  if (type == "Split") {
    file.splits.push_back(split(step));
  } else if (type == "Digits") {
    file.splits.push_back(digits(step));
  } else if (type == "Metaspace") {
    file.metaspace = metaspace(step);
  } else if (type == "ByteLevel") {
    require_byte_level_fields(step);
    file.bytes = {.add_prefix_space = step.flag_or("add_prefix_space", true),
                  .use_regex = step.flag_or("use_regex", true)};
  } else {
    refuse_type(step, "ByteLevel, Metaspace, Split, Digits, Sequence");
  }
}

/// Position of the decoder's steps, which must come in this order.
enum class DecoderStep { kStart, kReplace, kByteFallback, kFuse, kStrip, kMetaspace };
using enum DecoderStep;

TextStart strip(const JsonPlace& step) {
  step.require_known_fields({"type", "content", "start", "stop"});
  const JsonPlace content = step.at("content");
  if (content.text() != " ") content.refuse("\" \"");
  step.at("stop").integer(0, 0);
  return step.at("start").integer(0, 1) == 1 ? TextStart::kDropsOneBlank : TextStart::kAsIs;
}

/// `before` is the step before this one.
DecoderStep read_decoder_step(const JsonPlace& step, DecoderStep before, HfDecoder& decoder) {
  const std::string type = step.at("type").text();
  const auto require_before = [&](bool sound, const char* rule) {
    if (!sound) step.refuse_with(format("{} {}", type, rule));
  };
  if (type == "Replace") {
    require_before(before <= kReplace, "is implemented before all other steps alone");
    decoder.replacements.push_back(replacement(step));
    return kReplace;
  }
  if (type == "ByteFallback") {
    require_before(before <= kReplace, "is implemented before Fuse alone");
    step.require_known_fields({"type"});
    decoder.byte_fallback = true;
    return kByteFallback;
  }
  if (type == "Fuse") {
    require_before(before < kFuse, "is implemented once, before Strip");
    step.require_known_fields({"type"});
    return kFuse;
  }
  if (type == "Strip") {
    require_before(before == kFuse, "is implemented right after Fuse alone");
    decoder.start = strip(step);
    return kStrip;
  }
  if (type == "Metaspace") {
    require_before(before == kStart, "is implemented alone");
    // Takes back the one blank that was put in front; the library drops all of the first token's.
    const HfMetaspace blanks = metaspace(step);
    decoder.replacements.push_back({blanks.replacement, " "});
    decoder.start = blanks.prepend == HfMetaspace::Prepend::kNever ? TextStart::kAsIs
                                                                   : TextStart::kDropsOneBlank;
    return kMetaspace;
  }
  refuse_type(step,
              "Replace, ByteFallback, Fuse, Strip, Metaspace, Sequence, for a model of characters");
}

void read_byte_level_decoder(const std::vector<JsonPlace>& steps) {
  for (const JsonPlace& step : steps) {
    const JsonPlace type = step.at("type");
    if (type.text() != "ByteLevel") type.refuse("ByteLevel, as the pre-tokenizer is");
    require_byte_level_fields(step);
  }
}

}  // namespace

void read_hf_normalizer(const JsonPlace& root, HfTokenizerFile& file) {
  const auto normalizer = root.find("normalizer");
  if (!normalizer) return;
  for (const JsonPlace& step : steps_of(*normalizer, "normalizers")) {
    const std::string type = step.at("type").text();
    if (type == "Prepend") {
      step.require_known_fields({"type", "prepend"});
      file.normalizer.push_back({"", step.at("prepend").text()});
    } else if (type == "Replace") {
      file.normalizer.push_back(replacement(step));
    } else {
      refuse_type(step, "Prepend, Replace, Sequence");
    }
  }
}

void read_hf_pre_tokenizer(const JsonPlace& root, HfTokenizerFile& file) {
  const auto pre_tokenizer = root.find("pre_tokenizer");
  if (!pre_tokenizer) return;
  for (const JsonPlace& step : steps_of(*pre_tokenizer, "pretokenizers")) {
    read_pre_tokenizer_step(step, file);
  }
}

void read_hf_decoder(const JsonPlace& root, HfTokenizerFile& file) {
  const auto decoder = root.find("decoder");
  if (!decoder) {
    root.refuse_with("decoder: null joins tokens with blanks, which is not implemented");
  }
  const std::vector<JsonPlace> steps = steps_of(*decoder, "decoders");
  if (steps.empty()) decoder->refuse_with("a Sequence of no decoders is not implemented");
  if (file.bytes) return read_byte_level_decoder(steps);
  DecoderStep before = kStart;
  for (const JsonPlace& step : steps) before = read_decoder_step(step, before, file.decoder);
}

}  // namespace lckv::data
