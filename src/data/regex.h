#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lckv::data {

/// A compiled PCRE2 pattern for UTF-8 text, with Unicode properties. May be used from several
/// threads at once.
class Regex {
 public:
  /// `origin` starts the message of the DataError that is thrown when the pattern is malformed or
  /// can match nothing at all. `literal`: the pattern is the text itself.
  Regex(const std::string& pattern, bool literal, const std::string& origin);
  ~Regex();
  Regex(Regex&&) noexcept;

  struct Match {
    size_t begin;
    size_t end;
  };
  /// The first match that begins at byte `from` or later; it sees the text before it. `text` is
  /// well formed.
  std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lckv::data
