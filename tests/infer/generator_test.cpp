#include "lckv/infer/generator.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cached_network.h"
#include "lckv/infer/admission.h"
#include "lckv/infer/row_threads.h"

namespace lckv::infer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int32_t> some_tokens(const config::ModelConfig& config, int64_t count, uint64_t seed) {
  return test::RandomBatch(config, 1, count, seed).tokens;
}

/// A model of 11 tokens, and what is asked of it.
struct Case {
  explicit Case(const std::string& layer_types, const std::string& prefill_text = "iterate",
                int64_t chunk = 0)
      : config(test::small_config(layer_types)),
        network(config, test::weights_only(config)),
        prefill(parse_prefill(prefill_text, chunk, config)) {}

  Request request(int64_t prompt, int64_t new_tokens, uint64_t number, double temperature = 1) {
    Request request;
    request.prompt = some_tokens(config, prompt, 100 + number);
    request.max_new_tokens = new_tokens;
    request.number = number;
    request.sampling.temperature = temperature;
    return request;
  }
  Generator::Options options(std::span<const Request> requests, int64_t batch) const {
    Generator::Options options;
    options.dtype = DType::kF64;
    options.prefill = prefill;
    options.sizes = batch_sizes(requests, prefill, batch);
    options.streaming = streaming;
    return options;
  }
  std::vector<Completion> generate(std::span<const Request> requests, int64_t batch) {
    return generate_with(options(requests, batch), requests);
  }
  std::vector<Completion> generate_with(const Generator::Options& options,
                                        std::span<const Request> requests,
                                        const std::atomic<bool>* stop = nullptr) {
    PlacedGenerator placed(config, options, {});
    auto done = placed.generator().generate(placed.stream(), network.weights(), nullptr, requests,
                                            {}, stop);
    EXPECT_EQ(placed.generator().cache().used_bytes(), 0);
    stats = placed.generator().stats();
    return done;
  }

  config::ModelConfig config;
  test::TestNetwork network;
  Prefill prefill;
  SinkWindow streaming;
  GenerationStats stats;
};

std::vector<std::vector<int32_t>> tokens_of(const std::vector<Completion>& completions) {
  std::vector<std::vector<int32_t>> tokens;
  for (const Completion& completion : completions) tokens.push_back(completion.tokens);
  return tokens;
}

const std::vector<std::string>& layouts() {
  static const std::vector<std::string> list = {"0_1_2_3", "0_3_3_3_4",   "4_4_4_4_4", "1_1_3_3",
                                                "0s_1s_2", "0_3s_3_3s_4", "0s_0"};
  return list;
}

/// Greedy decoding by the prose, from scratch for every token.
std::vector<int32_t> naive_greedy(const Case& c, std::vector<int32_t> tokens, int64_t count) {
  const test::NaiveModel naive = test::naive_model(c.config);
  const auto weights = c.network.naive_weights();
  std::vector<int32_t> chosen;
  while (std::ssize(chosen) < count) {
    const std::vector<double> row = naive.decode(weights, tokens).back();
    chosen.push_back(static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
    tokens.push_back(chosen.back());
  }
  return chosen;
}

TEST(Generator, GreedyIsTheLikeliestTokenOfDecodingByTheProse) {
  for (const std::string& layer_types : layouts()) {
    Case c(layer_types, "exact");
    const std::vector<Request> requests = {c.request(9, 6, 0, 0), c.request(3, 8, 1, 0)};
    const auto done = c.generate(requests, 2);
    ASSERT_EQ(done.size(), 2U);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(done[i].tokens, naive_greedy(c, requests[i].prompt, requests[i].max_new_tokens))
          << layer_types;
      EXPECT_EQ(done[i].stop, StopType::kLimit);
      EXPECT_EQ(done[i].prefill, "exact");
    }
  }
}

TEST(Generator, AsManyPassesAsThePromptHasTokensAreExact) {
  for (const std::string& layer_types : layouts()) {
    Case exact(layer_types, "exact"), iterated(layer_types, "iterate:12");
    const std::vector<Request> requests = {exact.request(12, 10, 0)};
    EXPECT_EQ(tokens_of(exact.generate(requests, 1)), tokens_of(iterated.generate(requests, 1)))
        << layer_types;
  }
  // Fewer passes are something else, or the law would say nothing.
  Case exact("4_4_4_4_4", "exact"), rough("4_4_4_4_4", "iterate:1");
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 4; ++i) requests.push_back(exact.request(12, 10, i));
  EXPECT_NE(tokens_of(exact.generate(requests, 4)), tokens_of(rough.generate(requests, 4)));
}

