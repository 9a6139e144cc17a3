#pragma once

#include <cstddef>
#include <cstdint>

namespace lckv::fuzz {

/// What LLVMFuzzerCustomMutator does for a run file as run_file_fuzz.cpp takes it: gives keys
/// values that nearly fit them and moves lines, half of the time in a valid run; or what libFuzzer
/// does to any bytes, now and then. Byte by byte, hardly ever is a value exchanged for another.
size_t mutate_run_file(uint8_t* data, size_t size, size_t max_size, unsigned seed);

}  // namespace lckv::fuzz
