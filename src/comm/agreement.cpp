#include "lckv/comm/agreement.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <system_error>

#include "lckv/base/system_failure.h"
#include "lckv/base/text.h"

namespace lckv::comm {

namespace {

struct Outcome {
  ExitCode code = ExitCode::kOk;
  std::string message;
};

Outcome outcome_of(const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const Error& error) {
    return {error.exit_code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ExitCode::kIo, "out of memory"};
  } catch (const std::system_error& error) {
    return {ExitCode::kIo, to_io_error(error).what()};
  } catch (const std::exception& error) {
    return {ExitCode::kInternal, format("internal error: {}", error.what())};
  }
}

/// "3 no such file"; "" for success.
std::string to_text(const Outcome& outcome) {
  if (outcome.code == ExitCode::kOk) return "";
  return format("{} {}", static_cast<int>(outcome.code), outcome.message);
}

AgreedError to_error(const std::string& text, const std::string& prefix) {
  const size_t space = text.find(' ');
  return {prefix + text.substr(space + 1), static_cast<ExitCode>(std::stoi(text.substr(0, space)))};
}

/// "line 3 is 'tp: 2', there 'tp: 4'"
std::string first_difference(const std::string& here, const std::string& there) {
  const std::vector<std::string> ours = split(here, '\n'), theirs = split(there, '\n');
  const auto line = [](const std::vector<std::string>& lines, size_t at) {
    return at < lines.size() ? format("'{}'", lines[at]) : std::string("missing");
  };
  size_t at = 0;
  while (line(ours, at) == line(theirs, at)) ++at;
  return format("line {} is {}, there {}", at + 1, line(ours, at), line(theirs, at));
}

}  // namespace

std::vector<std::string> gather_texts(Communicator& group, const std::string& text) {
  constexpr auto kLabel = "texts";
  Stream stream;
  const auto ranks = static_cast<size_t>(group.size());
  std::vector<int64_t> lengths(ranks);
  const auto own_length = static_cast<int64_t>(text.size());
  group.all_gather(stream, View(lengths.data(), DType::kI64, {group.size()}),
                   ConstView(&own_length, DType::kI64, {1}), kLabel);
  // No dtype has one byte: every text is padded to whole integers, as many as the longest needs.
  const int64_t words = *std::max_element(lengths.begin(), lengths.end()) / 4 + 1;
  std::vector<int32_t> all(ranks * static_cast<size_t>(words)), own(static_cast<size_t>(words));
  std::memcpy(own.data(), text.data(), text.size());
  group.all_gather(stream, View(all.data(), DType::kI32, {group.size() * words}),
                   ConstView(own.data(), DType::kI32, {words}), kLabel);
  std::vector<std::string> texts;
  for (size_t rank = 0; rank < ranks; ++rank) {
    const auto* begin = reinterpret_cast<const char*>(all.data()) + rank * own.size() * 4;
    texts.emplace_back(begin, static_cast<size_t>(lengths[rank]));
  }
  return texts;
}

namespace {

/// Throws on all ranks what the lowest failing one met; `name` tells who a rank is.
void throw_if_any_failed(Communicator& group, const Outcome& here, const std::string& name) {
  const std::vector<std::string> outcomes = gather_texts(group, to_text(here));
  const auto failed = std::find_if(outcomes.begin(), outcomes.end(),
                                   [](const std::string& outcome) { return !outcome.empty(); });
  if (failed == outcomes.end()) return;
  if (std::all_of(outcomes.begin(), outcomes.end(),
                  [&](const std::string& outcome) { return outcome == *failed; })) {
    throw to_error(*failed, "");
  }
  const auto names = gather_texts(group, name);
  throw to_error(*failed, names[static_cast<size_t>(failed - outcomes.begin())] + ": ");
}

}  // namespace

void together(World& world, const std::function<void()>& work) {
  if (world.size() == 1) return work();
  throw_if_any_failed(world.all(), outcome_of(work), world.describe_rank());
}

void together(Communicator& group, const std::function<void()>& work) {
  if (group.size() == 1) return work();
  throw_if_any_failed(group, outcome_of(work), format("rank {}", group.rank()));
}

bool stops_after(Communicator& group, bool stop, const std::function<void()>& work) {
  Outcome outcome;
  if (group.size() == 1) {
    work();
  } else {
    outcome = outcome_of(work);
  }
  enum : int32_t { kGoOn, kStop, kFailed };
  Stream stream;
  int32_t state = outcome.code != ExitCode::kOk ? kFailed : stop ? kStop : kGoOn;
  group.all_reduce(stream, View(&state, DType::kI32, {1}), ReduceOp::kMax, "stop");
  if (state == kFailed) throw_if_any_failed(group, outcome, format("rank {}", group.rank()));
  return state == kStop;
}

void require_equal_texts(World& world, const std::string& what, const std::string& text) {
  const std::vector<std::string> texts = gather_texts(world.all(), text);
  const auto differs = [&](const std::string& other) { return other != texts[0]; };
  if (std::none_of(texts.begin(), texts.end(), differs)) return;
  const std::vector<std::string> names = gather_texts(world.all(), world.describe_rank());
  std::string message;
  for (size_t rank = 0; rank < texts.size(); ++rank) {
    if (!differs(texts[rank])) continue;
    message += format("{}{}: {} differs from rank 0's: {}", message.empty() ? "" : "\n",
                      names[rank], what, first_difference(texts[rank], texts[0]));
  }
  throw AgreedError(message, ExitCode::kConfig);
}

bool any_rank(Communicator& group, bool here, const char* label) {
  Stream stream;
  int32_t any = here ? 1 : 0;
  group.all_reduce(stream, View(&any, DType::kI32, {1}), ReduceOp::kMax, label);
  return any != 0;
}

}  // namespace lckv::comm
