#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "preset.h"
#include "program.h"

// The figures in the comments of configs/ and in configs/README.md are what the plan says.

namespace lckv::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Mistakes = std::vector<std::string>;

void require_equal(const Preset& preset, const std::string& label, const std::string& expected,
                   Mistakes& mistakes) {
  const std::string given = comment(preset, label);
  if (given == expected) return;
  mistakes.push_back(
      format("{}: # {}: {}\nis not  # {}: {}", preset.path, label, given, label, expected));
}

void require_fit(const Preset& preset, double bytes, const std::string& device,
                 Mistakes& mistakes) {
  const double most = 0.95 * device_gib(device);  // libraries and code take some
  const double gib = bytes / double(1 << 30);
  if (gib > most) {
    mistakes.push_back(format("{}: {:.1f} GiB do not fit {}", preset.path, gib, device));
  }
}

void check_training_memory(const Preset& preset, const std::smatch& given, Mistakes& mistakes) {
  const std::string device = given[2];
  const double bytes = training_bytes(preset.run, std::stoi(given[1]), device);
  require_equal(preset, "Memory",
                format("{} on each of {} x {} in {}, planned", human_bytes(bytes), given[1].str(),
                       device, device == "CPU" ? "fp32" : "bf16"),
                mistakes);
  require_fit(preset, bytes, device, mistakes);
}

void check_inference_memory(const Preset& preset, const std::smatch& given, Mistakes& mistakes) {
  const double weights = weight_bytes(preset.run);
  const double cache = cache_bytes(preset.run, number(given[1]), number(given[2]));
  require_equal(preset, "Memory",
                format("{} of weights and {} of KV cache for {} x {} tokens on one {}, bf16",
                       human_bytes(weights), human_bytes(cache), given[1].str(), given[2].str(),
                       given[3].str()),
                mistakes);
  require_fit(preset, weights + cache, given[3], mistakes);
}

/// 0.123, 1.23, 12.3, 123, 1 234
std::string three_digits(double value) {
  if (value >= 1000) return with_thousands(std::llround(value));
  return format("{:.{}f}", value, std::max(0, 2 - static_cast<int>(std::floor(std::log10(value)))));
}

void check_time(const Preset& preset, Mistakes& mistakes) {
  std::smatch given;
  const std::string line = comment(preset, "Time");
  if (!std::regex_match(line, given, std::regex(".* at ([0-9 ]+) tokens/s of (.*)"))) {
    mistakes.push_back(preset.path + ": no line \"# Time: ... at R tokens/s of ...\"");
    return;
  }
  const config::RunConfig& run = preset.run;
  const int64_t step_tokens = run.train.sequences_per_step * run.data.sequence_tokens;
  const double tokens = double(run.train.steps) * double(step_tokens);
  require_equal(
      preset, "Time",
      format("{} steps of {} tokens, {} M in all: {} hours at {} tokens/s of {}",
             with_thousands(run.train.steps), with_thousands(step_tokens),
             three_digits(tokens / 1e6), three_digits(tokens / double(number(given[1])) / 3600),
             given[1].str(), given[2].str()),
      mistakes);
}

/// Every figure of the comments that is not what the plan says.
Mistakes mistakes_of(const Preset& preset) {
  Mistakes mistakes;
  require_equal(preset, "Cost", cost_text(preset.run), mistakes);
  const std::string memory = comment(preset, "Memory");
  std::smatch given;
  if (std::regex_match(memory, given, std::regex(".* on each of (\\d+) x (.*) in .*"))) {
    check_training_memory(preset, given, mistakes);
    check_time(preset, mistakes);
  } else if (std::regex_match(
                 memory, given,
                 std::regex(".* for ([0-9 ]+) x ([0-9 ]+) tokens on one (.*), bf16"))) {
    check_inference_memory(preset, given, mistakes);
  } else {
    mistakes.push_back(preset.path + ": no line \"# Memory: ...\"");
  }
  return mistakes;
}

// tools/update_presets.sh reads the messages of the tests named EveryPreset.

TEST(EveryPreset, HasTheFiguresOfItsPlanInItsComments) {
  for (const std::string& path : preset_paths()) {
    for (const std::string& mistake : mistakes_of(load_preset(path))) ADD_FAILURE() << mistake;
  }
}

TEST(EveryPreset, HasItsRowInTheTable) {
  const std::string table = read_all(configs_folder() / "README.md");
  for (const std::string& path : preset_paths()) {
    const std::string row = table_row(load_preset(path));
    if (table.find("\n" + row) == std::string::npos) ADD_FAILURE() << "no row " << row;
  }
}

TEST(EveryPreset, OfThePapersSaysWhatItReproducesWhatWasPublishedAndWhatIsUnknown) {
  int count = 0;
  for (const std::string& path : preset_paths()) {
    if (path.find("_paper/") == std::string::npos) continue;
    const Preset preset = load_preset(path);
    for (const char* label : {"Source", "Published", "Unknown"}) {
      EXPECT_NE(comment(preset, label), "") << path << ": # " << label;
    }
    ++count;
  }
  EXPECT_GE(count, 38);
}