TEST(Generator, YieldsTheSameInEveryBatch) {
  for (const std::string& layer_types : layouts()) {
    for (const std::string prefill : {"iterate", "exact"}) {
      Case c(layer_types, prefill, 5);
      std::vector<Request> requests;
      for (uint64_t i = 0; i < 7; ++i) {
        requests.push_back(c.request(1 + static_cast<int64_t>(i * 5 % 17),
                                     2 + static_cast<int64_t>(i * 3 % 11), i, i % 2 ? 1 : 0));
        requests.back().stops.eos_ids = {2};  // some end early, and leave their place
        requests.back().sampling.top_p = 0.9;
      }
      requests[3].samples = 3;
      const auto whole = c.generate(requests, 100);
      ASSERT_EQ(whole.size(), 9U);
      for (const int64_t batch : {1, 2, 3}) {
        EXPECT_EQ(tokens_of(c.generate(requests, batch)), tokens_of(whole))
            << layer_types << " " << prefill << " " << batch;
      }
      for (size_t i = 0; i < requests.size(); ++i) {
        const auto alone = c.generate(std::span(requests).subspan(i, 1), 1);
        const size_t at = i + (i > 3 ? 2 : 0);
        EXPECT_EQ(alone[0].tokens, whole[at].tokens) << layer_types << " " << prefill << " " << i;
        EXPECT_EQ(whole[at].request, i);
      }
    }
  }
}

TEST(Generator, SamplesOfARequestDifferAndShareTheirPrompt) {
  Case c("0_3_3_3_4");
  std::vector<Request> requests = {c.request(40, 12, 0)};
  requests[0].samples = 4;
  const auto done = c.generate(requests, 4);
  ASSERT_EQ(done.size(), 4U);
  EXPECT_NE(done[0].tokens, done[1].tokens);
  EXPECT_EQ(done[3].sample, 3);
  EXPECT_EQ(c.stats.prompt_tokens, 40);
  // Two full pages of 16 are shared; each has two of its own for tokens 32 to 50.
  const int64_t page_bytes = c.stats.kv_bytes / c.options(requests, 4).sizes.pages;
  EXPECT_EQ(c.stats.kv_used_bytes, (2 + 4 * 2) * page_bytes);
  EXPECT_EQ(done[0].kv_bytes, 4 * page_bytes);
  // One after the other from the waiting prompt: the same, and computed once.
  EXPECT_EQ(tokens_of(c.generate(requests, 1)), tokens_of(done));
  EXPECT_EQ(c.stats.prompt_tokens, 40);
}

TEST(Generator, RequestsWaitWherePagesAreFew) {
  for (const std::string layer_types : {"0_3_3_3_4", "0_3s_3_3s_4"}) {
    Case c(layer_types);
    std::vector<Request> requests;
    for (uint64_t i = 0; i < 6; ++i) {
      requests.push_back(c.request(10 + 7 * static_cast<int64_t>(i), 20, i));
    }
    requests[2].samples = 3;
    const auto whole = c.generate(requests, 8);
    const int64_t all_pages = c.stats.kv_used_bytes;
    Generator::Options options = c.options(requests, 8);
    options.sizes.pages = options.sizes.least_pages;
    EXPECT_EQ(tokens_of(c.generate_with(options, requests)), tokens_of(whole));
    EXPECT_LT(c.stats.kv_used_bytes, all_pages);
    EXPECT_LE(c.stats.kv_used_bytes, c.stats.kv_bytes);
  }
}

TEST(Generator, ChunksAreNamedAndChangeNothingWherePassesSuffice) {
  Case whole("0_3_3_3_4"), chunked("0_3_3_3_4", "iterate", 4), llama("0_1_2", "iterate", 4);
  const std::vector<Request> requests = {whole.request(4, 6, 0), whole.request(19, 6, 1)};
  const auto a = whole.generate(requests, 2), b = chunked.generate(requests, 2);
  EXPECT_EQ(a[1].prefill, "iterate:4");
  EXPECT_EQ(b[0].prefill, "iterate:4");
  EXPECT_EQ(b[1].prefill, "iterate:4, chunks of 4");
  // Chunks of as many tokens as there are passes are exact (spec/lckv.md 7.3).
  Case exact("0_3_3_3_4", "exact");
  EXPECT_EQ(tokens_of(b), tokens_of(exact.generate(requests, 2)));
  EXPECT_EQ(llama.generate(requests, 2)[1].prefill, "exact");
}

