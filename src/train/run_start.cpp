#include "lckv/train/run_start.h"

#include "lckv/base/activity.h"
#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/data/token_store.h"
#include "lckv/model/init.h"
#include "lckv/train/exchange.h"
#include "lckv/train/run_resume.h"

namespace lckv::train {

namespace {

std::string describe(const config::ModelConfig& model, const Trainer& trainer) {
  if (model::is_plain_llama(trainer.network().plan().layers)) return "plain Llama";
  return format("layer_types {}, m = {}, b = {}", model.layer_types, model.forward_passes,
                model.backward_passes);
}

void introduce(const config::RunConfig& config, const Trainer& trainer, const RunRecord& now) {
  const comm::Grid& grid = trainer.ranks().grid;
  const std::string ranks =
      grid.ranks() > 1 ? format("{} ranks ({}) of ", grid.ranks(), to_string(grid)) : "";
  log_info(format("{} on {}{} threads, {}; {} parameters; {}", now.backend, ranks, now.threads,
                  now.precision, with_thousands(trainer.weights().table().element_count()),
                  describe(config.model, trainer)));
  if (config.checkpoint.every_steps > 0) return;
  log_info(
      "checkpoint.every_steps is 0: a state is saved at the end and when the run is stopped; a "
      "kill loses all since the last one");
}

void throw_if(const std::atomic<bool>& stop) {
  note_progress();
  if (stop) throw Interrupted("stopped while the weights were set");
}

void require_tokenizer(const config::RunConfig& config) {
  const std::string spec = hf_tokenizer_spec(config.train.init_from);
  if (spec.empty()) return;
  const std::string sha256 = data::load_tokenizer(spec)->sha256();
  for (const std::string& store : config.data.train) {
    data::TokenStore(store).require_tokenizer(sha256, config.train.init_from);
  }
}

void start_from_folder(const config::RunConfig& config, Trainer& trainer, Stream& stream,
                       const std::atomic<bool>& stop) {
  require_tokenizer(config);
  const WeightReader reader(config.train.init_from, config.model,
                            config.train.init_kv == "average" ? KvInit::kAverage : KvInit::kCopy);
  trainer.set_weights(stream, [&](const model::Parameter& parameter, View local) {
    throw_if(stop);
    reader.read(parameter, local);
  });
  log_info(format("weights from {}", config.train.init_from));
}

void start_from_seed(const config::RunConfig& config, Trainer& trainer, Stream& stream,
                     const std::atomic<bool>& stop) {
  trainer.set_weights(stream, [&](const model::Parameter& parameter, View local) {
    throw_if(stop);
    model::initialize(parameter, local, config.model, config.train.seed);
  });
}

}  // namespace

RunPosition start_or_continue(comm::World& world, const config::RunConfig& config, Trainer& trainer,
                              Stream& stream, const RunRecord& now, const std::atomic<bool>& stop) {
  introduce(config, trainer, now);
  RunPosition position;
  if (const auto resumed = resume_run(config.output, trainer, stream, now, stop)) {
    position = *resumed;
    log_info(format("continuing after step {} of {}", position.step, config.train.steps));
  } else {
    comm::together(world, [&] {
      if (config.train.init_from.empty()) {
        start_from_seed(config, trainer, stream, stop);
      } else {
        start_from_folder(config, trainer, stream, stop);
      }
    });
  }
  const std::string hash =
      format("{:016x}", model::content_hash(stream, trainer.weights(), *trainer.ranks().tp));
  comm::require_equal_texts(world, "weights", hash);
  log_info(format("weights at step {}: hash {}", position.step, hash));
  return position;
}

}  // namespace lckv::train
