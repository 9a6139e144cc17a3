#include <algorithm>
#include <cstdio>

#include "lckv/base/clock.h"
#include "lckv/base/log.h"
#include "lckv/base/process.h"
#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/output_name.h"
#include "lckv/data/tokenize.h"
#include "lckv/data/train_sentencepiece.h"

namespace lckv::cli {

namespace {

data::TextOptions text_options(const TokenizeArgs& args) {
  data::TextOptions options;
  options.json_field = args.field;
  if (args.documents == "lines") {
    options.txt_documents = data::TxtDocuments::kLines;
  }
  return options;
}

std::shared_ptr<const data::Tokenizer> tokenizer_for(const TokenizeArgs& args) {
  if (args.train_sentencepiece == 0) {
    if (args.tokenizer.empty())
      throw Error("tokenize: --tokenizer is missing: bytes, a .model or a tokenizer.json file",
                  ExitCode::kUsage);
    return data::load_tokenizer(args.tokenizer);
  }
  if (!args.tokenizer.ends_with(".model")) {
    throw ConfigError(format(
        "--train-sentencepiece writes the file named by --tokenizer; '{}' does not end in .model",
        args.tokenizer));
  }
  data::SentencePieceOptions options;
  options.vocab_size = static_cast<int32_t>(args.train_sentencepiece);
  options.seed = args.seed;
  const Stopwatch watch;
  const auto trained =
      data::train_sentencepiece(args.inputs, text_options(args), args.tokenizer, options);
  log_info(format("trained {}: {} pieces from {} of text in {}", args.tokenizer, trained.vocab_size,
                  human_bytes(double(trained.sampled_bytes)), human_duration(watch.elapsed_s())));
  return data::load_tokenizer(args.tokenizer);
}

/// " 42% [########............] 12.3 MiB/s 3 456 789 tokens", written over itself; nothing when
/// nobody watches.
class TokenizeBar {
 public:
  void show(const data::TokenizeProgress& progress) {
    if (!watched_ || since_last_.elapsed_s() < 0.1) return;
    since_last_.restart();
    constexpr int kWidth = 30;
    const double done =
        progress.total_bytes > 0
            ? std::min(1.0, double(progress.bytes_read) / double(progress.total_bytes))
            : 0;
    const auto filled = static_cast<size_t>(done * kWidth);
    std::fprintf(stderr, "\r\033[K%3.0f%% [%s%s]  %s/s  %s tokens", 100 * done,
                 std::string(filled, '#').c_str(), std::string(kWidth - filled, '.').c_str(),
                 human_bytes(double(progress.bytes_read) / total_.elapsed_s()).c_str(),
                 with_thousands(progress.tokens).c_str());
    open_ = true;
  }
  ~TokenizeBar() {
    if (open_) std::fputs("\n", stderr);
  }

 private:
  bool watched_ = stderr_is_watched();
  bool open_ = false;
  Stopwatch since_last_, total_;
};

}  // namespace

ExitCode run_tokenize(const TokenizeArgs& args) {
  require_output(args.output);
  data::require_own_outputs(args.inputs, args.output, args.validation_output);
  const auto tokenizer = tokenizer_for(args);
  data::TokenizeOptions options;
  options.text = text_options(args);
  options.threads = args.threads > 0 ? args.threads : usable_cores();
  if (args.no_bos) options.bos = false;
  options.eos = args.eos;
  options.validation_frac = args.validation_frac;
  options.validation_output = args.validation_output;
  options.seed = args.seed;
  data::TokenizeSummary summary;
  {
    TokenizeBar bar;
    summary = data::tokenize(
        args.inputs, *tokenizer, args.output, options,
        [&](const auto& progress) { bar.show(progress); }, &stop_requested());
  }
  log_info(format(
      "{}: {} tokens in {} documents from {} files ({} of text, {:.2f} bytes per token) in {}",
      args.output, with_thousands(summary.tokens), with_thousands(summary.documents), summary.files,
      human_bytes(double(summary.text_bytes)),
      double(summary.text_bytes) /
          double(std::max<int64_t>(1, summary.tokens + summary.validation_tokens)),
      human_duration(summary.elapsed_s)));
  if (summary.validation_documents > 0) {
    log_info(format("{}: {} tokens in {} documents", args.validation_output,
                    with_thousands(summary.validation_tokens),
                    with_thousands(summary.validation_documents)));
  }
  return ExitCode::kOk;
}

}  // namespace lckv::cli
