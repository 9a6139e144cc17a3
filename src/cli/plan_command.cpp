#include <algorithm>

#include <fmt/core.h>

#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/output_name.h"
#include "lckv/config/load.h"
#include "lckv/model/flops.h"
#include "lckv/model/memory_report.h"
#include "lckv/model/plan_svg.h"
#include "lckv/tensor/cuda_runtime.h"
#include "lckv/train/communication.h"
#include "lckv/train/kernel_choice.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/run_scratch.h"

namespace lckv::cli {

namespace {

void print_flops(const model::Plan& plan, const model::Dims& d) {
  const model::PlanFlops executed = model::executed_flops(plan, d);
  const model::PlanFlops useful = model::useful_flops(d);
  const auto row = [](const char* what, const model::Flops& f) {
    fmt::print("  {:<10} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f}\n", what,
               f.projections / 1e6, f.attention / 1e6, f.mlp / 1e6, f.head / 1e6, f.total() / 1e6);
  };
  fmt::print("FLOPs per token, million (multiply-add = 2, causal attention counted exactly)\n");
  fmt::print("  {:<10} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "", "q,k,v,o", "attention", "MLP",
             "head", "total");
  row("forward", executed.forward);
  row("backward", executed.backward);
  fmt::print("  training {:.2f}; a plain Llama of this shape {:.2f}; ratio {:.2f}\n\n",
             executed.total() / 1e6, useful.total() / 1e6, executed.total() / useful.total());
}

void print_parameters(const model::ParameterTable& table,
                      const std::vector<model::LayerSpec>& layers, const model::Dims& d) {
  int64_t kv_layers = 0;
  for (const model::LayerSpec& layer : layers) kv_layers += layer.has_kv ? 1 : 0;
  fmt::print(
      "parameters {}; {} of {} layers have K,V: {} bytes of KV cache per token in bf16 (all "
      "layers: {})\n\n",
      with_thousands(table.element_count()), kv_layers, d.L,
      with_thousands(kv_layers * 2 * d.Ckv() * 2), with_thousands(d.L * 2 * d.Ckv() * 2));
}

/// A GPU also where there is none, when the run asks for one.
Device planned_device(const config::RunConfig& config) {
  const bool is_cuda =
      config.train.device == config::DeviceChoice::kCuda ||
      (config.train.device == config::DeviceChoice::kAuto && cuda::device_count() > 0);
  return {is_cuda ? DeviceKind::kCuda : DeviceKind::kCpu, 0};
}

/// Every rank holds and sends the same, vocabulary padding included.
void print_rank(const config::RunConfig& config, DType dtype, const comm::Communicators& ranks,
                int64_t micro_batches) {
  const Device device = planned_device(config);
  if (device.kind == DeviceKind::kCuda && cuda::device_count() > 0) {
    train::choose_attention(config, device);  // whose scratch memory is asked for
  }
  Arena memory = Arena::planning(device);
  const train::RunObjects planned(memory, config, dtype, ranks);
  fmt::print("memory{}, {} activations\n{}\n", ranks.grid.ranks() > 1 ? " of each rank" : "",
             name(dtype),
             model::to_text(
                 model::memory_report(memory, train::plan_run_scratch(planned, config, device))));
  fmt::print("communication per step\n{}",
             train::to_text(train::communication_per_step(planned.trainer, micro_batches)));
}

/// With a GPU for each rank.
bool may_take_nccl(const config::RunConfig& config, const comm::Grid& grid) {
  return planned_device(config).kind == DeviceKind::kCuda && grid.ranks() > 1 &&
         config.parallel.device_comm != config::DeviceComm::kMpi;
}

int planned_ranks(const PlanArgs& args, const config::ParallelConfig& parallel) {
  if (args.ranks > 0) return args.ranks;
  return static_cast<int>(parallel.tensor * std::max<int64_t>(1, parallel.data));
}

}  // namespace

ExitCode run_plan(const PlanArgs& args) {
  if (args.svg) require_output(*args.svg, "--svg");
  const config::RunConfig config = config::load_run(args.run.config, args.run.overrides);
  comm::Communicators ranks =
      train::planned_grid(config, planned_ranks(args, config.parallel), /*rank=*/0);
  ranks.over_nccl = may_take_nccl(config, ranks.grid);
  const std::vector<model::LayerSpec> layers = model::make_layer_specs(config.model);
  const train::MicroBatches micro = train::micro_batches(config.train, ranks.grid.dp);
  const model::Dims d = model::make_dims(config.model, micro.B, config.data.sequence_tokens);
  const model::Plan plan = model::build_plan(layers, static_cast<int>(config.model.forward_passes),
                                             static_cast<int>(config.model.backward_passes));
  if (args.svg) checkpoint::write_file_atomically(*args.svg, model::draw_svg(plan));
  fmt::print("{}\n", model::draw(plan));
  print_parameters(model::make_parameter_table(config.model), layers, d);
  print_flops(plan, d);
  fmt::print("grid: {} ranks, {}{}\n", ranks.grid.ranks(), to_string(ranks.grid),
             config.parallel.sequence && ranks.grid.tp > 1 ? ", sequence parallel" : "");
  fmt::print(
      "step: {} sequences of {} tokens{} in {} micro-batches of {}; {} steps = {} tokens\n\n",
      config.train.sequences_per_step, d.T,
      ranks.grid.dp > 1 ? format(", each copy {}", config.train.sequences_per_step / ranks.grid.dp)
                        : "",
      micro.per_step, micro.B, config.train.steps,
      with_thousands(config.train.steps * config.train.sequences_per_step * d.T));
  print_rank(config, train::resolve_precision(config.train.precision, planned_device(config)),
             ranks, micro.per_step);
  return ExitCode::kOk;
}

}  // namespace lckv::cli