TEST(Generator, StopsAtEosAndIdsAndNotBefore) {
  Case c("0_3_3_3_4");
  std::vector<Request> requests = {c.request(6, 40, 0)};
  const std::vector<int32_t> free_run = c.generate(requests, 1)[0].tokens;
  ASSERT_EQ(free_run.size(), 40U);
  const int32_t stop = free_run[10];
  const auto first =
      static_cast<size_t>(std::find(free_run.begin(), free_run.end(), stop) - free_run.begin());
  requests[0].stops.eos_ids = {stop};
  auto done = c.generate(requests, 1)[0];
  EXPECT_EQ(done.stop, StopType::kEos);
  EXPECT_EQ(done.tokens.size(), first + 1);
  requests[0].stops.eos_ids = {};
  requests[0].stops.ids = {stop};
  done = c.generate(requests, 1)[0];
  EXPECT_EQ(done.stop, StopType::kId);
  EXPECT_EQ(done.tokens.size(), first + 1);
  requests[0].min_new_tokens = 20;
  done = c.generate(requests, 1)[0];
  EXPECT_GT(done.tokens.size(), 20U);
  EXPECT_EQ(std::count(done.tokens.begin(), done.tokens.begin() + 20, stop), 0);
  requests[0].min_new_tokens = 0;
  requests[0].stops = {};
  requests[0].stops.eos_ids = {stop};
  requests[0].stops.ignore_eos = true;
  done = c.generate(requests, 1)[0];
  EXPECT_EQ(done.stop, StopType::kLimit);
  EXPECT_EQ(std::count(done.tokens.begin(), done.tokens.end(), stop), 0);
}

TEST(Generator, ReportsLogprobsOfEveryToken) {
  Case c("0_3_3_3_4");
  std::vector<Request> requests = {c.request(6, 5, 0, 0)};
  requests[0].logprobs = 3;
  const Completion done = c.generate(requests, 1)[0];
  ASSERT_EQ(done.logprobs.size(), 5U);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(done.logprobs[i].chosen.token, done.tokens[i]);
    EXPECT_EQ(done.logprobs[i].top[0].token, done.tokens[i]);  // greedy
    EXPECT_EQ(done.logprobs[i].top.size(), 3U);
    EXPECT_LT(done.logprobs[i].chosen.logprob, 0);
  }
}

TEST(Generator, StreamsBeyondItsWindowAsTheProseSays) {
  Case c("0_3_3_3_4", "exact");
  c.streaming = {2, 6};
  const std::vector<Request> requests = {c.request(4, 15, 0, 0), c.request(3, 2, 1, 0)};
  const auto done = c.generate(requests, 2);
  std::vector<int32_t> tokens = requests[0].prompt;
  tokens.insert(tokens.end(), done[0].tokens.begin(), done[0].tokens.end());
  const auto rows =
      test::naive_model(c.config).decode_streaming(c.network.naive_weights(), tokens, 2, 6);
  for (size_t i = 0; i < 15; ++i) {
    const auto& row = rows[3 + i];
    EXPECT_EQ(done[0].tokens[i], std::max_element(row.begin(), row.end()) - row.begin()) << i;
  }
  EXPECT_TRUE(done[0].truncated);
  EXPECT_FALSE(done[1].truncated);
}

TEST(Generator, EndsWhatHasBegunWhenItIsStopped) {
  Case c("0_3_3_3_4");
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 4; ++i) requests.push_back(c.request(5, 20, i));
  const std::atomic<bool> stop = true;
  const auto done = c.generate_with(c.options(requests, 2), requests, &stop);
  ASSERT_EQ(done.size(), 1U);  // the first token of the first was under way
  EXPECT_EQ(done[0].stop, StopType::kInterrupted);
  EXPECT_EQ(done[0].tokens.size(), 1U);
}

TEST(Generator, RefusesLogitsThatAreNotNumbersAndCanGoOn) {
  Case c("0_3_3_3_4");
  const std::vector<Request> requests = {c.request(5, 4, 0), c.request(5, 4, 1)};
  PlacedGenerator placed(c.config, c.options(requests, 2), {});
  const View norm = c.network.weights().norm();
  const double before = norm.data<double>()[0];
  norm.data<double>()[0] = std::nan("");
  const auto generate = [&] {
    return placed.generator().generate(placed.stream(), c.network.weights(), nullptr, requests);
  };
  EXPECT_THROW(generate(), DataError);
  norm.data<double>()[0] = before;
  EXPECT_EQ(tokens_of(generate()), tokens_of(c.generate(requests, 2)));
}

