#pragma once

namespace lckv::report {

/// The style sheet of the page: light and dark, phone and print.
extern const char* const kPageStyle;

/// The script of the page: legends that toggle curves, values under the pointer. The page is whole
/// without it.
extern const char* const kPageScript;

}  // namespace lckv::report
