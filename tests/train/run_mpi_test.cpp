#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "grid_run.h"
#include "lckv/base/log.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/tensor_set.h"
#include "lckv/comm/agreement.h"
#include "lckv/mpi_test/intercepted.h"
#include "lckv/train/precision.h"
#include "lckv/train/run.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/run_setup.h"
#include "lckv/train/run_state.h"
#include "tiny_run.h"

// Whole runs on grids of the world: files, saved states, stops, and what differs between ranks.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;

const std::atomic<bool> kNeverStop{false};

/// A run whose files rank 0 has made; equal on all ranks.
config::RunConfig shared_run(const std::string& name) {
  config::RunConfig run;
  std::string folder;
  if (world().rank() == 0) folder = fresh_folder(name).string();
  folder = comm::gather_texts(world().all(), folder).front();
  if (world().rank() == 0) run = tiny_run(folder);
  world().all().barrier("files are there");
  if (world().rank() != 0) {
    const fs::path own = fs::path(folder) / std::to_string(world().rank());
    fs::create_directories(own);
    run = tiny_run(own);  // its files go unused
    run.output = folder + "/run";
    run.data.train = {folder + "/train.h5"};
    run.data.validation = {folder + "/validation.h5"};
  }
  run.train.precision = config::Precision::kFp64;
  run.train.sequences_per_step = 8;
  run.train.micro_batch_sequences = 0;
  run.checkpoint.every_steps = 3;
  run.checkpoint.keep_last = 0;
  run.data.document_mask = true;
  return run;
}

std::vector<nlohmann::json> metrics_of(const std::string& output) {
  std::ifstream file(output + "/metrics.jsonl");
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

std::map<std::string, std::vector<double>> tensors_of(const std::string& output,
                                                      const std::string& step) {
  const auto set = checkpoint::TensorSet::open(fs::path(output) / step / "rank-00000.safetensors");
  std::map<std::string, std::vector<double>> tensors;
  for (const std::string& name : set.names()) {
    const Buffer buffer(set.info(name).dtype, set.info(name).shape);
    set.read(name, buffer.view());
    tensors[name] = values_of(buffer.view());
  }
  return tensors;
}

class RunOnGrid : public testing::Test {
 protected:
  RunOnGrid() { set_log_quiet(true); }
};

/// Rank 0 trains the run alone; the others wait.
void train_alone(config::RunConfig run, const std::string& output) {
  if (world().rank() == 0) {
    run.output = output;
    run.parallel = {};
    // A world of one inside a program of many: no launcher's variables.
    comm::World alone = comm::World::alone();
    train::run_training(alone, run, kNeverStop);
  }
  world().all().barrier("alone");
}

void expect_same_states(const std::string& actual, const std::string& expected,
                        const std::string& step, double tolerance) {
  const auto ours = tensors_of(actual, step), theirs = tensors_of(expected, step);
  EXPECT_EQ(ours.size(), theirs.size());
  for (const auto& [name, values] : theirs) {
    EXPECT_TRUE(ours.contains(name)) << name;
    if (!ours.contains(name)) continue;
    EXPECT_LE(worst_error(ours.at(name), values), tolerance) << name;
  }
}

TEST_F(RunOnGrid, WritesTheMetricsAndStatesOfOneProcess) {
  const config::RunConfig run = shared_run("grid");
  const std::string alone = run.output + "-alone";
  train_alone(run, alone);
  for (int tp = 1; tp <= std::min(4, world().size()); tp *= 2) {
    config::RunConfig on_grid = run;
    on_grid.output = run.output + "-tp" + std::to_string(tp);
    on_grid.parallel.tensor = tp;
    const train::RunResult result = train::run_training(world(), on_grid, kNeverStop);
    EXPECT_EQ(result.step, 8);
    if (world().rank() != 0) continue;
    const auto expected = metrics_of(alone), actual = metrics_of(on_grid.output);
    EXPECT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
      for (const char* key : {"step", "tokens", "validation_tokens", "lr"}) {
        EXPECT_EQ(actual[i].value(key, -1.0), expected[i].value(key, -1.0)) << key;
      }
      for (const char* key : {"loss", "grad_norm", "validation_loss"}) {
        EXPECT_NEAR(actual[i].value(key, -1.0), expected[i].value(key, -1.0), 1e-9) << key;
      }
    }
    for (const char* step : {"step-00000003", "step-00000008"}) {
      expect_same_states(on_grid.output, alone, step, 1e-9);
    }
  }
}

constexpr const char* kSaved = "step-00000003";

