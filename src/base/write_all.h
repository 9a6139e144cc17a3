#pragma once

#include <string_view>

namespace lckv {

/// Writes all bytes, however many calls it takes. False when one fails: errno tells why.
bool write_all(int descriptor, std::string_view bytes);

}  // namespace lckv
