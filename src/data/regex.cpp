#include "lckv/data/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::data {

namespace {

constexpr size_t kJitStackStartBytes = 32 << 10;
constexpr size_t kJitStackLimitBytes = 16 << 20;

std::string reason_of(int code) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

struct Deleter {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_compile_context* p) const { pcre2_compile_context_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Deleter>;

/// What a match writes to; of one thread, for all patterns.
struct Workspace {
  Owned<pcre2_match_data> data{pcre2_match_data_create(1, nullptr)};
  Owned<pcre2_jit_stack> stack{
      pcre2_jit_stack_create(kJitStackStartBytes, kJitStackLimitBytes, nullptr)};
  Owned<pcre2_match_context> context{pcre2_match_context_create(nullptr)};

  Workspace() {
    if (!data || !context) throw std::bad_alloc();
    if (stack) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

Workspace& workspace() {
  thread_local Workspace own;
  return own;
}

Owned<pcre2_code> compile(const std::string& pattern, bool literal, const std::string& origin) {
  const Owned<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int code = 0;
  size_t at = 0;
  Owned<pcre2_code> compiled(pcre2_compile(bytes_of(pattern), pattern.size(),
                                           PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP), &code,
                                           &at, context.get()));
  if (!compiled) {
    throw DataError(format("{}: pattern {}: {} at byte {}", origin, pattern, reason_of(code), at));
  }
  uint32_t matches_nothing = 0;
  pcre2_pattern_info(compiled.get(), PCRE2_INFO_MATCHEMPTY, &matches_nothing);
  if (matches_nothing != 0) {
    throw DataError(format("{}: pattern {}: can match an empty text", origin, pattern));
  }
  pcre2_jit_compile(compiled.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT it is interpreted
  return compiled;
}

}  // namespace

struct Regex::State {
  Owned<pcre2_code> code;
  std::string origin;
};

Regex::Regex(const std::string& pattern, bool literal, const std::string& origin)
    : state_(new State{compile(pattern, literal, origin), origin}) {}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;

std::optional<Regex::Match> Regex::find(std::string_view text, size_t from) const {
  Workspace& own = workspace();
  const int code = pcre2_match(state_->code.get(), bytes_of(text), text.size(), from,
                               PCRE2_NO_UTF_CHECK, own.data.get(), own.context.get());
  if (code == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (code < 0) {
    throw DataError(format("{}: matching {} bytes of text from byte {}: {}", state_->origin,
                           text.size(), from, reason_of(code)));
  }
  const size_t* bounds = pcre2_get_ovector_pointer(own.data.get());
  return Match{bounds[0], bounds[1]};
}

}  // namespace lckv::data
