#include "lckv/cli/command_options.h"

namespace lckv::cli {

namespace {

void add_documents(CLI::App& command, TokenizeArgs& args) {
  command.option_defaults()->group("Documents");
  command.add_option("--field", args.field, "Field of JSONL documents that holds the text")
      ->capture_default_str();
  command.add_option("--documents", args.documents, "A .txt file is one document, or one per line")
      ->check(CLI::IsMember({"file", "lines"}))
      ->capture_default_str();
  command.add_flag("--no-bos", args.no_bos, "No BOS in front of documents");
  command.add_flag("--eos", args.eos, "EOS after documents");
  command.option_defaults()->group("Validation");
  command
      .add_option("--validation-frac", args.validation_frac,
                  "Part of the documents for a second store")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--validation-output", args.validation_output, "That store");
  command.add_option("--seed", args.seed, "Of that draw")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

void add_tokenize(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<TokenizeArgs>();
  CLI::App* command = app.add_subcommand("tokenize", "Text to a token store (.h5)");
  command->group(kDataCommands);
  command
      ->add_option("inputs", args->inputs, "Files (.txt, .jsonl, also .gz, .zst), folders, globs")
      ->required();
  command->add_option("-o,--output", args->output, "Token store to write")->required();
  command->add_option("--tokenizer", args->tokenizer,
                      "bytes, a SentencePiece .model, a Hugging Face tokenizer.json, a folder with "
                      "one of these, or a token store whose tokenizer is taken; "
                      "with --train-sentencepiece the .model to write");
  command
      ->add_option("--train-sentencepiece", args->train_sentencepiece,
                   "Train a tokenizer of this vocabulary first")
      ->check(CLI::Range(int64_t{64}, int64_t{1} << 20));
  add_documents(*command, *args);
  command->option_defaults()->group("Machine");
  command->add_option("--threads", args->threads, "0: every core")
      ->check(CLI::Range(0, kMaxThreads))
      ->capture_default_str();
  add_examples(
      *command,
      {{"lckv tokenize books/ -o train.h5 --tokenizer bytes",
        "every text of a folder, a token for each byte"},
       {"lckv tokenize a.jsonl.zst -o train.h5 --tokenizer tok.model --train-sentencepiece 32000",
        "trains a tokenizer first, and writes it"},
       {"lckv tokenize b.jsonl -o validation.h5 --tokenizer train.h5",
        "with the tokenizer of another store"},
       {"lckv tokenize a.txt --documents lines -o train.h5 --tokenizer bytes --validation-frac "
        "0.01 --validation-output validation.h5",
        "a hundredth of the documents held out"}},
      "4 a text is broken: the file and the place are named; 130 interrupted, nothing is left.");
  command->callback([args, &chosen] { chosen = polling(alone("tokenize", args, run_tokenize)); });
}

}  // namespace lckv::cli
