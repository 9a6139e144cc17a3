#include "json_mutator.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace lckv::fuzz {

namespace {

using nlohmann::ordered_json;

void collect(ordered_json& json, std::vector<ordered_json*>& nodes) {
  nodes.push_back(&json);
  if (!json.is_structured()) return;
  for (ordered_json& child : json) collect(child, nodes);
}

ordered_json odd_value(Dice& dice) {
  const int64_t power = int64_t{1} << below(dice, 63);
  switch (below(dice, 10)) {
    case 0:
      return power;
    case 1:
      return power - 1;
    case 2:
      return static_cast<int64_t>(below(dice, 4)) - 1;
    case 3:
      return std::numeric_limits<uint64_t>::max() / (1 + below(dice, 2));
    case 4:
      return std::array{1.5, 1e300, -0.0, 3.0}[below(dice, 4)];
    case 5:
      return below(dice, 2) == 0;
    case 6:
      return nullptr;
    case 7:
      return ordered_json::array();
    case 8:
      return ordered_json::object();
    default:
      return std::array{"", "./", "F32", "0", "\u00e9"}[below(dice, 5)];
  }
}

void mutate_number(ordered_json& number, Dice& dice) {
  if (!number.is_number_integer()) return;
  const auto value = number.get<uint64_t>();
  number = std::array{value + 1, value - 1, value * 2, uint64_t{0} - value}[below(dice, 4)];
}

void mutate_string(ordered_json& string, const std::vector<ordered_json*>& nodes, Dice& dice) {
  auto text = string.get<std::string>();
  const ordered_json& other = *nodes[below(dice, nodes.size())];
  switch (below(dice, 4)) {
    case 0:
      string = std::array{"./", "sub/", "../"}[below(dice, 3)] + text;
      break;
    case 1:
      if (other.is_string()) string = ordered_json(other);
      break;
    case 2:
      string = text + static_cast<char>(below(dice, 128));
      break;
    default:
      if (!text.empty()) text[below(dice, text.size())] = static_cast<char>(below(dice, 128));
      string = text;
  }
}

void mutate_array(ordered_json& array, Dice& dice) {
  if (array.empty()) return array.push_back(odd_value(dice));
  const size_t at = below(dice, array.size());
  switch (below(dice, 3)) {
    case 0:
      array.push_back(ordered_json(array[at]));
      break;
    case 1:
      array.erase(at);
      break;
    default:
      std::swap(array[at], array[below(dice, array.size())]);
  }
}

void mutate_object(ordered_json& object, Dice& dice) {
  if (object.empty()) {
    object["a"] = odd_value(dice);
    return;
  }
  const auto member = std::next(object.begin(), static_cast<ptrdiff_t>(below(dice, object.size())));
  const std::string name = member.key();
  const ordered_json value = member.value();
  switch (below(dice, 4)) {
    case 0:
      object.erase(name);
      break;
    case 1:
      object[name + "b"] = value;
      break;
    case 2:
      object.erase(name);
      object[std::string(1, static_cast<char>('a' + below(dice, 5)))] = value;
      break;
    default:
      object[name] =
          std::next(object.begin(), static_cast<ptrdiff_t>(below(dice, object.size()))).value();
  }
}

}  // namespace

void mutate(ordered_json& json, Dice& dice) {
  std::vector<ordered_json*> nodes;
  collect(json, nodes);
  ordered_json& node = *nodes[below(dice, nodes.size())];
  if (below(dice, 4) == 0) {
    node = odd_value(dice);
  } else if (node.is_number()) {
    mutate_number(node, dice);
  } else if (node.is_string()) {
    mutate_string(node, nodes, dice);
  } else if (node.is_array()) {
    mutate_array(node, dice);
  } else if (node.is_object()) {
    mutate_object(node, dice);
  }
}

size_t mutate_input(
    uint8_t* data, size_t size, size_t max_size, unsigned seed, size_t head_bytes,
    const std::function<void(uint8_t* head, ordered_json& json, Dice& dice)>& repair) {
  Dice dice(seed);
  if (size < head_bytes || below(dice, 4) == 0) return LLVMFuzzerMutate(data, size, max_size);
  ordered_json json = ordered_json::parse(data + head_bytes, data + size, nullptr, false);
  if (json.is_discarded()) return LLVMFuzzerMutate(data, size, max_size);
  for (size_t times = 1 + below(dice, 3); times > 0; --times) mutate(json, dice);
  if (repair) repair(data, json, dice);
  const std::string text = json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  if (head_bytes + text.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data + head_bytes, text.data(), text.size());
  return head_bytes + text.size();
}

}  // namespace lckv::fuzz
