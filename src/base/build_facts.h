#pragma once

#include <string>

namespace lckv {

/// How this program was built.
struct BuildFacts {
  std::string type;        // CMake's: "Release"
  std::string compiler;    // "g++ 12.2.0"
  std::string sanitizers;  // "" where there are none
};
BuildFacts build_facts();

}  // namespace lckv
