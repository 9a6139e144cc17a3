#include <cctype>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/base/version.h"
#include "lckv/report/html.h"
#include "lckv/report/page_parts.h"
#include "lckv/report/report.h"

namespace lckv::report {

namespace {

/// Nothing is loaded from anywhere, whatever the page holds.
const char* const kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'";

std::vector<Section> all_sections(const PageInputs& page) {
  std::vector<Section> sections;
  for (const auto make :
       {headline_section, training_loss_section, validation_section, kv_convergence_section,
        evaluation_section, optimizer_section, throughput_section, step_time_section,
        memory_section, plan_section, config_section, health_section}) {
    sections.push_back(make(page));
  }
  return sections;
}

/// "training-loss" of "Training loss".
std::string anchor(const std::string& title) {
  std::string name;
  for (const char c : title) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  return name;
}

/// The runs' names, of many their number.
std::string title_of(const Runs& runs) {
  constexpr size_t kMostNamed = 4;
  if (runs.size() > kMostNamed) return format("{} runs", runs.size());
  std::string text;
  for (const RunFiles& run : runs) text += (text.empty() ? "" : ", ") + run.label;
  return text;
}

std::string run_item(const RunFiles& run, size_t i) {
  return format(
      "<li><i class=\"disc\" style=\"--c:{}\"></i><strong>{}</strong> <code>{}</code></li>",
      run_colour(i), escape_html(run.label), escape_html(run.folder));
}

/// What the reader must know of the files.
std::vector<std::string> notes(const Runs& runs) {
  std::vector<std::string> notes;
  for (const RunFiles& run : runs) {
    if (!run.has_metrics) notes.push_back(run.label + ": there is no metrics.jsonl");
    if (run.has_metrics && run.metrics.rows == 0) {
      notes.push_back(run.label + ": metrics.jsonl has no line yet");
    }
    if (run.metrics.torn_end) {
      notes.push_back(run.label +
                      ": the last line of metrics.jsonl is not whole (the run is writing, or was "
                      "cut off) and left out");
    }
    if (!run.config_mistake.empty()) {
      notes.push_back(run.label +
                      ": config.yaml is not one of this program: " + run.config_mistake);
    }
  }
  return notes;
}

std::string list_html(const char* tag, const std::vector<std::string>& texts) {
  if (texts.empty()) return "";
  std::string html = format("<ul class=\"{}\">", tag);
  for (const std::string& text : texts) html += "<li>" + escape_html(text) + "</li>";
  return html + "</ul>\n";
}

std::string header_html(const Runs& runs, const std::string& title, const std::string& made_at) {
  std::string html = format("<header><h1>{}</h1><p class=\"made\">{} of lckv {}, {}</p>",
                            escape_html(title), runs.size() > 1 ? "Runs" : "Run",
                            escape_html(program_version()), escape_html(made_at));
  html += "<ul class=\"runs\">";
  for (size_t i = 0; i < runs.size(); ++i) html += run_item(runs[i], i);
  return html + "</ul>" + list_html("notes", notes(runs)) + "</header>\n";
}

std::string contents_html(const std::vector<Section>& sections) {
  std::string html = "<nav aria-label=\"Contents\">";
  for (const Section& section : sections) {
    if (section.html.empty()) continue;
    html += format("<a href=\"#{}\">{}</a> ", anchor(section.title), escape_html(section.title));
  }
  return html + "</nav>\n";
}

std::string body_html(const std::vector<Section>& sections) {
  std::string html;
  std::vector<std::string> missing;
  for (const Section& section : sections) {
    if (section.html.empty()) {
      missing.push_back(section.title + ": " + section.why_not);
      continue;
    }
    html += format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", anchor(section.title),
                   escape_html(section.title), section.html);
  }
  if (missing.empty()) return html;
  return html + "<section id=\"not-shown\"><h2>Not shown</h2>\n" + list_html("missing", missing) +
         "</section>\n";
}

}  // namespace

Runs read_runs(const std::vector<std::string>& folders) {
  LCKV_CHECK(!folders.empty(), "no folder of a run");
  const std::vector<std::string> labels = run_labels(folders);
  Runs runs;
  for (size_t i = 0; i < folders.size(); ++i) {
    runs.push_back(read_run(folders[i]));
    runs.back().label = labels[i];
  }
  return runs;
}

std::string page_html(const Runs& runs, const ReportOptions& options, const std::string& made_at) {
  ChartIds ids;
  const PageInputs page{runs, options.across, ids};
  const std::vector<Section> sections = all_sections(page);
  const std::string title = options.title.empty() ? title_of(runs) : options.title;
  return format(
             "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<meta name=\"color-scheme\" content=\"light dark\">\n"
             "<title>{}</title>\n<style>{}</style></head>\n<body><main>\n",
             kPolicy, escape_html(title), kPageStyle) +
         header_html(runs, title, made_at) + contents_html(sections) + body_html(sections) +
         "</main>\n<script>" + kPageScript + "</script>\n</body></html>\n";
}

}  // namespace lckv::report
