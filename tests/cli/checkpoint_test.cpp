#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/inotify.h>

#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_folders.h"
#include "lckv/tensor/buffer.h"
#include "lckv/train/run_lock.h"
#include "program.h"

// `lckv checkpoint`, on states that are saved here as the trainer saves them.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using checkpoint::state_folder_name;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// What the trainer notes, in part (checkpoint/FORMAT.md 1.4).
std::string trainer_object(int64_t step, double loss, int64_t best_step, double best_loss) {
  const json object = {{"version", 2},
                       {"step", step},
                       {"saved_at", "2024-09-17T10:11:12Z"},
                       {"sequences", 64 * step},
                       {"spikes", {{"losses", std::vector<double>(200, 1.5)}, {"in_row", 0}}},
                       {"validation", {{"step", step}, {"loss", loss}}},
                       {"best", {{"step", best_step}, {"loss", best_loss}}},
                       {"config", {{"model.hidden_size", "32"}, {"optimizer.lr", "0.001"}}}};
  return object.dump();
}

class CheckpointCommand : public testing::Test {
 protected:
  CheckpointCommand()
      : folder_(fresh_folder("checkpoint_" + std::to_string(getpid()))), run_(folder_ / "run") {}
  ~CheckpointCommand() override { fs::remove_all(folder_); }

  fs::path save(int64_t step, const std::string& trainer, int64_t vocabulary = 10) {
    const Buffer norm(DType::kF32, {4}), embed(DType::kF32, {vocabulary, 4});
    const std::vector<checkpoint::Shard> shards = {
        checkpoint::whole_shard("weight/model.norm.weight", norm.view()),
        checkpoint::whole_shard("weight/model.embed_tokens.weight", embed.view()),
        checkpoint::whole_shard("adam_m/model.norm.weight", norm.view())};
    const auto alone = comm::make_alone("test");
    return checkpoint::save_state(*alone, run_, step, shards, trainer);
  }
  /// States of steps 100, 200, .. 500, of which 200 is the best.
  void save_five() {
    for (int64_t step = 100; step <= 500; step += 100) {
      save(step, trainer_object(step, step == 200 ? 2.25 : 3.0 + static_cast<double>(step) / 1000,
                                step == 100 ? 100 : 200, step == 100 ? 3.1 : 2.25));
    }
  }
  fs::path state(int64_t step) const { return run_ / state_folder_name(step); }
  void damage(int64_t step) const {
    const fs::path file = state(step) / "rank-00000.safetensors";
    std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(-1, std::ios::end);
    stream.put('\x55');
  }
  Outcome command(const std::string& arguments) const {
    return run_lckv("checkpoint " + arguments);
  }
  std::vector<std::string> names() const { return files_in(run_); }

  const fs::path folder_, run_;
};

TEST_F(CheckpointCommand, ListTellsStepsSizesTimesLossesAndMarks) {
  save_five();
  const Outcome listed = command("list " + run_.string());
  EXPECT_EQ(listed.exit_code, 0) << listed.output;
  EXPECT_THAT(listed.output, HasSubstr(run_.string() + ": saved states\n"));
  EXPECT_THAT(listed.output, ContainsRegex(" 500 .* 1  2024-09-17T10:11:12Z +3\\.5000  newest\n"));
  EXPECT_THAT(listed.output, ContainsRegex(" 400 .* 1  2024-09-17T10:11:12Z +3\\.4000  \n"));
  EXPECT_THAT(listed.output, ContainsRegex(" 200 .* 1  2024-09-17T10:11:12Z +2\\.2500  best\n"));
  EXPECT_EQ(listed.output.find("damaged"), std::string::npos);
  EXPECT_LT(listed.output.find(" 500 "), listed.output.find(" 100 "));
}

