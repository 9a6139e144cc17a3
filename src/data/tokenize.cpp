#include "lckv/data/tokenize.h"

#include <filesystem>

#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/process.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/data/ordered_work.h"
#include "lckv/data/token_store.h"

namespace lckv::data {

namespace {

constexpr int64_t kSmallBatchBytes = 64 << 10;  // short documents travel together

// Pieces on their way through the pipeline: text first, ids after encoding.
struct Parcel {
  std::vector<TextPiece> pieces;
  std::vector<std::vector<int32_t>> ids;
  int64_t bytes_read = 0;
};

class Maker {
 public:
  Maker(const std::vector<std::string>& files, const TextOptions& text,
        const std::atomic<bool>* stop)
      : source_(files, text), stop_(stop) {}

  std::optional<Parcel> operator()() {
    Parcel parcel;
    int64_t bytes = 0;
    TextPiece piece;
    while (bytes < kSmallBatchBytes && !stopped() && source_.next(piece)) {
      bytes += std::ssize(piece.text) + 1;
      parcel.pieces.push_back(std::move(piece));
    }
    parcel.bytes_read = source_.position_bytes();
    return parcel.pieces.empty() ? std::nullopt : std::optional(std::move(parcel));
  }

 private:
  bool stopped() const { return stop_ != nullptr && stop_->load(); }

  TextSource source_;
  const std::atomic<bool>* stop_;
};

void encode(const Tokenizer& tokenizer, bool bos, bool eos, Parcel& parcel) {
  for (TextPiece& piece : parcel.pieces) {
    auto ids = piece.begins_document ? tokenizer.encode(piece.text)
                                     : tokenizer.encode_after_newline(piece.text);
    if (bos && piece.begins_document) ids.insert(ids.begin(), *tokenizer.bos_id());
    if (eos && piece.ends_document) ids.push_back(*tokenizer.eos_id());
    parcel.ids.push_back(std::move(ids));
  }
}

// Sends documents to the training or the validation store.
class Splitter {
 public:
  Splitter(const Tokenizer& tokenizer, const std::string& output, const TokenizeOptions& options)
      : output_(output, tokenizer),
        frac_(options.validation_frac),
        draw_(options.seed, hash_text("validation documents")) {
    if (frac_ > 0) validation_.emplace(options.validation_output, tokenizer);
  }

  void append(const TextPiece& piece, std::span<const int32_t> ids) {
    if (piece.begins_document) {
      const bool to_validation = validation_ && draw_.uniform(documents_++) < frac_;
      current_ = to_validation ? &*validation_ : &output_;
      current_->begin_document();
    }
    current_->append(ids);
  }

  void commit(TokenizeSummary& summary) {
    summary.documents = output_.document_count();
    summary.tokens = output_.token_count();
    if (validation_) {
      summary.validation_documents = validation_->document_count();
      summary.validation_tokens = validation_->token_count();
      if (summary.validation_tokens == 0 || summary.tokens == 0) {
        throw DataError(
            format("validation_frac {} puts {} documents into the training store and {} into the "
                   "validation "
                   "store; both need some",
                   frac_, summary.documents, summary.validation_documents));
      }
    }
    commit_together();
  }

  int64_t token_count() const {
    return output_.token_count() + (validation_ ? validation_->token_count() : 0);
  }

 private:
  /// Whatever can fail is done before the first rename.
  void commit_together() {
    if (validation_) validation_->finish();
    output_.finish();
    if (validation_) validation_->publish();
    output_.publish();
    if (validation_) validation_->settle();
    output_.settle();
  }

  TokenStoreWriter output_;
  std::optional<TokenStoreWriter> validation_;
  double frac_;
  CounterRng draw_;
  uint64_t documents_ = 0;
  TokenStoreWriter* current_ = nullptr;
};

void require_sound(const TokenizeOptions& o, const Tokenizer& tokenizer) {
  if (o.threads < 0) throw ConfigError(format("threads is {}, expected 0 or more", o.threads));
  if (o.queue_pieces < 1)
    throw ConfigError(format("queue_pieces is {}, expected 1 or more", o.queue_pieces));
  if (o.bos.value_or(false) && !tokenizer.bos_id())
    throw ConfigError("bos: the tokenizer has no BOS token");
  if (o.eos && !tokenizer.eos_id()) throw ConfigError("eos: the tokenizer has no EOS token");
  if (!(o.validation_frac >= 0 && o.validation_frac < 1)) {
    throw ConfigError(
        format("validation_frac is {}, expected a number from 0 to below 1", o.validation_frac));
  }
  if ((o.validation_frac > 0) != !o.validation_output.empty()) {
    throw ConfigError("validation_frac and validation_output need each other");
  }
}

/// Also by links and by other spellings; neither need exist.
bool is_same_file(const std::string& a, const std::string& b) {
  namespace fs = std::filesystem;
  std::error_code missing;
  if (fs::equivalent(a, b, missing)) return true;
  return fs::weakly_canonical(fs::absolute(a)) == fs::weakly_canonical(fs::absolute(b));
}

void require_not_among(const std::vector<std::string>& files, const std::string& output) {
  for (const std::string& file : files) {
    if (is_same_file(file, output)) {
      throw ConfigError(format("{}: this output is also an input, {}", output, file));
    }
  }
}

void require_own_files(const std::vector<std::string>& files, const std::string& output,
                       const std::string& validation_output) {
  require_not_among(files, output);
  if (validation_output.empty()) return;
  require_not_among(files, validation_output);
  if (is_same_file(output, validation_output)) {
    throw ConfigError(format("{}: named as training and as validation store", validation_output));
  }
}

}  // namespace

void require_own_outputs(const std::vector<std::string>& inputs, const std::string& output,
                         const std::string& validation_output) {
  require_own_files(expand_inputs(inputs), output, validation_output);
}

TokenizeSummary tokenize(const std::vector<std::string>& inputs, const Tokenizer& tokenizer,
                         const std::string& output, const TokenizeOptions& options,
                         const TokenizeCallback& progress, const std::atomic<bool>* stop) {
  require_sound(options, tokenizer);
  const Stopwatch clock;
  const std::vector<std::string> files = expand_inputs(inputs);
  require_own_files(files, output, options.validation_output);
  const bool bos = options.bos.value_or(tokenizer.bos_id().has_value());
  TextOptions text = options.text;
  if (!tokenizer.can_split_at_newline()) text.piece_bytes = 0;

  TokenizeSummary summary{.files = std::ssize(files)};
  TokenizeProgress done{.total_bytes = total_file_bytes(files)};
  Splitter splitter(tokenizer, output, options);
  Maker maker(files, text, stop);
  OrderedWork<Parcel> pipeline(
      options.threads > 0 ? options.threads : usable_cores(), options.queue_pieces,
      [&] { return maker(); },
      [&, bos](Parcel& parcel) { encode(tokenizer, bos, options.eos, parcel); });
  while (const auto parcel = pipeline.next()) {
    for (size_t i = 0; i < parcel->pieces.size(); ++i) {
      summary.text_bytes += std::ssize(parcel->pieces[i].text);
      splitter.append(parcel->pieces[i], parcel->ids[i]);
    }
    done.bytes_read = parcel->bytes_read;
    done.tokens = splitter.token_count();
    if (progress) progress(done);
    if (stop != nullptr && stop->load()) break;
  }
  if (stop != nullptr && stop->load()) throw Interrupted(output + ": not written, interrupted");
  splitter.commit(summary);
  summary.elapsed_s = clock.elapsed_s();
  return summary;
}

}  // namespace lckv::data
