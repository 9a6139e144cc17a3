#pragma once

#include <optional>
#include <string_view>

namespace lckv::data {

/// Characters that Unicode 16 has in a general category ("L", "Nd") and Unicode 14 has not, as the
/// inside of a class for PCRE2: \x{...}-\x{...}. Older PCRE2 libraries do not know them. Nothing
/// for a name that is no general category.
std::optional<std::string_view> newer_characters(std::string_view category);

}  // namespace lckv::data