TEST_F(CheckpointCommand, ListMarksADamagedManifestAlwaysAndDamagedTensorsWhenToldToVerify) {
  save_five();
  damage(500);
  fs::resize_file(state(400) / "manifest.json", 100);
  Outcome listed = command("list " + run_.string());
  EXPECT_EQ(listed.exit_code, 0) << listed.output;
  EXPECT_THAT(listed.output, ContainsRegex(" 500 .* newest\n"));
  EXPECT_THAT(listed.output, ContainsRegex(" 400 .* damaged\n"));
  EXPECT_THAT(listed.output, HasSubstr((state(400) / "manifest.json").string() + ": is damaged"));

  listed = command("list --verify " + run_.string() + "/");
  EXPECT_EQ(listed.exit_code, 1) << listed.output;
  EXPECT_THAT(listed.output, ContainsRegex(" 500 .* damaged\n"));
  EXPECT_THAT(listed.output, ContainsRegex(" 300 .* newest\n"));
  EXPECT_THAT(listed.output, ContainsRegex(" 200 .* best\n"));
  EXPECT_THAT(listed.output,
              HasSubstr("rank-00000.safetensors: tensor 'adam_m/model.norm.weight': is damaged"));
}

TEST_F(CheckpointCommand, ListPrintsJson) {
  save_five();
  damage(500);
  const Outcome listed = command("list --verify --json " + run_.string());
  EXPECT_EQ(listed.exit_code, 1) << listed.output;
  const json result = json::parse(listed.output);
  EXPECT_EQ(result["states"].size(), 5u);
  const json newest = result["states"][1], best = result["states"][3], bad = result["states"][0];
  EXPECT_EQ(newest["step"], 400);
  EXPECT_EQ(newest["newest"], true);
  EXPECT_EQ(newest["ranks"], 1);
  EXPECT_EQ(newest["saved_at"], "2024-09-17T10:11:12Z");
  EXPECT_EQ(newest["validation"]["loss"], 3.4);
  EXPECT_EQ(newest["bytes"], fs::file_size(state(400) / "manifest.json") +
                                 fs::file_size(state(400) / "rank-00000.safetensors"));
  EXPECT_EQ(best["best"], true);
  EXPECT_EQ(bad["damages"][0]["tensor"], "adam_m/model.norm.weight");
}

TEST_F(CheckpointCommand, ListOfARunThatHasSavedNothingYetSaysSo) {
  fs::create_directories(run_);
  write_file(run_ / "config.yaml", "output: x");
  const Outcome listed = command("list " + run_.string());
  EXPECT_EQ(listed.exit_code, 0);
  EXPECT_EQ(listed.output, run_.string() + ": no saved states yet\n");
}

TEST_F(CheckpointCommand, ShowTellsTheTrainersFactsItsConfigurationAndTheTensors) {
  save_five();
  for (const fs::path& given : {run_, state(500), state(500) / ""}) {
    const Outcome shown = command("show " + given.string());
    EXPECT_EQ(shown.exit_code, 0) << shown.output;
    EXPECT_THAT(shown.output, StartsWith(state(500).string() + ": state of step 500, "));
    EXPECT_THAT(shown.output, AllOf(ContainsRegex("\n  sequences +32000\n"),
                                    ContainsRegex("\n  best +loss 2.25, step 200\n"),
                                    ContainsRegex("\n  spikes +in_row 0, losses .200 values.\n"),
                                    ContainsRegex("\n  optimizer.lr +0.001\n"),
                                    ContainsRegex("\n  weight +2 +44 +176 B +2\n"),
                                    ContainsRegex("\n  adam_m +1 +4 +16 B +1\n"),
                                    Not(HasSubstr("embed_tokens"))));
  }
  const Outcome older = command("show --tensors " + state(100).string());
  EXPECT_EQ(older.exit_code, 0) << older.output;
  EXPECT_THAT(older.output,
              AllOf(HasSubstr("state of step 100, "),
                    HasSubstr("weight/model.embed_tokens.weight  f32[10, 4]\n  [0:10, "
                              "0:4]"),
                    HasSubstr("rank-00000.safetensors from byte ")));
}

