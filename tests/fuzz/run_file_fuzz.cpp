// Text to config::parse_run. Lines of the input that start with "--set " are overrides, what
// follows a line "--from" is the config.json that model.from names when it is the file 1000 of this
// process. An accepted run is checked, written as YAML and as config.json, and read again.
#include <optional>
#include <string>
#include <vector>

#include "lckv/base/text.h"
#include "lckv/config/load.h"
#include "run_file_mutator.h"
#include "scratch.h"

namespace lckv::fuzz {
namespace {

using config::ModelConfig;
using config::RunConfig;

constexpr int kFromDescriptor = 1000;  // seeds say "from: /proc/self/fd/1000"
constexpr std::string_view kSet = "--set ";
constexpr std::string_view kFrom = "--from";

struct RunText {
  std::string yaml;
  std::vector<std::string> overrides;
  std::string config_json;
};

RunText cut(const std::string& input) {
  RunText text;
  bool is_json = false;
  for (const std::string& line : split(input, '\n')) {
    if (line.starts_with(kSet)) {
      text.overrides.push_back(line.substr(kSet.size()));
    } else if (line == kFrom) {
      is_json = true;
    } else {
      (is_json ? text.config_json : text.yaml) += line + "\n";
    }
  }
  return text;
}

RunConfig parse(const RunText& text) {
  return config::parse_run(text.yaml, "run.yaml", text.overrides);
}

void check_written_again(const RunConfig& run) {
  const std::string yaml = to_yaml(run);
  std::optional<RunConfig> again;
  require(accepts([&] { again = config::parse_run(yaml, "again.yaml"); }),
          "what to_yaml writes is accepted:\n" + yaml);
  require(to_yaml(*again) == yaml, "what to_yaml writes is read as written:\n" + yaml);
}

void check_hf_json(const ModelConfig& model) {
  const std::string json = to_hf_json(model, "bfloat16");
  std::optional<ModelConfig> again;
  require(accepts([&] { again = config::parse_hf_config(json, "again.json"); }),
          "what to_hf_json writes is accepted:\n" + json);
  require(to_hf_json(*again, "bfloat16") == json, "config.json is read as written:\n" + json);
}

/// Nothing of a file is passed over: with a line that means nothing it is refused.
void check_all_is_read(RunText text) {
  text.yaml += "\nno_such_key: 1\n";
  require(!accepts([&] { parse(text); }), "a line at the end is read");
}

/// What those who use a model rely on.
void check_model(const ModelConfig& model) {
  const std::vector<std::string> entries = split(model.layer_types, '_');
  require(model.layer_types.empty() || std::ssize(entries) == model.num_hidden_layers,
          "layer_types has an entry for each layer");
  for (const std::string& entry : entries) {
    require(entry.empty() || std::stoll(entry) < model.num_hidden_layers,
            "layers read layers that there are");
  }
  require(model.head_dim != 0 || model.hidden_size % model.num_attention_heads == 0,
          "heads have a width");
  require(model.from.empty(), "no other file is left to read");
}

void check_use(const RunText& text, const RunConfig& run) {
  require(validate(run).empty(), "an accepted run is valid");
  check_model(run.model);
  for (const int64_t copies : {1, 2, 3, 65536}) validate_grid(run, copies);
  check_written_again(run);
  check_hf_json(run.model);
  check_all_is_read(text);
}

}  // namespace
}  // namespace lckv::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return lckv::fuzz::mutate_run_file(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lckv::fuzz;
  static const MemoryFile from(kFromDescriptor);
  const RunText text = cut(Input(data, size).rest());
  from.put(text.config_json);
  std::optional<lckv::config::RunConfig> run;
  if (accepts([&] { run = parse(text); })) check_use(text, *run);
  accepts([&] { lckv::config::parse_hf_config(text.config_json, "config.json"); });
  return 0;
}