/// Of one run for another to go on from. Collective.
void copy_state(const std::string& from, const std::string& to) {
  if (world().rank() == 0) {
    fs::create_directories(to);
    fs::copy(fs::path(from) / kSaved, fs::path(to) / kSaved, fs::copy_options::recursive);
  }
  world().all().barrier("copied");
}

TEST_F(RunOnGrid, ContinuesOnAnyOtherGridAndOnItsOwnBitForBit) {
  const config::RunConfig run = shared_run("regrid");
  const std::string alone = run.output + "-alone";
  train_alone(run, alone);
  // tp of the grid that is stopped after step 3, and of the one that goes on
  std::vector<std::pair<int, int>> pairs = {{1, 2}, {2, 1}, {2, 2}};
  if (world().size() >= 4) pairs.insert(pairs.end(), {{4, 2}, {1, 4}});
  for (const auto& [first, second] : pairs) {
    const std::string name = run.output + format("-{}-{}", first, second);
    config::RunConfig whole = run;
    whole.output = name + "-whole";
    whole.parallel.tensor = first;
    train::run_training(world(), whole, kNeverStop);
    config::RunConfig rest = run;
    rest.output = name;
    rest.parallel.tensor = second;
    copy_state(whole.output, rest.output);
    train::run_training(world(), rest, kNeverStop);
    if (world().rank() != 0) continue;
    expect_same_states(rest.output, alone, "step-00000008", 1e-9);
    if (first == second) expect_same_states(rest.output, whole.output, "step-00000008", 0);
  }
}

/// A run's state on its way over the grids, without a step.
class LoadedRun {
 public:
  LoadedRun(config::RunConfig run, int tensor)
      : run_(with_tensor(std::move(run), tensor)),
        ranks_(train::join_grid(world(), run_)),
        dtype_(train::resolve_precision(run_.train.precision)),
        arena_(Arena::allocate(train::plan_run_memory(run_, dtype_, ranks_))),
        objects_(arena_, run_, dtype_, ranks_) {
    objects_.trainer.prepare(stream_);
  }

  comm::Communicators& ranks() { return ranks_; }

  void move(const std::string& from, const std::string& to) {
    const auto position = train::resume_run(world(), from, objects_.trainer, stream_, run_);
    EXPECT_TRUE(position.has_value()) << from;
    train::save_run(to, objects_.trainer, stream_, position.value_or(train::RunPosition{}), run_,
                    train::data_fingerprint(run_.data.train));
    world().all().barrier("saved");
  }

 private:
  static config::RunConfig with_tensor(config::RunConfig run, int tensor) {
    run.parallel.tensor = tensor;
    return run;
  }

  config::RunConfig run_;
  comm::Communicators ranks_;
  DType dtype_;
  Arena arena_;
  train::RunObjects objects_;
  Stream stream_;
};