TEST_F(CheckpointCommand, ShowPrintsJson) {
  save_five();
  const Outcome shown = command("show --json --tensors " + run_.string());
  EXPECT_EQ(shown.exit_code, 0) << shown.output;
  const json result = json::parse(shown.output);
  EXPECT_EQ(result["step"], 500);
  EXPECT_EQ(result["trainer"]["config"]["optimizer.lr"], "0.001");
  const json tensor = result["tensors"]["weight/model.embed_tokens.weight"];
  EXPECT_EQ(tensor["dtype"], "f32");
  EXPECT_EQ(tensor["shape"], (std::vector<int>{10, 4}));
  EXPECT_EQ(tensor["pieces"][0]["end"], (std::vector<int>{10, 4}));
  EXPECT_FALSE(json::parse(command("show --json " + run_.string()).output).contains("tensors"));
}

TEST_F(CheckpointCommand, ShowOfADamagedManifestIsRefusedOrGoesToAnOlderStateWithAWord) {
  save_five();
  fs::remove(state(500) / "manifest.json");
  Outcome shown = command("show " + run_.string());
  EXPECT_EQ(shown.exit_code, 0) << shown.output;
  EXPECT_THAT(shown.output, AllOf(HasSubstr("step-00000500/manifest.json: cannot open the file"),
                                  HasSubstr("state of step 400")));
  shown = command("show " + state(500).string());
  EXPECT_EQ(shown.exit_code, 4) << shown.output;
  EXPECT_THAT(shown.output, HasSubstr("step-00000500/manifest.json: cannot open the file"));
}

TEST_F(CheckpointCommand, VerifyReadsEveryByteOfOneStateOrOfAll) {
  save_five();
  Outcome verified = command("verify " + run_.string());
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
  for (int64_t step = 100; step <= 500; step += 100) {
    EXPECT_THAT(verified.output, HasSubstr(state(step).string() + ": OK, "));
  }
  EXPECT_THAT(verified.output, ContainsRegex("in 1 file and the manifest, [0-9.]+ GB/s\n"));

  damage(300);
  fs::remove(state(100) / "rank-00000.safetensors");
  verified = command("verify " + run_.string());
  EXPECT_EQ(verified.exit_code, 1) << verified.output;
  EXPECT_THAT(verified.output,
              AllOf(HasSubstr(state(500).string() + ": OK"),
                    HasSubstr(state(300).string() + ": DAMAGED\n  " + state(300).string() +
                              "/rank-00000.safetensors: tensor 'adam_m/model.norm.weight': is "
                              "damaged: checksum "),
                    HasSubstr(state(100).string() + "/rank-00000.safetensors: cannot open")));
  EXPECT_EQ(command("verify " + state(500).string() + " " + state(400).string()).exit_code, 0);
  EXPECT_EQ(command("verify " + state(500).string() + " " + state(300).string()).exit_code, 1);

  const json result = json::parse(
      command("verify --json " + state(300).string() + " " + state(200).string()).output);
  EXPECT_EQ(result[0]["ok"], false);
  EXPECT_EQ(result[0]["damages"][0]["tensor"], "adam_m/model.norm.weight");
  EXPECT_EQ(result[1]["ok"], true);
  EXPECT_GT(result[1]["bytes"], 100);
}

