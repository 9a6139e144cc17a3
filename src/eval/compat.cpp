#include "lckv/eval/compat.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::eval {

std::string_view name(Compat compat) {
  return compat == Compat::kLmEval045 ? "lmeval-0.4.5" : "lmeval-head";
}

Compat parse_compat(std::string_view text) {
  for (const Compat compat : {Compat::kLmEval045, Compat::kLmEvalHead}) {
    if (text == name(compat)) return compat;
  }
  throw ConfigError(format("compat '{}': expected {} or {}", text, name(Compat::kLmEval045),
                           name(Compat::kLmEvalHead)));
}

}  // namespace lckv::eval
