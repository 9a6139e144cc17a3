#include "lckv/comm/stack_report.h"

#include <fcntl.h>
#include <unistd.h>

#include "lckv/base/stack_trace.h"
#include "lckv/base/text.h"
#include "lckv/base/write_all.h"

namespace lckv::comm {

namespace {

bool write_file(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return false;
  const bool written = write_all(file, text);
  return close(file) == 0 && written;
}

std::string describe(const CollectiveState& call) {
  return format("{} ({}): {} \"{}\", call {}, {} B, {}\n", call.group.name.view(), name(call.lane),
                name(call.kind), call.label.view(), call.number, call.bytes,
                call.under_way ? format("under way for {:.1f} s", call.age_s)
                               : format("done, begun {:.1f} s ago", call.age_s));
}

}  // namespace

void write_stack_report(const RankRecord& here, const std::string& folder) {
  std::string text = format("rank {} ({}, pid {}): {}, last progress {:.1f} s ago\n", here.rank,
                            here.host.view(), here.pid, here.phase.view(), here.idle_s);
  for (const CollectiveState& call : here.collectives()) text += describe(call);
  text += stack_traces();
  if (!folder.empty() && write_file(format("{}/stacks-rank-{:05d}.txt", folder, here.rank), text)) {
    return;
  }
  write_to_stderr(text);
}

void write_to_stderr(const std::string& text) { write_all(STDERR_FILENO, text); }

}  // namespace lckv::comm
