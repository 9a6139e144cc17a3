#pragma once

#include <cstdint>

namespace lckv::comm {

/// How the threads of a group pass the time until messages arrive.
enum class Waiting : uint8_t {
  kPrompt,  // a short while they look again at once, then they sleep some tens of microseconds
  kPatient  // they sleep for milliseconds: for a thread beside the main one, which may wait minutes
            // for another rank's disk and must not take a core for it. No stall is seen in that
};

}  // namespace lckv::comm
