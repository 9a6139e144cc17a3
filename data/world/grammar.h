#pragma once

#include <map>
#include <string>
#include <string_view>

#include "lckv/world/draw.h"

namespace lckv::world {

/// Text for every slot a template may name: "who" -> "Mia", "place" -> "garden", ...
using Slots = std::map<std::string, std::string, std::less<>>;

/// The text of a template. `{who}` becomes the slot's text, which is expanded in its turn;
/// `[quickly|slowly|]` becomes one of its alternatives, drawn uniformly (they may hold slots, but
/// no further brackets). Throws InternalError naming the template for an unknown slot or an open
/// bracket.
std::string expand(std::string_view text, const Slots& slots, Draw& draw);

/// `text` with a capital at its start and after every full stop, question mark or exclamation mark
/// that is followed by a blank (and perhaps an opening quote). Depends at each letter only on what
/// stands to its left, so the beginning of a text is capitalised like the beginning of the whole.
std::string with_capitals(std::string text);

/// Number of pieces between blanks.
size_t word_count(std::string_view text);

}  // namespace lckv::world
