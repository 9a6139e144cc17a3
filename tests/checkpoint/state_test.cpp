#include "lckv/checkpoint/state.h"

#include <sstream>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files_fixture.h"
#include "lckv/base/log.h"
#include "lckv/checkpoint/file_calls.h"
#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kRankFile = "rank-00000.safetensors";

/// Stands for a model with its optimizer: four tensors of different kinds.
struct Trainee {
  explicit Trainee(uint64_t seed)
      : embed(random_buffer(DType::kBF16, {5, 3}, seed)),
        master(random_buffer(DType::kF32, {5, 3}, seed + 100)),
        norm(random_buffer(DType::kF64, {3}, seed + 200)),
        counts(random_buffer(DType::kI64, Shape{}, seed + 300)) {}

  std::vector<Shard> shards() const {
    return {whole_shard("weight/model.embed_tokens.weight", embed.view()),
            whole_shard("master/model.embed_tokens.weight", master.view()),
            whole_shard("adam_m/model.norm.weight", norm.view()),
            whole_shard("count", counts.view())};
  }
  std::string bytes() const {
    return bytes_of(embed.view()) + bytes_of(master.view()) + bytes_of(norm.view()) +
           bytes_of(counts.view());
  }

  Buffer embed, master, norm, counts;
};

const std::string kTrainer =
    R"({"step":7,"data_position":18446744073709551615,"lr":0.1,"config":{"b":[1,2],"a":"ä"}})";

class State : public FilesTest {
 protected:
  std::string loaded_bytes(const std::filesystem::path& state) {
    Trainee other(999);
    load_state(state, other.shards());
    return other.bytes();
  }
};

TEST_F(State, LoadsBitForBitWhatWasSaved) {
  const Trainee trainee(1);
  const auto state = save_state(folder_ / "run", 7, trainee.shards(), kTrainer);
  EXPECT_EQ(state, folder_ / "run" / "step-00000007");
  EXPECT_THAT(names_in(state), ElementsAre("manifest.json", kRankFile));
  EXPECT_THAT(names_in(folder_ / "run"), ElementsAre("step-00000007"));
  Trainee other(2);
  EXPECT_EQ(load_state(state, other.shards()), kTrainer);
  EXPECT_EQ(other.bytes(), trainee.bytes());
  const StateSummary summary = read_state_summary(state);
  EXPECT_EQ(summary.step, 7);
  EXPECT_EQ(summary.trainer_state_json, kTrainer);
}

TEST_F(State, WritesTheWorkedExampleOfTheFormatDocument) {
  Buffer norm(DType::kBF16, {2});
  norm.view().data<BFloat16>()[0] = BFloat16(1.5f);
  norm.view().data<BFloat16>()[1] = BFloat16(-2.0f);
  const std::vector<Shard> shards = {whole_shard("weight/model.norm.weight", norm.view())};
  const auto state = save_state(folder_, 1000, shards, R"({"data_position": 64000, "seed": 1})");
  std::istringstream manifest(get_text(state / "manifest.json"));
  std::string indented;
  for (std::string line; std::getline(manifest, line);) indented += "    " + line + "\n";
  EXPECT_THAT(get_text(LCKV_SOURCE_DIR "/src/checkpoint/FORMAT.md"), HasSubstr(indented));
}

TEST_F(State, IsWrittenInTheOrderThatSurvivesAPowerCut) {
  std::string calls;
  const Trainee trainee(1);
  std::filesystem::create_directories(folder_ / "run");
  const ScopedFileCallHook hook([&](std::string_view call) {
    if (call != "write") calls += std::string(call) + " ";
    return 0;
  });
  save_state(folder_ / "run", 7, trainee.shards(), "{}");
  const std::string file = "create fsync rename fsync ";
  EXPECT_EQ(calls, "mkdir " + file + file + "fsync rename fsync ");
}

TEST_F(State, RefusesShardsThatAreNotThoseSaved) {
  const Trainee trainee(1);
  const auto state = save_state(folder_, 7, trainee.shards(), "{}");
  auto fewer = trainee.shards(), more = trainee.shards(), turned = trainee.shards(),
       other_dtype = trainee.shards(), part = trainee.shards();
  fewer.pop_back();
  more.push_back(whole_shard("adam_v/new", trainee.norm.view()));
  turned[0] = whole_shard(turned[0].name, trainee.embed.view().reshape({3, 5}));
  const Buffer doubles(DType::kF64, {5, 3});
  other_dtype[1] = whole_shard(other_dtype[1].name, doubles.view());
  part[0].slice = Slice::rows({5, 3}, 0, 4);
  part[0].view = trainee.embed.view().slice(0, 0, 4);
  const auto refusal = [&](const std::vector<Shard>& shards) {
    return message_of<DataError>([&] { load_state(state, shards); });
  };
  EXPECT_THAT(refusal(fewer), HasSubstr("tensor 'count' of the state is not expected (it has 4 "
                                        "tensors, 3 are expected)"));
  EXPECT_THAT(refusal(more), HasSubstr("the state has no tensor 'adam_v/new'"));
  EXPECT_THAT(refusal(turned),
              HasSubstr("expected bf16[3, 5] slice [0:3, 0:5], the state has bf16[5, "
                        "3] slice [0:5, 0:3]"));
  EXPECT_THAT(refusal(other_dtype),
              HasSubstr("tensor 'master/model.embed_tokens.weight': expected f64[5, 3]"));
  EXPECT_THAT(refusal(part), HasSubstr("expected bf16[5, 3] slice [0:4, 0:3]"));
}

