#include <memory>

#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/infer/generator.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/model/init.h"
#include "lckv/mpi_test/intercepted.h"
#include "lckv/mpi_test/model_grid.h"

namespace lckv::infer {
namespace {

/// The ranks of a test share the cores.
const bool kOneThread = (ops::set_cpu_threads(1), true);

/// Four heads that two or four ranks can share; of four, two hold each key/value head.
config::ModelConfig tiny_config() {
  config::ModelConfig config;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_hidden_layers = 5;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.vocab_size = 61;  // no multiple of the ranks
  config.max_position_embeddings = 64;
  config.initializer_range = 0.5;
  config.layer_types = "0_3_3_3_4";
  config.forward_passes = 2;
  config.backward_passes = 2;
  return config;
}

/// This rank's share of weights that have the same values on every grid.
class Weights {
 public:
  Weights(const config::ModelConfig& config, const comm::Grid& grid)
      : table_(model::make_parameter_table(config, {grid.tp, grid.tp_rank(), 1})),
        plan_(Arena::planning()) {
    const model::ParameterSet planned(table_, plan_, "weights", DType::kF64);
    arena_ = std::make_unique<Arena>(Arena::allocate(plan_));
    set_ = std::make_unique<model::ParameterSet>(table_, *arena_, "weights", DType::kF64);
    model::initialize(*set_, config, 7);
  }
  const model::ParameterSet& set() const { return *set_; }

 private:
  model::ParameterTable table_;
  Arena plan_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<model::ParameterSet> set_;
};

std::vector<Request> some_requests() {
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 5; ++i) {
    Request request;
    for (uint64_t t = 0; t < 3 + 4 * i; ++t) {
      request.prompt.push_back(static_cast<int32_t>((t * 7 + i * 13) % 61));
    }
    request.number = i;
    request.max_new_tokens = 12;
    request.samples = i == 2 ? 3 : 1;
    request.sampling.temperature = i % 2;
    requests.push_back(request);
  }
  return requests;
}

/// Prompts, samples and tokens as text.
std::string generate(const comm::Communicators& ranks, const std::string& prefill,
                     const std::atomic<bool>* stop = nullptr) {
  const config::ModelConfig config = tiny_config();
  const Weights weights(config, ranks.grid);
  const std::vector<Request> requests = some_requests();
  Generator::Options options;
  options.dtype = DType::kF64;
  options.prefill = parse_prefill(prefill, 0, config);
  options.sizes = batch_sizes(requests, options.prefill, 3);
  options.ranks = &ranks;
  PlacedGenerator placed(config, options, {});
  std::string text;
  for (const Completion& c :
       placed.generator().generate(placed.stream(), weights.set(), nullptr, requests, {}, stop)) {
    text += format("{}.{} {}:", c.request, c.sample, name(c.stop));
    for (const int32_t token : c.tokens) text += format(" {}", token);
    text += "\n";
  }
  return text;
}

bool equal_on_all_ranks(const std::string& text) {
  for (const std::string& other : comm::gather_texts(test::world().all(), text)) {
    if (other != text) return false;
  }
  return true;
}

TEST(GeneratorOnRanks, YieldsWhatOneProcessDoes) {
  for (const std::string prefill : {"iterate", "exact"}) {
    const std::string alone = generate(comm::single_process(), prefill);
    for (int tensor = 2; tensor <= test::world().size(); tensor *= 2) {
      const comm::Communicators ranks = test::join_grid(tiny_config(), tensor);
      EXPECT_EQ(generate(ranks, prefill), alone) << prefill << " tensor " << tensor;
    }
  }
}

TEST(GeneratorOnRanks, YieldsSomethingElseWithoutTheOtherRanksPart) {
  const std::string alone = generate(comm::single_process(), "iterate");
  for (int tensor = 2; tensor <= test::world().size(); tensor *= 2) {
    comm::Communicators ranks = test::join_grid(tiny_config(), tensor);
    const auto dropped = test::plant(ranks.tp, "tp logits", test::drop);
    EXPECT_NE(generate(ranks, "iterate"), alone);
    EXPECT_GT(*dropped, 0);
  }
}

TEST(GeneratorOnRanks, StopsOnAllRanksOfACopyWhenOneIsStopped) {
  for (int tensor = 2; tensor <= test::world().size(); tensor *= 2) {
    const comm::Communicators ranks = test::join_one_copy(tiny_config(), tensor);
    const std::atomic<bool> stop = ranks.grid.tp_rank() == tensor - 1;
    const std::string text = generate(ranks, "iterate", &stop);
    EXPECT_NE(text.find("interrupted"), std::string::npos);
    EXPECT_TRUE(equal_on_all_ranks(text));
  }
}

}  // namespace
}  // namespace lckv::infer
