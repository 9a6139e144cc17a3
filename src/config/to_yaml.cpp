#include "lckv/base/text.h"
#include "lckv/config/keys.h"
#include "lckv/config/load.h"

namespace lckv::config {

std::string to_yaml(const RunConfig& run) {
  RunConfig copy = run;
  std::string text;
  std::string section;
  for (const Key& key : keys_of(copy)) {
    const std::string next = section_of(key.path);
    if (next != section) text += format("\n{}:\n", next);
    section = next;
    text += format("{}{}: {}\n", section.empty() ? "" : "  ", name_of(key.path), value_text(key));
  }
  return text;
}

}  // namespace lckv::config