TEST_F(State, FindsEveryFlippedByteAndNamesTheFile) {
  const Trainee trainee(1);
  const auto state = save_state(folder_, 7, trainee.shards(), kTrainer);
  for (const std::string file : {kRankFile, "manifest.json"}) {
    const size_t size = get_text(state / file).size();
    for (size_t at = 0; at < size; ++at) {
      SCOPED_TRACE(file + " byte " + std::to_string(at));
      flip_bit(state / file, at, static_cast<int>(at % 8));
      EXPECT_THAT(message_of<DataError>([&] { verify_state(state); }), HasSubstr(file));
      EXPECT_THAT(message_of<DataError>([&] { loaded_bytes(state); }), HasSubstr(file));
      flip_bit(state / file, at, static_cast<int>(at % 8));
    }
  }
  EXPECT_EQ(loaded_bytes(state), trainee.bytes());
}

TEST_F(State, NamesTheTensorThatIsDamaged) {
  const Trainee trainee(1);
  const auto state = save_state(folder_, 7, trainee.shards(), "{}");
  const auto file = SafetensorsFile::open(state / kRankFile);
  for (const std::string& name : file.names()) {
    const auto at = static_cast<size_t>(file.bytes_of(name).end - 1);
    flip_bit(state / kRankFile, at, 3);
    EXPECT_THAT(message_of<DataError>([&] { verify_state(state); }),
                HasSubstr("is damaged (tensor '" + name + "')"));
    EXPECT_THAT(message_of<DataError>([&] { loaded_bytes(state); }),
                HasSubstr("tensor '" + name + "' is damaged"));
    flip_bit(state / kRankFile, at, 3);
  }
}

TEST_F(State, FindsEveryTruncationAndAMissingFile) {
  const Trainee trainee(1);
  const auto state = save_state(folder_, 7, trainee.shards(), "{}");
  for (const std::string file : {kRankFile, "manifest.json"}) {
    const std::string good = get_text(state / file);
    for (size_t size = 0; size < good.size(); size += 7) {
      put_text(state / file, good.substr(0, size));
      EXPECT_THAT(message_of<DataError>([&] { verify_state(state); }), HasSubstr(file));
      EXPECT_THAT(message_of<DataError>([&] { loaded_bytes(state); }), HasSubstr(file));
    }
    std::filesystem::remove(state / file);
    EXPECT_THAT(message_of<IoError>([&] { verify_state(state); }), HasSubstr(file));
    put_text(state / file, good);
  }
}

TEST_F(State, RefusesAnotherVersionAndARenamedFolder) {
  const Trainee trainee(1);
  const auto state = save_state(folder_, 7, trainee.shards(), "{}");
  std::filesystem::rename(state, folder_ / "step-00000008");
  EXPECT_THAT(message_of<DataError>([&] { verify_state(folder_ / "step-00000008"); }),
              HasSubstr("step-00000008: the manifest is of step 7"));

  std::string text = get_text(folder_ / "step-00000008" / "manifest.json");
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 2");
  const size_t digits = std::string("{\n  \"checksum\": \"").size();
  text.replace(digits, 16, std::string(16, '0'));
  text.replace(digits, 16, hash_digits(hash_text(text)));
  EXPECT_THAT(message_of<DataError>([&] { parse_manifest(text, "m"); }),
              HasSubstr("m: format 'lckv-state' version 2, expected 'lckv-state' version 1"));
}

TEST_F(State, TheNewestWholeOneIsFoundAndTheDamagedNewerOneIsNamed) {
  EXPECT_EQ(find_latest_state(folder_ / "none"), std::nullopt);
  EXPECT_EQ(find_latest_state(folder_), std::nullopt);
  const Trainee trainee(1);
  const auto older = save_state(folder_, 1000, trainee.shards(), "{}");
  const auto newer = save_state(folder_, 100'000'000, trainee.shards(), "{}");
  put_text(folder_ / "metrics.jsonl", "");
  std::filesystem::create_directories(folder_ / "step-2");  // not a name of ours
  EXPECT_EQ(find_latest_state(folder_), newer);

  flip_bit(newer / kRankFile, get_text(newer / kRankFile).size() - 1, 0);
  testing::internal::CaptureStderr();
  EXPECT_EQ(find_latest_state(folder_), older);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("step-100000000"), HasSubstr("is damaged (tensor '")));

  std::filesystem::remove(older / "manifest.json");
  testing::internal::CaptureStderr();
  EXPECT_THAT(message_of<DataError>([&] { find_latest_state(folder_); }),
              AllOf(HasSubstr("none of the 2 saved states is whole"),
                    HasSubstr("step-00001000/manifest.json")));
  testing::internal::GetCapturedStderr();
}