/// Every byte of masters and moments.
std::string saved_tensors(const std::string& output) {
  std::ifstream file(checkpoint::tensors_file(fs::path(output) / kSaved), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The state beside the tensors, without what tells the grid.
nlohmann::json saved_position(const std::string& output) {
  const auto summary = checkpoint::read_state_summary(fs::path(output) / kSaved);
  nlohmann::json state = nlohmann::json::parse(summary.trainer_state_json);
  state.erase("grid");
  state.at("config").erase("parallel.tensor");
  return state;
}

/// The tensor extents of (2,2) -> (4,1) -> (1,4) -> (2,2), or what comes nearest on these ranks.
std::vector<int> chain_of_grids() {
  if (world().size() == 2) return {2, 1, 2};
  return {2, 1, 4, 2};
}

TEST_F(RunOnGrid, SavedStateIsTheSameBytesAfterEveryGrid) {
  for (const auto precision : {config::Precision::kFp64, config::Precision::kBf16}) {
    config::RunConfig run = shared_run(format("chain-{}", static_cast<int>(precision)));
    run.train.precision = precision;
    run.train.steps = 3;
    run.parallel.tensor = chain_of_grids().front();
    train::run_training(world(), run, kNeverStop);
    std::string from = run.output;
    for (const int tensor : chain_of_grids()) {
      const std::string to = format("{}-{}", from, tensor);
      LoadedRun(run, tensor).move(from, to);
      from = to;
      if (world().rank() != 0) continue;
      EXPECT_TRUE(saved_tensors(to) == saved_tensors(run.output)) << to;
      EXPECT_EQ(saved_position(to), saved_position(run.output));
    }
    // The fault that must be seen: rank 0 writes its own part alone.
    LoadedRun faulty(run, 1);
    const auto dropped = plant(faulty.ranks().dp, "gather tensors", drop);
    faulty.move(from, run.output + "-faulty");
    EXPECT_GT(*dropped, 0);
    if (world().rank() != 0) continue;
    EXPECT_FALSE(saved_tensors(run.output + "-faulty") == saved_tensors(run.output));
  }
}

TEST_F(RunOnGrid, ContinuesInBf16OnAnotherGrid) {
  config::RunConfig run = shared_run("bf16");
  run.train.precision = config::Precision::kBf16;
  for (const auto& [first, second] : {std::pair(1, 2), std::pair(2, 1)}) {
    config::RunConfig whole = run;
    whole.output = run.output + format("-{}", first);
    whole.parallel.tensor = first;
    const double uninterrupted = train::run_training(world(), whole, kNeverStop).loss;
    config::RunConfig rest = run;
    rest.output = whole.output + "-rest";
    rest.parallel.tensor = second;
    copy_state(whole.output, rest.output);
    const train::RunResult result = train::run_training(world(), rest, kNeverStop);
    EXPECT_EQ(result.step, 8);
    EXPECT_TRUE(std::isfinite(result.validation_loss));
    // The same run but for what bf16 rounds.
    EXPECT_NEAR(result.loss, uninterrupted, uninterrupted * unit_roundoff(DType::kBF16));
  }
}

TEST_F(RunOnGrid, StopsAsAWholeWhenOneRankIsTold) {
  config::RunConfig run = shared_run("stop");
  run.train.steps = 100000;
  run.checkpoint.every_steps = 0;
  run.validation.every_steps = 0;
  std::atomic<bool> stop{false};
  const bool told = world().rank() == world().size() - 1;
  std::jthread teller([&](const std::stop_token& end) {
    while (told && !stop && !end.stop_requested()) {
      stop = metrics_of(run.output).size() > 3;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const train::RunResult result = train::run_training(world(), run, stop);
  teller.request_stop();
  EXPECT_TRUE(result.stopped);
  EXPECT_LT(result.step, 100000);
  const auto steps = comm::gather_texts(world().all(), std::to_string(result.step));
  EXPECT_THAT(steps, testing::Each(steps.front()));
  EXPECT_TRUE(fs::exists(run.output + format("/step-{:08d}/manifest.json", result.step)));
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST_F(RunOnGrid, NamesTheRankWhoseConfigurationDiffers) {
  config::RunConfig run = shared_run("config");
  if (world().rank() == 1) run.optimizer.lr = 0.5;
  const std::string message = message_of([&] { train::run_training(world(), run, kNeverStop); });
  EXPECT_THAT(message, testing::AllOf(testing::HasSubstr("rank 1"), testing::HasSubstr("lr"),
                                      testing::HasSubstr("0.5")));
  EXPECT_FALSE(fs::exists(run.output));
}

TEST_F(RunOnGrid, NamesTheRankWhoseDataDiffersOrIsMissing) {
  const config::RunConfig run = shared_run("data");
  const fs::path home = fs::current_path(), folder = fs::path(run.output).parent_path();
  config::RunConfig relative = run;
  relative.data.train = {"train.h5"};
  for (const bool missing : {false, true}) {
    const fs::path own = folder / ("at-" + std::to_string(world().rank()));
    fs::remove_all(own);
    fs::create_directories(own);
    if (world().rank() != 1) fs::copy_file(folder / "train.h5", own / "train.h5");
    if (world().rank() == 1 && !missing) tiny_store(own, "train", 99);
    fs::current_path(own);
    const std::string message =
        message_of([&] { train::run_training(world(), relative, kNeverStop); });
    fs::current_path(home);
    EXPECT_THAT(message, testing::HasSubstr("rank 1")) << missing;
    EXPECT_THAT(message, testing::HasSubstr(missing ? "train.h5" : "training data")) << missing;
  }
}

TEST_F(RunOnGrid, RefusesARankCountThatDoesNotFit) {
  config::RunConfig run = shared_run("fit");
  run.parallel.data = 3;
  EXPECT_THAT(message_of([&] { train::run_training(world(), run, kNeverStop); }),
              testing::HasSubstr("parallel.data"));
  run.parallel = {};
  run.train.sequences_per_step = 7;
  EXPECT_THAT(message_of([&] { train::run_training(world(), run, kNeverStop); }),
              testing::HasSubstr("7"));
}

}  // namespace
}  // namespace lckv::test
