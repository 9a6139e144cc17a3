#include "lckv/eval/task_fingerprint.h"

#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"

namespace lckv::eval {

namespace {

uint64_t hash_of(std::span<const Document> documents) {
  StreamHash hash;
  const auto add = [&](const std::string& text) { hash.update(text.c_str(), text.size() + 1); };
  for (const Document& document : documents) {
    for (const Prompt& prompt : document.prompts) add(prompt.context), add(prompt.continuation);
    for (const std::string& choice : document.choices) add(choice);
    add(document.gold ? format("{}", *document.gold) : "none");
    add(document.kind);
  }
  return hash.digest();
}

}  // namespace

std::string task_fingerprint(std::span<const TaskInput> inputs) {
  std::string text;
  for (const TaskInput& input : inputs) {
    text +=
        format("{} of {} {:016x}, examples from {} {:016x}\n", input.documents.size(),
               input.task->name, hash_of(input.documents), input.pool.size(), hash_of(input.pool));
  }
  return text;
}

}  // namespace lckv::eval