TEST(Generator, TellsOfEveryTokenInOrder) {
  Case c("0_3_3_3_4");
  const std::vector<Request> requests = {c.request(5, 4, 0), c.request(9, 6, 1)};
  PlacedGenerator placed(c.config, c.options(requests, 2), {});
  std::vector<std::vector<int32_t>> told(2);
  const auto done = placed.generator().generate(
      placed.stream(), c.network.weights(), nullptr, requests,
      [&](const Generator::Event& event) { told[event.request].push_back(event.token); });
  EXPECT_EQ(told, tokens_of(done));
}

TEST(RowThreads, DoEveryRowOnceAndThrowWhatTheFirstFailingOneThrew) {
  for (const size_t threads : {1, 3, 8}) {
    std::vector<size_t> done(7, 0), thread_of(7, 0);
    for_each_row(7, threads, [&](size_t row, size_t thread) {
      ++done[row];
      thread_of[row] = thread;
    });
    EXPECT_THAT(done, testing::Each(1U));
    EXPECT_EQ(thread_of[5], 5 % threads);
    const auto fails = [](size_t row, size_t) {
      if (row == 2 || row == 5) throw DataError(format("row {}", row));
    };
    EXPECT_THAT([&] { for_each_row(7, threads, fails); },
                testing::ThrowsMessage<DataError>("row 2"));
  }
}

TEST(FitInto, TakesWhatMemoryAllows) {
  Case c("0_3_3_3_4");
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 8; ++i) requests.push_back(c.request(20, 30, i));
  const Generator::Options all = c.options(requests, 8);
  const auto bytes = [&](const Generator::Options& options) {
    Arena plan = Arena::planning();
    const Generator planned(plan, c.config, options);
    return plan.bytes();
  };
  const auto fitted = [&](int64_t memory) { return fit_into(memory, c.config, all, requests, {}); };
  EXPECT_EQ(fitted(bytes(all)).sizes.pages, all.sizes.pages);
  const int64_t memory = bytes(all) - 1;
  const Generator::Options less = fitted(memory);
  EXPECT_LT(less.sizes.pages, all.sizes.pages);
  EXPECT_EQ(less.sizes.batch, 8);
  EXPECT_LE(bytes(less), memory);
  EXPECT_EQ(tokens_of(c.generate_with(less, requests)), tokens_of(c.generate(requests, 8)));
  const int64_t least = bytes(c.options(requests, 1));
  EXPECT_EQ(fitted(least).sizes.batch, 1);
  EXPECT_THROW(fitted(least - 1), ConfigError);
}

TEST(Admission, CountsSharedPagesOnceAndGivesAllBack) {
  Request request;
  request.prompt.resize(10);
  request.max_new_tokens = 7;  // 16 tokens with a place
  request.samples = 3;
  // Pages of 4: two full ones of the prompt, then two for each sample.
  EXPECT_EQ(footprint(request, 4).pages(1, false), 4);
  EXPECT_EQ(footprint(request, 4).pages(3, false), 8);
  EXPECT_EQ(footprint(request, 4).pages(1, true), 5);
  EXPECT_EQ(footprint(request, 4).pages(0, true), 3);
  Admission admission(/*places=*/2, /*pages=*/7, /*page_tokens=*/4);
  EXPECT_EQ(admission.begin(0, request, 3), 2);  // 2 + 4 + the prompt's part
  EXPECT_EQ(admission.free_pages(), 0);
  EXPECT_EQ(admission.begin(0, request, 1), 0);
  admission.end(0);
  EXPECT_EQ(admission.begin(0, request, 1), 1);
  EXPECT_EQ(admission.free_pages(), 1);  // the part is that sample's now
  admission.end(0);
  admission.end(0);
  EXPECT_TRUE(admission.is_empty());
  EXPECT_EQ(admission.free_pages(), 7);
  EXPECT_EQ(admission.free_places(), 2);
}

TEST(Prefill, IsReadByNameAndRefusedOtherwise) {
  const config::ModelConfig config = test::small_config("0_3_3_3_4", 7, 2);
  EXPECT_EQ(parse_prefill("iterate", 0, config).text(100), "iterate:9");
  EXPECT_EQ(parse_prefill("iterate:3", 50, config).text(100), "iterate:3, chunks of 50");
  EXPECT_EQ(parse_prefill("exact", 50, config).text(100), "exact");
  EXPECT_TRUE(parse_prefill("exact", 0, config).token_by_token);
  // Without iterated layers one forward is exact.
  EXPECT_FALSE(parse_prefill("exact", 0, test::small_config("0_0_2_2")).token_by_token);
  for (const std::string wrong : {"", "iterate:", "iterate:0", "iterate:x", "sequential"}) {
    EXPECT_THROW(parse_prefill(wrong, 0, config), ConfigError) << wrong;
  }
}

}  // namespace
}  // namespace lckv::infer