/// Does `then` beside the test when somebody opens the file, at the latest after ten seconds.
std::jthread when_opened(const fs::path& file, const std::function<void()>& then) {
  const int descriptor = inotify_init1(IN_CLOEXEC);
  EXPECT_GE(inotify_add_watch(descriptor, file.c_str(), IN_OPEN), 0);
  return std::jthread([=] {
    pollfd opened{descriptor, POLLIN, 0};
    EXPECT_EQ(poll(&opened, 1, 10'000), 1) << file << " was not opened";
    then();
    close(descriptor);
  });
}

/// As retention does: while the newest one, which is large, is read, the oldest goes.
TEST_F(CheckpointCommand, StatesThatARunRemovesMeanwhileAreNotDamaged) {
  constexpr int64_t kLarge = 4'000'000;
  for (const char* const verb : {"list --verify ", "verify ", "verify --json "}) {
    save(100, trainer_object(100, 3, 100, 3));
    save(200, trainer_object(200, 3, 100, 3));
    const fs::path newest = save(300, trainer_object(300, 3, 100, 3), kLarge);
    const std::jthread run = when_opened(newest / "rank-00000.safetensors",
                                         [&] { checkpoint::remove_folder(state(100)); });
    const Outcome outcome = command(verb + run_.string());
    EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
    EXPECT_THAT(outcome.output, AllOf(HasSubstr("300"), HasSubstr("200"),
                                      Not(HasSubstr("cannot open")), Not(HasSubstr("AMAGED"))));
  }
}

/// Whoever asks for this very state is told that nothing is known of it.
TEST_F(CheckpointCommand, AStateGivenByNameThatIsRemovedMeanwhileIsAnError) {
  save(100, trainer_object(100, 3, 100, 3));
  const fs::path newest = save(300, trainer_object(300, 3, 100, 3), 4'000'000);
  const std::jthread run = when_opened(newest / "rank-00000.safetensors",
                                       [&] { checkpoint::remove_folder(state(100)); });
  const Outcome outcome = command("verify " + newest.string() + " " + state(100).string());
  EXPECT_EQ(outcome.exit_code, 5) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr(state(100).string() + ": was removed while"));
}

TEST_F(CheckpointCommand, PruneKeepsTheLastTheMilestonesAndTheBest) {
  save_five();
  double bytes = 0;
  for (const auto& entry : fs::directory_iterator(state(100))) {
    bytes += static_cast<double>(entry.file_size());
  }
  const std::string size = human_bytes(bytes);
  const Outcome planned = command("prune --dry-run --keep-last 1 " + run_.string());
  EXPECT_EQ(planned.exit_code, 0) << planned.output;
  EXPECT_THAT(planned.output, AllOf(HasSubstr("would remove " + state(100).string() + ", "),
                                    HasSubstr("3 states, "), HasSubstr(" would come free")));
  EXPECT_EQ(names().size(), 5u);

  const Outcome pruned = command("prune --keep-last 2 --keep-every 300 " + run_.string() + "/");
  EXPECT_EQ(pruned.exit_code, 0) << pruned.output;
  EXPECT_THAT(pruned.output, AllOf(HasSubstr("step 200: the best (validation loss 2.2500)"),
                                   HasSubstr("removed " + state(100).string() + ", " + size),
                                   HasSubstr("1 state, " + size), HasSubstr(" freed")));
  EXPECT_THAT(names(),
              ElementsAre("step-00000200", "step-00000300", "step-00000400", "step-00000500"));
  EXPECT_EQ(command("prune --keep-last 1 " + run_.string()).exit_code, 0);
  EXPECT_THAT(names(), ElementsAre("step-00000200", "step-00000500"));
}

TEST_F(CheckpointCommand, PruneNeverTakesTheNewestWholeState) {
  save_five();
  damage(500);
  damage(400);
  fs::create_directories(run_ / "step-00000450.tmp");  // of a killed save
  const Outcome pruned = command("prune --keep-last 1 " + run_.string());
  EXPECT_EQ(pruned.exit_code, 0) << pruned.output;
  EXPECT_THAT(pruned.output, AllOf(HasSubstr("step-00000500 cannot be used"),
                                   HasSubstr(state(300).string() + ": whole")));
  // The damaged ones above it stay, and do not count.
  EXPECT_THAT(names(),
              ElementsAre("step-00000200", "step-00000300", "step-00000400", "step-00000500"));
}

TEST_F(CheckpointCommand, PruneOfARunWithoutAWholeStateRemovesNothing) {
  save(100, trainer_object(100, 3, 100, 3));
  save(200, "{}");
  damage(100);
  damage(200);
  const Outcome pruned = command("prune --keep-last 1 " + run_.string());
  EXPECT_EQ(pruned.exit_code, 4) << pruned.output;
  EXPECT_THAT(pruned.output, HasSubstr("none of the 2 saved states is whole"));
  EXPECT_THAT(names(), ElementsAre("step-00000100", "step-00000200"));
}

TEST_F(CheckpointCommand, PruneIsRefusedWhileATrainerHoldsTheFolder) {
  save_five();
  const train::RunLock trainer(run_.string());
  const Outcome pruned = command("prune --keep-last 1 " + run_.string());
  EXPECT_EQ(pruned.exit_code, 5) << pruned.output;
  EXPECT_THAT(pruned.output, HasSubstr(run_.string() + ": another process is training"));
  EXPECT_EQ(names().size(), 5u);
  // To look is allowed.
  EXPECT_EQ(command("prune --dry-run --keep-last 1 " + run_.string()).exit_code, 0);
  EXPECT_EQ(command("list " + run_.string()).exit_code, 0);
  EXPECT_EQ(command("verify " + run_.string()).exit_code, 0);
}

TEST_F(CheckpointCommand, PruneWantsARunAndANumber) {
  save(100, "{}");
  Outcome pruned = command("prune --keep-last 1 " + state(100).string());
  EXPECT_EQ(pruned.exit_code, 4) << pruned.output;
  EXPECT_THAT(pruned.output, HasSubstr("is one saved state; name its run's folder"));
  EXPECT_EQ(command("prune " + run_.string()).exit_code, 2);
  EXPECT_EQ(command("prune --keep-last 0 " + run_.string()).exit_code, 2);
  EXPECT_THAT(names(), ElementsAre("step-00000100"));
}

TEST_F(CheckpointCommand, FoldersThatAreNoRunAreRefusedWithWhatIsMissing) {
  const fs::path other = folder_ / "other";
  fs::create_directories(other);
  for (const char* const verb : {"list ", "show ", "verify ", "prune --keep-last 1 "}) {
    Outcome refused = command(verb + (folder_ / "none").string());
    EXPECT_EQ(refused.exit_code, 5) << refused.output;
    EXPECT_EQ(refused.output, "lckv: " + (folder_ / "none").string() + ": no such folder\n");
    refused = command(verb + other.string());
    EXPECT_EQ(refused.exit_code, 4) << refused.output;
    EXPECT_EQ(refused.output, "lckv: " + other.string() +
                                  ": neither a run's folder (it has no config.yaml and no step-*) "
                                  "nor a saved state (it has no manifest.json)\n");
  }
  EXPECT_FALSE(fs::exists(folder_ / "none"));
  write_file(other / "config.json", "{}");
  EXPECT_THAT(command("list " + other.string()).output,
              HasSubstr("a Hugging Face folder, neither"));
  write_file(other / "config.yaml", "output: x");
  for (const char* const verb : {"show ", "verify ", "prune --keep-last 1 "}) {
    const Outcome refused = command(verb + other.string());
    EXPECT_EQ(refused.exit_code, 4) << refused.output;
    EXPECT_THAT(refused.output, HasSubstr("the run has no saved state yet"));
  }
  EXPECT_THAT(files_in(other), ElementsAre("config.json", "config.yaml"));
  EXPECT_EQ(command("").exit_code, 2);
}

TEST_F(CheckpointCommand, ReadsWhatTheTrainerSaves) {
  ASSERT_EQ(tiny_store(folder_).exit_code, 0);
  const std::string config = tiny_run_file(folder_);
  const Outcome trained =
      run_lckv("train " + config + " --set checkpoint.every_steps=2 --set checkpoint.keep_last=0");
  ASSERT_EQ(trained.exit_code, 0) << trained.output;
  const json listed = json::parse(command("list --verify --json " + run_.string()).output);
  std::vector<int64_t> steps;
  for (const json& state : listed["states"]) {
    steps.push_back(state["step"]);
    EXPECT_THAT(state["damages"], IsEmpty());
    EXPECT_THAT(std::string(state["saved_at"]), ContainsRegex("^20..-..-..T..:..:..Z$"));
  }
  EXPECT_THAT(steps, ElementsAre(6, 4, 2));
  const json shown = json::parse(command("show --json --tensors " + run_.string()).output);
  EXPECT_EQ(shown["trainer"]["step"], 6);
  EXPECT_TRUE(shown["tensors"].contains("weight/model.norm.weight"));
  EXPECT_EQ(command("prune --keep-last 1 " + run_.string()).exit_code, 0);
  EXPECT_FALSE(fs::exists(state(4)));
  EXPECT_TRUE(fs::exists(state(6)));
  const Outcome again = run_lckv("train " + config);  // it has nothing left to do
  EXPECT_EQ(again.exit_code, 0) << again.output;
}

}  // namespace
}  // namespace lckv::test