TEST_F(State, ADamagedStateIsReplacedWhenItsStepIsSavedAgain) {
  const Trainee before(1), after(2);
  const auto state = save_state(folder_, 7, before.shards(), "{}");
  flip_bit(state / kRankFile, 200, 0);
  save_state(folder_, 7, after.shards(), "{}");
  EXPECT_EQ(loaded_bytes(state), after.bytes());
  EXPECT_THAT(names_in(folder_), ElementsAre("step-00000007"));
}

TEST_F(State, RefusesATrainerStateThatIsNoObjectAndLeavesNothing) {
  const Trainee trainee(1);
  EXPECT_THROW(save_state(folder_, 7, trainee.shards(), "[1]"), DataError);
  EXPECT_THROW(save_state(folder_, 7, trainee.shards(), "{\"a\": nan}"), DataError);
  EXPECT_TRUE(names_in(folder_).empty());
}

TEST_F(State, KeepsTheLastOnesAndWhatIsAboveTheNewest) {
  const Trainee trainee(1);
  for (const int64_t step : {1, 2, 3, 4, 9}) save_state(folder_, step, trainee.shards(), "{}");
  keep_last_states(folder_, 4, 0);
  EXPECT_EQ(names_in(folder_).size(), 5u);
  keep_last_states(folder_, 4, 2);
  EXPECT_THAT(names_in(folder_), ElementsAre("step-00000003", "step-00000004", "step-00000009"));
  keep_last_states(folder_, 4, 7);
  EXPECT_EQ(names_in(folder_).size(), 3u);
}

TEST_F(State, ASaveRemovesWhatKilledOnesLeft) {
  for (const std::string name : {"step-00000005.tmp", "step-00000002.removed.tmp", "mine.tmp"}) {
    std::filesystem::create_directories(folder_ / name);
    put_text(folder_ / name / "file", "x");
  }
  const Trainee trainee(1);
  save_state(folder_, 6, trainee.shards(), "{}");
  EXPECT_THAT(names_in(folder_), ElementsAre("mine.tmp", "step-00000006"));
}

/// A run with one state, made anew before each trial by copying, which waits for no disk.
class StateUnderFaults : public State {
 protected:
  StateUnderFaults() { save_state(folder_ / "template", 1, first_.shards(), "{}"); }
  void start_over() {
    std::filesystem::remove_all(run_);
    std::filesystem::copy(folder_ / "template", run_, std::filesystem::copy_options::recursive);
  }

  const Trainee first_{1}, second_{2};
  const std::filesystem::path run_ = folder_ / "run";
};

TEST_F(StateUnderFaults, AFailingCallLeavesNoTemporaryAndAlwaysAWholeState) {
  bool failed = true;
  int fail_at = 1;
  for (; failed; ++fail_at) {
    SCOPED_TRACE(fail_at);
    ASSERT_LT(fail_at, 100);
    start_over();
    int calls = 0;
    failed = false;
    try {
      const ScopedFileCallHook hook([&](std::string_view) { return ++calls == fail_at ? EIO : 0; });
      save_state(run_, 2, second_.shards(), "{}");
    } catch (const IoError&) {
      failed = true;
    }
    const auto latest = find_latest_state(run_);
    ASSERT_TRUE(latest);
    const bool has_second = latest->filename() == "step-00000002";
    EXPECT_EQ(loaded_bytes(*latest), has_second ? second_.bytes() : first_.bytes());
    EXPECT_EQ(names_in(run_).size(), has_second ? 2u : 1u);
    EXPECT_TRUE(has_second || failed);
  }
  EXPECT_GT(fail_at, 12);  // there were that many calls to fail at
}

/// Runs `save` in a process that ends without a word at its `kill_at`th call. False when it came
/// through.
template <class F>
bool dies_at(int kill_at, F save) {
  const pid_t child = ::fork();
  if (child == 0) {
    int calls = 0;
    const ScopedFileCallHook hook([&](std::string_view) {
      if (++calls == kill_at) ::_exit(86);
      return 0;
    });
    save();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 86 || WEXITSTATUS(status) == 0));
  return WEXITSTATUS(status) == 86;
}

TEST_F(StateUnderFaults, AKillAtAnyCallLeavesALoadableRun) {
  for (const int64_t step : {2, 1}) {  // a new state; one that replaces the only state there is
    bool died = true;
    int kill_at = 1;
    for (; died; ++kill_at) {
      SCOPED_TRACE(kill_at);
      ASSERT_LT(kill_at, 100);
      start_over();
      died = dies_at(kill_at, [&] { save_state(run_, step, second_.shards(), "{}"); });
      const auto latest = find_latest_state(run_);
      ASSERT_TRUE(latest);
      const std::string bytes = loaded_bytes(*latest);
      EXPECT_TRUE(bytes == second_.bytes() || (died && bytes == first_.bytes()));
    }
    EXPECT_GT(kill_at, 12);  // there were that many calls to die at
  }
}

}  // namespace
}  // namespace lckv::checkpoint
