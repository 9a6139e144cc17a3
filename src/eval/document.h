#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lckv::eval {

/// One text whose probability is asked, and what stands before it.
struct Prompt {
  std::string context;
  std::string continuation;
  bool operator==(const Prompt&) const = default;
};

/// One item of a task, ready to be asked.
struct Document {
  std::vector<Prompt> prompts;       // one per choice; one where there is nothing to choose
  std::vector<std::string> choices;  // acc_norm divides by their characters; else empty
  std::optional<size_t> gold;    // index of the right prompt, where there is one and it is known
  std::string target;            // the right answer as logs of samples show it
  std::string kind;              // results are also given per kind where one is named
  int64_t words = 0, bytes = 0;  // of a page, before detokenization
  std::string json;              // the item itself, as json.dumps(indent=2) of Python writes it
  std::string place;             // "dev.jsonl:12", for messages
};

}  // namespace lckv::eval
