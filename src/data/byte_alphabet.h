#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lckv::data {

/// The bytes that a token of a byte-level vocabulary stands for, where every byte is written as one
/// visible character: those of ASCII and Latin-1 that are visible as themselves, the others in
/// ascending order as U+0100, U+0101, ... Nothing when the token holds a character that stands for
/// no byte.
std::optional<std::string> bytes_of_visible(std::string_view token);

/// "<0xE2>": a byte in a vocabulary of characters.
std::string byte_token(size_t byte);

/// The byte of such a token, whose digits may be of either case; nothing for another token.
std::optional<char> byte_of_token(std::string_view token);

}  // namespace lckv::data