TEST(Presets, HaveOutputFoldersOfTheirOwn) {
  std::map<std::string, std::string> user;
  for (const std::string& path : preset_paths()) {
    const auto [other, is_new] = user.emplace(load_preset(path).run.output, path);
    EXPECT_TRUE(is_new) << path << " and " << other->second;
  }
}

TEST(Presets, TheGuideToLayoutsHasTheFiguresOfThePlan) {
  const std::string guide = read_all(configs_folder() / "README.md");
  for (const auto& [layout, path] : std::vector<std::pair<std::string, std::string>>{
           {"Llama", "tinyllama"},
           {"pizza-bottom", "sharing_paper/tinyllama_pizza_bottom"},
           {"lasagna-bottom = CLA", "sharing_paper/tinyllama_lasagna_bottom"},
           {"sandwich-middle", "sharing_paper/tinyllama_sandwich_middle"},
           {"sandwich-top = LCKV, w = 10", "tinyllama_lckv_w10"},
           {"sandwich-middle", "sharing_paper/tinyllama_sandwich_middle_3kv"},
           {"LCKV, w = 2", "tinyllama_lckv_w2"},
           {"LCKV, w = 0", "lckv_paper/tinyllama_2b_w0"}}) {
    const config::RunConfig run = load_preset(path).run;
    EXPECT_THAT(guide, HasSubstr(format("\n| {} | {} | {:.2f} | {:.2f} | {} |", layout,
                                        kv_layers(run), training_ratio(run), prefill_ratio(run),
                                        with_thousands(kv_bytes_per_token(run)))));
  }
}

/// The preset with `from` replaced by `to` in its text.
Mistakes mistakes_with(const std::string& path, const std::string& from, const std::string& to) {
  std::string text = load_preset(path).text;
  const size_t at = text.find(from);
  if (at == std::string::npos) return {"nothing replaced: " + from};
  return mistakes_of(load_preset(path, text.replace(at, from.size(), to)));
}

TEST(Presets, AWrongFigureIsFound) {
  const std::string path = "lckv_50m";
  EXPECT_THAT(mistakes_of(load_preset(path)), IsEmpty());
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"475.74 MFLOP", "475.75 MFLOP"},
           {"2.01 x Llama", "2.02 x Llama"},
           {"50 340 352 parameters", "50 340 353 parameters"},
           {"KV cache 3 072", "KV cache 3 073"}}) {
    EXPECT_THAT(mistakes_with(path, from, to), ElementsAre(HasSubstr("is not  # Cost: "))) << from;
  }
  EXPECT_THAT(mistakes_with(path, "GiB on each", "MiB on each"),
              ElementsAre(HasSubstr("is not  # Memory: ")));
  EXPECT_THAT(mistakes_with(path, "5 000 steps", "5 001 steps"),
              ElementsAre(HasSubstr("is not  # Time: ")));
  EXPECT_THAT(mistakes_with(path, "steps: 5000", "steps: 6000"),
              ElementsAre(HasSubstr("is not  # Time: ")));
}

TEST(Presets, AChangedModelBelowTheCommentsIsFound) {
  EXPECT_THAT(mistakes_with("lckv_50m", "0_6_6_6_6_6_6_7", "0_1_6_6_6_6_6_7"),
              Contains(HasSubstr("is not  # Cost: ")));
  EXPECT_THAT(mistakes_with("lckv_paper/50m_w0", "7_7_7_7_7_7_7_7", "6_6_6_6_6_6_6_7"),
              Contains(HasSubstr("is not  # Cost: ")));
}

TEST(Presets, ARunThatDoesNotFitItsGpuIsFound) {
  EXPECT_THAT(mistakes_with("tinyllama_lckv_w2", "8 x H100", "8 x RTX 3090"),
              Contains(HasSubstr("GiB do not fit RTX 3090")));
  EXPECT_THAT(mistakes_with("lckv_paper/30b_w2", "on one A100", "on one RTX 3090"),
              Contains(HasSubstr("GiB do not fit RTX 3090")));
}

TEST(Presets, TheProgramPlansTheSameFigures) {
  const Preset preset = load_preset("lckv_paper/50m_w2");
  const Outcome plan = run_lckv("plan " + (configs_folder() / (preset.path + ".yaml")).string() +
                                " --set train.device=cuda --set train.precision=bf16");
  ASSERT_EQ(plan.exit_code, 0) << plan.output;
  EXPECT_THAT(plan.output,
              HasSubstr(format("parameters {};", with_thousands(parameter_count(preset.run)))));
  EXPECT_THAT(plan.output, HasSubstr(format("training {:.2f};", training_flops(preset.run) / 1e6)));
  EXPECT_THAT(plan.output, HasSubstr(format("ratio {:.2f}", training_ratio(preset.run))));
  EXPECT_THAT(plan.output,
              HasSubstr(human_bytes(training_bytes(preset.run, 1, "RTX 3090")) + " 100.0 %"));
}

}  // namespace
}  // namespace lckv::test
