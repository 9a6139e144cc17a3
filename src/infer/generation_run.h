#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lckv/base/clock.h"
#include "lckv/infer/admission.h"
#include "lckv/infer/continuation.h"
#include "lckv/infer/generator.h"
#include "lckv/tensor/buffer.h"

namespace lckv::infer {

/// One call of Generator::generate(): which sequences are in the cache, and what each does next.
class Generator::Run {
 public:
  Run(Generator& generator, Stream& stream, const model::ParameterSet& weights,
      const data::Tokenizer* tokenizer, std::span<const Request> requests, const Listener& listener,
      const std::atomic<bool>* stop);
  /// What it leaves in the cache goes.
  ~Run();

  /// Lets in what fits, computes a part of the new prompts, then one token of every sample that
  /// runs. False when nothing is left, or after a stop.
  bool step();
  /// Those that have ended, in order.
  std::vector<Completion> take_completions();

 private:
  /// A prompt in the cache: as long as samples of it have to begin.
  struct Prompt {
    size_t number;     // of the request
    int64_t sequence;  // -1: given to its last sample
    int64_t admitted;  // samples that begin once it is computed
    int64_t waiting;   // samples that have no place yet
    int64_t computed = 0;
    Buffer logits{};  // [V] after its last token, on the host, where samples wait
    Stopwatch since_admission{};
    double elapsed_ms = 0;  // until it was computed
  };
  struct Sample {
    Sample(const Request& request, int64_t sample, const data::Tokenizer* tokenizer)
        : continuation(request, sample, tokenizer) {}
    Continuation continuation;
    size_t number = 0;  // of the request
    int64_t sequence = -1;
    Stopwatch since_first{};
  };
  /// A token to be chosen.
  struct Choice {
    Sample* sample;
    ConstView logits;  // [V], on the host
  };
  /// What goes into one forward.
  struct Forward {
    std::vector<NewTokens> entries;
    std::vector<int32_t> wanted;
    int64_t rows = 0;
    int64_t prompt_rows = 0;
    std::vector<Prompt*> ending;  // prompts of which this is the last part
    void add(int64_t sequence, std::span<const int32_t> tokens, bool is_wanted);
  };

  void admit();
  void compute_prompts();
  void compute_tokens();
  void add_prompt(Forward& forward, Prompt& prompt, int64_t tokens);
  /// Logits of the wanted rows, [V] each, on the host until the next call.
  std::vector<ConstView> run(const Forward& forward, const Passes& passes);
  void note_time(const Forward& forward, double elapsed_s);
  void begin_samples(Prompt& prompt, ConstView logits);
  void begin_samples_of(const Forward& forward, std::span<const ConstView> logits);
  void choose(std::span<const Choice> choices);
  struct Chosen {
    int32_t token = 0;
    std::optional<Logprobs> logprobs;
  };
  std::vector<Chosen> sample(std::span<const Choice> choices);
  Chosen sample_one(const Choice& choice, Sampler& sampler) const;
  void accept(Sample& sample, Chosen chosen);
  void remove_finished();
  void finish(Sample& sample);
  /// Removes a sequence from the cache, as far as it is there; -1: none.
  void leave(int64_t sequence) noexcept;
  int64_t bytes_of(int64_t sequence) const;
  void interrupt();

  Generator& generator_;
  Stream& stream_;
  const model::ParameterSet& weights_;
  const data::Tokenizer* tokenizer_;
  std::span<const Request> requests_;
  const Listener& listener_;
  const std::atomic<bool>* stop_;
  KvCache& cache_;
  Admission admission_;
  size_t next_request_ = 0;
  bool stopped_ = false;
  std::list<Prompt> prompts_;
  std::vector<std::unique_ptr<Sample>> samples_;
  std::vector<Buffer> logits_;            // of the newest forward
  std::vector<Sampler> samplers_;         // one per thread
  std::vector<size_t> first_completion_;  // of each request
  std::vector<std::optional<Completion>> completions_;
};

}  // namespace lckv::infer
