#include "lckv/infer/generation_run.h"

#include <algorithm>
#include <utility>

#include "lckv/base/activity.h"
#include "lckv/base/error.h"
#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/infer/row_threads.h"
#include "lckv/tensor/transfer.h"

namespace lckv::infer {

Generator::Run::Run(Generator& generator, Stream& stream, const model::ParameterSet& weights,
                    const data::Tokenizer* tokenizer, std::span<const Request> requests,
                    const Listener& listener, const std::atomic<bool>* stop)
    : generator_(generator),
      stream_(stream),
      weights_(weights),
      tokenizer_(tokenizer),
      requests_(requests),
      listener_(listener),
      stop_(stop),
      cache_(generator.model_.cache()),
      admission_(generator.options_.sizes.batch, generator.options_.sizes.pages,
                 generator.options_.sizes.page_tokens),
      samplers_(static_cast<size_t>(std::max(1, generator.options_.threads))) {
  size_t count = 0;
  for (const Request& request : requests) {
    LCKV_CHECK(!request.prompt.empty() && request.samples > 0 && request.max_new_tokens > 0,
               format("a request of {} tokens, {} samples of {} tokens", request.prompt.size(),
                      request.samples, request.max_new_tokens));
    first_completion_.push_back(count);
    count += static_cast<size_t>(request.samples);
  }
  completions_.resize(count);
}

Generator::Run::~Run() {
  for (const Prompt& prompt : prompts_) leave(prompt.sequence);
  for (const auto& sample : samples_) leave(sample->sequence);
}

void Generator::Run::leave(int64_t sequence) noexcept {
  if (sequence < 0) return;
  try {
    cache_.remove(sequence);
  } catch (const std::exception& error) {  // what brought us here is told by its own exception
    log_warning(format("sequence {} of the KV cache: {}", sequence, error.what()));
  }
}

bool Generator::Run::step() {
  admit();
  if (!stopped_ && !generator_.options_.prefill.token_by_token) compute_prompts();
  if (!stopped_) compute_tokens();
  note_progress();
  if (stopped_) interrupt();
  return !stopped_ && (!prompts_.empty() || !samples_.empty() || next_request_ < requests_.size());
}

/// First come, first served: a request waits for all samples of the one before to have begun.
void Generator::Run::admit() {
  while (!stopped_) {
    if (!prompts_.empty() && prompts_.back().waiting > 0) {
      Prompt& prompt = prompts_.back();
      if (!prompt.logits.bytes()) return;  // not computed yet
      prompt.admitted = admission_.begin(prompt.number, requests_[prompt.number], prompt.waiting);
      if (prompt.admitted == 0) return;
      prompt.waiting -= prompt.admitted;
      begin_samples(prompt, prompt.logits.view());
      continue;
    }
    if (next_request_ == requests_.size()) return;
    const Request& request = requests_[next_request_];
    const int64_t admitted = admission_.begin(next_request_, request, request.samples);
    LCKV_CHECK(admitted > 0 || !admission_.is_empty(),
               format("request {} does not fit an empty cache", next_request_));
    if (admitted == 0) return;
    prompts_.push_back({next_request_++, cache_.add(), admitted, request.samples - admitted});
  }
}

void Generator::Run::Forward::add(int64_t sequence, std::span<const int32_t> tokens,
                                  bool is_wanted) {
  entries.push_back({sequence, tokens});
  rows += std::ssize(tokens);
  if (is_wanted) wanted.push_back(static_cast<int32_t>(rows - 1));
}

void Generator::Run::add_prompt(Forward& forward, Prompt& prompt, int64_t tokens) {
  const std::vector<int32_t>& all = requests_[prompt.number].prompt;
  const std::span<const int32_t> part =
      std::span(all).subspan(static_cast<size_t>(prompt.computed), static_cast<size_t>(tokens));
  prompt.computed += tokens;
  const bool ends = prompt.computed == std::ssize(all);
  forward.add(prompt.sequence, part, ends);
  forward.prompt_rows += tokens;
  if (ends) forward.ending.push_back(&prompt);
}

/// One forward: the next part of as many prompts as its rows hold. What a prompt's part is does not
/// depend on the others.
void Generator::Run::compute_prompts() {
  const Prefill& prefill = generator_.options_.prefill;
  const Stopwatch watch;
  Forward forward;
  for (Prompt& prompt : prompts_) {
    const int64_t size = std::ssize(requests_[prompt.number].prompt);
    if (prompt.computed == size) continue;
    const int64_t tokens = std::min(prefill.tokens_at_once(size), size - prompt.computed);
    if (forward.rows + tokens > generator_.options_.sizes.rows) break;
    add_prompt(forward, prompt, tokens);
  }
  if (forward.entries.empty()) return;
  begin_samples_of(forward, run(forward, {prefill.passes}));
  note_time(forward, watch.elapsed_s());
}

/// One forward: the next token of every sample, and of every prompt that is computed so.
void Generator::Run::compute_tokens() {
  const Stopwatch watch;
  Forward forward;
  std::vector<Choice> choices;
  for (const auto& sample : samples_) {
    const std::vector<int32_t>& tokens = sample->continuation.tokens();
    forward.add(sample->sequence, std::span(tokens).last(1), true);
    choices.push_back({sample.get(), {}});
  }
  if (generator_.options_.prefill.token_by_token) {
    for (Prompt& prompt : prompts_) {
      if (prompt.computed < std::ssize(requests_[prompt.number].prompt)) {
        add_prompt(forward, prompt, 1);
      }
    }
  }
  if (forward.entries.empty()) return;
  const std::vector<ConstView> logits = run(forward, {1});
  for (size_t i = 0; i < choices.size(); ++i) choices[i].logits = logits[i];
  choose(choices);
  if (!stopped_) begin_samples_of(forward, std::span(logits).subspan(choices.size()));
  note_time(forward, watch.elapsed_s());
}

std::vector<ConstView> Generator::Run::run(const Forward& forward, const Passes& passes) {
  for (const NewTokens& entry : forward.entries) {
    cache_.append(entry.sequence, std::ssize(entry.tokens));
  }
  GenerationStats& stats = generator_.stats_;
  stats.kv_used_bytes = std::max(stats.kv_used_bytes, cache_.used_bytes());
  const ConstView hidden =
      generator_.model_.forward(stream_, weights_, forward.entries, forward.wanted, passes);
  OutputHead& head = generator_.head_;
  const auto count = std::ssize(forward.wanted);
  std::vector<ConstView> rows;
  logits_.clear();
  for (int64_t begin = 0; begin < count; begin += head.chunk_rows()) {
    const int64_t end = std::min(begin + head.chunk_rows(), count);
    logits_.push_back(
        to_host(stream_, head.logits(stream_, weights_, hidden.slice(0, begin, end))));
    const ConstView chunk = logits_.back().view();
    for (int64_t i = 0; i < end - begin; ++i) {
      rows.push_back(chunk.slice(0, i, i + 1).reshape({chunk.dim(1)}));
    }
  }
  return rows;
}

void Generator::Run::note_time(const Forward& forward, double elapsed_s) {
  GenerationStats& stats = generator_.stats_;
  const double prompt_frac =
      static_cast<double>(forward.prompt_rows) / static_cast<double>(forward.rows);
  stats.prompt_tokens += forward.prompt_rows;
  stats.prompt_s += prompt_frac * elapsed_s;
  stats.new_tokens += forward.rows - forward.prompt_rows;
  stats.new_s += (1 - prompt_frac) * elapsed_s;
}

void Generator::Run::begin_samples_of(const Forward& forward, std::span<const ConstView> logits) {
  for (size_t i = 0; i < forward.ending.size() && !stopped_; ++i) {
    Prompt& prompt = *forward.ending[i];
    prompt.elapsed_ms = 1e3 * prompt.since_admission.elapsed_s();
    if (prompt.waiting > 0) prompt.logits = to_host(stream_, logits[i]);
    begin_samples(prompt, logits[i]);
  }
  if (forward.ending.empty()) choose({});  // looks for a stop
}

/// The first tokens of the samples that are admitted. The prompt goes when no other will begin.
void Generator::Run::begin_samples(Prompt& prompt, ConstView logits) {
  const Request& request = requests_[prompt.number];
  std::vector<Choice> choices;
  const int64_t first = request.samples - prompt.waiting - prompt.admitted;
  for (int64_t i = 0; i < prompt.admitted; ++i) {
    auto sample = std::make_unique<Sample>(request, first + i, tokenizer_);
    const bool last = prompt.waiting == 0 && i + 1 == prompt.admitted;
    sample->sequence =
        last ? std::exchange(prompt.sequence, -1) : cache_.fork(stream_, prompt.sequence);
    sample->number = prompt.number;
    sample->continuation.completion().prompt_ms = prompt.elapsed_ms;
    choices.push_back({sample.get(), logits});
    samples_.push_back(std::move(sample));
  }
  prompt.admitted = 0;
  choose(choices);
  if (prompt.waiting > 0) return;
  prompts_.remove_if([&](const Prompt& p) { return &p == &prompt; });
}

void Generator::Run::choose(std::span<const Choice> choices) {
  const bool stop = stop_ && *stop_;
  stopped_ = comm::stops_after(*generator_.options_.ranks->tp, stop, [&] {
    std::vector<Chosen> chosen = sample(choices);
    for (size_t i = 0; i < choices.size(); ++i) accept(*choices[i].sample, std::move(chosen[i]));
  });
  remove_finished();
}

std::vector<Generator::Run::Chosen> Generator::Run::sample(std::span<const Choice> choices) {
  // Below some milliseconds of work, threads take longer to start than they save.
  constexpr int64_t kLogitsWorthThreads = int64_t{1} << 17;
  std::vector<Chosen> chosen(choices.size());
  if (choices.empty()) return chosen;
  const bool few = choices.front().logits.numel() * std::ssize(choices) < kLogitsWorthThreads;
  const size_t threads = few ? 1 : std::min(samplers_.size(), choices.size());
  for_each_row(choices.size(), threads, [&](size_t row, size_t thread) {
    chosen[row] = sample_one(choices[row], samplers_[thread]);
  });
  return chosen;
}

Generator::Run::Chosen Generator::Run::sample_one(const Choice& choice, Sampler& sampler) const {
  const Continuation& continuation = choice.sample->continuation;
  const Request& request = continuation.request();
  const int64_t V = choice.logits.numel();
  const ConstView logits =
      choice.logits.slice(0, 0, tokenizer_ ? std::min<int64_t>(V, tokenizer_->vocab_size()) : V);
  Chosen chosen;
  chosen.token = sampler.sample(logits, request.sampling, continuation.tokens(),
                                continuation.forbidden(), continuation.next_draw());
  if (request.logprobs > 0) {
    chosen.logprobs = logprobs_of(logits, chosen.token, request.logprobs);
  }
  return chosen;
}

void Generator::Run::accept(Sample& sample, Chosen chosen) {
  Continuation& continuation = sample.continuation;
  if (continuation.generated() == 0) sample.since_first.restart();
  if (chosen.logprobs) {
    continuation.completion().logprobs.push_back(std::move(*chosen.logprobs));
  }
  const std::string text = continuation.accept(chosen.token);
  if (listener_) {
    listener_({sample.number, continuation.completion().sample, chosen.token, text});
  }
}

void Generator::Run::remove_finished() {
  for (const auto& sample : samples_) {
    if (sample->continuation.is_done()) finish(*sample);
  }
  std::erase_if(samples_, [](const auto& sample) { return sample->sequence < 0; });
}

void Generator::Run::finish(Sample& sample) {
  Completion& completion = sample.continuation.completion();
  const SinkWindow& streaming = generator_.options_.streaming;
  completion.request = sample.number;
  completion.prefill = generator_.options_.prefill.text(completion.prompt_tokens);
  completion.kv_bytes = bytes_of(sample.sequence) * generator_.model_.dims().tp;
  completion.truncated =
      streaming.is_on() && cache_.length(sample.sequence) > streaming.window_tokens;
  completion.predicted_ms = 1e3 * sample.since_first.elapsed_s();
  cache_.remove(sample.sequence);
  admission_.end(sample.number);
  sample.sequence = -1;
  completions_[first_completion_[sample.number] + static_cast<size_t>(completion.sample)] =
      std::move(completion);
}

int64_t Generator::Run::bytes_of(int64_t sequence) const {
  int64_t bytes = 0;
  for (int layer = 0; layer < generator_.model_.dims().L; ++layer) {
    const int number = cache_.table_of(layer);
    if (number < 0) continue;
    const PageTable& table = cache_.tables()[static_cast<size_t>(number)];
    const auto first = table.entries().begin() + sequence * table.pages_of_one();
    const int64_t pages = std::count_if(first, first + table.pages_of_one(),
                                        [](int32_t page) { return page != PageTable::kNoPage; });
    const View rows = cache_.rows(layer);
    bytes += pages * cache_.options().page_tokens * rows.dim(1) * size_bytes(rows.dtype());
  }
  return bytes;
}

void Generator::Run::interrupt() {
  for (const auto& sample : samples_) {
    const std::string rest = sample->continuation.interrupt();
    if (listener_ && !rest.empty()) {
      listener_({sample->number, sample->continuation.completion().sample,
                 sample->continuation.tokens().back(), rest});
    }
  }
  remove_finished();
}

std::vector<Completion> Generator::Run::take_completions() {
  std::vector<Completion> done;
  for (auto& completion : completions_) {
    if (completion) done.push_back(std::move(*completion));
  }
  return done;
}

}  // namespace lckv::infer
