#include "lckv/world/corpus.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/pending_file.h"
#include "lckv/world/question.h"

namespace lckv::world {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

void write_records(const fs::path& path, uint64_t count,
                   const std::function<Json(uint64_t)>& record) {
  data::PendingFile file(path.string());
  std::ofstream out(file.temporary_path(), std::ios::binary | std::ios::trunc);
  for (uint64_t i = 0; i < count; ++i) out << record(i).dump() << '\n';
  out.close();
  if (!out) throw IoError(format("{}: cannot write all of it", file.temporary_path()));
  file.commit();
}

Json question_record(const Question& question) {
  return {{"query", question.query},
          {"choices", question.choices},
          {"gold", question.gold},
          {"kind", std::string(kind_name(question.scene.relation->kind))}};
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw IoError(format("{}: cannot create the folder: {}", folder.string(), error.message()));
}

}  // namespace

void write_corpus(const fs::path& folder, const World& world, const CorpusSize& size) {
  if (size.stories == 0) throw ConfigError("--stories must be at least 1");
  if (!(world.held_out_frac >= 0.002 && world.held_out_frac <= 0.5)) {
    throw ConfigError(
        format("--held-out-frac must lie in [0.002, 0.5], not {}", world.held_out_frac));
  }
  make_folder(folder);
  write_records(folder / "train.jsonl", size.stories, [&](uint64_t i) {
    return Json{{"text", world.training_story(i)}};
  });
  write_records(folder / "validation.jsonl", size.validation_stories(), [&](uint64_t i) {
    return Json{{"text", world.validation_story(i)}};
  });
  write_records(folder / "questions.jsonl", size.questions,
                [&](uint64_t i) { return question_record(make_question(world, i)); });
}

}  // namespace lckv::world
