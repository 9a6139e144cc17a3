#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include <nlohmann/json.hpp>

#include "dice.h"

namespace lckv::fuzz {

/// Changes one value of the JSON, or the members of one object or array: byte by byte, hardly ever
/// is a number, a name or a list exchanged for another that is JSON still.
void mutate(nlohmann::ordered_json& json, Dice& dice);

/// What LLVMFuzzerCustomMutator does for an input of `head_bytes` and a JSON text: mutate(), then
/// `repair`, which may change the head too; or what libFuzzer does to any bytes, now and then, and
/// when the text is no JSON.
size_t mutate_input(uint8_t* data, size_t size, size_t max_size, unsigned seed, size_t head_bytes,
                    const std::function<void(uint8_t* head, nlohmann::ordered_json& json,
                                             Dice& dice)>& repair = {});

}  // namespace lckv::fuzz
