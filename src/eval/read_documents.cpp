#include "lckv/eval/read_documents.h"

#include <filesystem>
#include <optional>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/line_reader.h"
#include "lckv/eval/code_points.h"
#include "lckv/eval/json_record.h"

namespace lckv::eval {

namespace {

/// Labels of a file of their own, one to a line.
class LabelFile {
 public:
  explicit LabelFile(const std::string& path) : lines_(path) {}

  /// That of the next document, which stands at `place`.
  int64_t next(const std::string& place) {
    if (lines_.at_end()) {
      throw DataError(format("{}: has {} labels, none for {}", lines_.path(), taken_, place));
    }
    const std::string line(strip(lines_.next(0)));
    if (line != "0" && line != "1") {
      throw DataError(
          format("{}:{}: expected the label 0 or 1, got '{}'", lines_.path(), lines_.line(), line));
    }
    ++taken_;
    return line == "1" ? 1 : 0;
  }

  void require_end() {
    while (!lines_.at_end()) {
      if (strip(lines_.next(0)).empty()) continue;
      throw DataError(format("{}:{}: a label more than the {} documents", lines_.path(),
                             lines_.line(), taken_));
    }
  }

 private:
  data::LineReader lines_;
  int64_t taken_ = 0;
};

/// `unlabelled` is the first line that needs them.
std::string labels_path(const TaskFiles& files, const JsonRecord& unlabelled) {
  if (!files.labels.empty()) return files.labels;
  const std::string beside =
      files.documents.substr(0, files.documents.rfind(".jsonl")) + "-labels.lst";
  if (!std::filesystem::exists(beside)) {
    unlabelled.refuse(format("field 'label' is missing, and there is no {}", beside));
  }
  return beside;
}

}  // namespace

std::vector<Document> read_documents(const Task& task, const TaskFiles& files) {
  if (!files.labels.empty() && !task.labels_beside) {
    throw ConfigError(
        format("task {} has its labels in its own file, not in {}", task.name, files.labels));
  }
  data::LineReader lines(files.documents);
  std::optional<LabelFile> labels;
  std::vector<Document> documents;
  while (!lines.at_end()) {
    const std::string_view line = lines.next(0);
    if (strip(line).empty()) continue;
    JsonRecord record(line, format("{}:{}", files.documents, lines.line()));
    if (task.labels_beside && !record.has("label")) {
      if (!labels) labels.emplace(labels_path(files, record));
      record.set("label", labels->next(record.place()));
    }
    documents.push_back(task.read(record));
  }
  if (documents.empty()) {
    throw DataError(format("{}: holds no document of task {}", files.documents, task.name));
  }
  if (labels) labels->require_end();
  return documents;
}

}  // namespace lckv::eval
