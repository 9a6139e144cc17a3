#include "lckv/data/train_sentencepiece.h"

#include <algorithm>
#include <fstream>
#include <unordered_map>

#include <sentencepiece_trainer.h>

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/data/pending_file.h"
#include "lckv/data/tokenizer.h"
#include "lckv/data/utf8.h"

namespace lckv::data {

namespace {

constexpr size_t kSentenceBytes =
    4000;  // the trainer passes over sentences of more than 4192 bytes

// Size of the text, at least about: compressed files are read for it, since what they take on the
// disk says too little, and a share drawn by it would come from their beginning alone.
int64_t text_bytes(const std::vector<std::string>& files, const TextOptions& text) {
  const auto is_compressed = [](const std::string& path) {
    return path.ends_with(".gz") || path.ends_with(".zst");
  };
  if (std::none_of(files.begin(), files.end(), is_compressed)) return total_file_bytes(files);
  int64_t bytes = 0;
  TextSource source(files, text);
  for (TextPiece piece; source.next(piece);) bytes += std::ssize(piece.text);
  return std::max<int64_t>(bytes, 1);
}

// Lines of the text, a share of them when there is too much. The newline is a piece by decree and
// is not learned.
class LineSample : public sentencepiece::SentenceIterator {
 public:
  LineSample(const std::vector<std::string>& files, const TextOptions& text,
             const SentencePieceOptions& options)
      : source_(files, text),
        options_(options),
        draw_(options.seed, hash_text("tokenizer sample")) {
    keep_frac_ =
        static_cast<double>(options.sample_bytes) / static_cast<double>(text_bytes(files, text));
    Next();
  }

  bool done() const override { return done_; }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

  void Next() override {
    do {
      done_ = sampled_bytes_ >= options_.sample_bytes || !next_line();
    } while (!done_ && (line_.empty() || draw_.uniform(lines_++) >= keep_frac_));
    if (!done_) sampled_bytes_ += std::ssize(line_);
  }

  int64_t sampled_bytes() const { return sampled_bytes_; }

 private:
  bool next_line() {
    while (at_ >= piece_.text.size()) {
      at_ = 0;
      if (!source_.next(piece_)) return false;
    }
    const std::string_view rest = std::string_view(piece_.text).substr(at_);
    const size_t newline = rest.find('\n');
    const std::string_view line = rest.substr(0, newline);
    const size_t length = character_boundary(line, kSentenceBytes);
    line_ = line.substr(0, length);
    at_ += length + (length == line.size() ? 1 : 0);
    return true;
  }

  TextSource source_;
  const SentencePieceOptions& options_;
  CounterRng draw_;
  double keep_frac_ = 1;
  TextPiece piece_;
  size_t at_ = 0;
  uint64_t lines_ = 0;
  std::string line_;
  int64_t sampled_bytes_ = 0;
  bool done_ = false;
};

std::unordered_map<std::string, std::string> trainer_settings(int32_t vocab_size) {
  return {{"model_type", "bpe"},
          {"vocab_size", std::to_string(vocab_size)},
          {"hard_vocab_limit", "false"},
          {"character_coverage", "0.9995"},
          // Lossless: what goes in comes out.
          {"normalization_rule_name", "identity"},
          {"remove_extra_whitespaces", "false"},
          {"allow_whitespace_only_pieces", "true"},
          {"byte_fallback", "true"},
          {"user_defined_symbols", "\n"},
          {"split_digits", "true"},
          // The whole sample, in order, by one thread: the same model every time.
          {"input_sentence_size", "0"},
          {"shuffle_input_sentence", "false"},
          {"num_threads", "1"},
          {"minloglevel", "2"}};
}

void write_file(const std::string& path, const std::string& content) {
  PendingFile pending(path);
  std::ofstream file(pending.temporary_path(), std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (!file) throw IoError(path + ": cannot be written; is the disk full?");
  pending.commit();
}

}  // namespace

SentencePieceSummary train_sentencepiece(const std::vector<std::string>& inputs,
                                         const TextOptions& text, const std::string& output,
                                         const SentencePieceOptions& options) {
  LineSample sample(expand_inputs(inputs), text, options);
  if (sample.done()) throw DataError(inputs.front() + ": holds no text to learn pieces from");
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      trainer_settings(options.vocab_size), &sample, &model);
  if (!status.ok()) {
    throw DataError(format(
        "{}: SentencePiece cannot learn {} pieces from {}: {}", inputs.front(), options.vocab_size,
        human_bytes(static_cast<double>(sample.sampled_bytes())), status.ToString()));
  }
  write_file(output, model);
  return {.vocab_size = sentencepiece_tokenizer(model, output)->vocab_size(),
          .sampled_bytes = sample.sampled_bytes()};
}

}  // namespace lckv::data
