#include <algorithm>
#include <map>

#include "lckv/base/text.h"
#include "lckv/report/html.h"
#include "lckv/report/sections.h"

namespace lckv::report {

namespace {

constexpr size_t kMostEvents = 100;  // of one run, the newest

/// "saved 12, spike 1"
std::string counts(const std::vector<Event>& events) {
  std::map<std::string, int> by_kind;
  for (const Event& event : events) ++by_kind[event.kind];
  std::string text;
  for (const auto& [kind, count] : by_kind) {
    text += format("{}{} {}", text.empty() ? "" : ", ", kind, count);
  }
  return text;
}

/// "2026-11-26 10:55:36" of "2026-11-26T10:55:36.123Z".
std::string short_time(std::string time) {
  const size_t point = time.find('.');
  if (point != std::string::npos) time.resize(point);
  std::replace(time.begin(), time.end(), 'T', ' ');
  return time;
}

std::string event_row(const Event& event) {
  return format(
      "<tr><td class=\"number\">{}</td><td>{}</td><td><span class=\"kind {}\">{}</span>"
      "</td><td class=\"message\">{}</td></tr>",
      with_thousands(event.step), escape_html(short_time(event.time)), escape_html(event.kind),
      escape_html(event.kind), escape_html(event.message));
}

std::string events_html(const RunFiles& run) {
  const size_t shown = std::min(kMostEvents, run.events.size());
  std::string html = format(
      "<p>{}.{}</p><div class=\"scroll\" tabindex=\"0\"><table class=\"events\">"
      "<thead><tr><th>Step</th><th>Time, UTC</th><th>Kind</th>"
      "<th>Message</th></tr></thead><tbody>",
      escape_html(counts(run.events)),
      shown < run.events.size() ? format(" The last {}:", shown) : "");
  for (size_t i = run.events.size() - shown; i < run.events.size(); ++i) {
    html += event_row(run.events[i]);
  }
  return html + "</tbody></table></div>\n";
}

/// What status.json says of a run without events.jsonl.
std::string status_html(const Status& status) {
  std::string html = format(
      "<p>No events.jsonl. By status.json: {} updates left out, {} spikes in "
      "the last process.</p>",
      status.skipped_updates, status.spikes);
  if (status.messages.empty()) return html;
  html += "<ul>";
  for (const std::string& message : status.messages) {
    html += "<li>" + escape_html(message) + "</li>";
  }
  return html + "</ul>\n";
}

}  // namespace

Section health_section(const PageInputs& page) {
  std::string html;
  for (const RunFiles& run : page.runs) {
    std::string own;
    if (!run.events.empty()) {
      own = events_html(run);
    } else if (run.status) {
      own = status_html(*run.status);
    }
    if (!own.empty()) html += "<h3>" + escape_html(run.label) + "</h3>" + own;
  }
  return {"Health", html, html.empty() ? "no run has an events.jsonl or a status.json" : ""};
}

}  // namespace lckv::report
