#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/train/bench_ops.h"

namespace lckv::train {

namespace {

using Json = nlohmann::ordered_json;

/// 13000: "13.0"
std::string cuda_version(int version) {
  return format("{}.{}", version / 1000, version % 1000 / 10);
}

/// "NVIDIA H200 (driver for CUDA 13.0, runtime 13.0)" or "cpu avx512, 2 threads"
std::string machine_text(const BenchOpsResult& r) {
  if (r.gpu.empty()) return format("{}, {} threads", r.backend, r.threads);
  return format("{} (driver for CUDA {}, runtime {})", r.gpu, cuda_version(r.driver),
                cuda_version(r.runtime));
}

std::string dims_text(const model::Dims& d) {
  return format("{} x {} tokens; C {}, F {}, V {}, {}/{} heads of {}", d.B, d.T, d.C, d.F, d.V,
                d.Hq, d.Hkv, d.D);
}

/// "gate, up: 16384 x 2048 -> 11264"
std::string what_text(const OpRate& rate) {
  return rate.part.empty() ? rate.shape : rate.part + ": " + rate.shape;
}

/// "12 B", "1.23 GB"
std::string counted(double count, const char* unit) {
  return human_count(count) + (count < 1000 ? " " : "") + unit;
}

/// "   1.23 GB     567.8 GB/s", or the same in FLOP.
std::string rate_text(const OpRate& rate) {
  const bool has_flops = rate.flops > 0;
  return format(
      "{:>13} {:>14}",
      has_flops ? counted(rate.flops, "FLOP") : counted(double(rate.moved_bytes), "B"),
      has_flops ? counted(rate.flops_per_s(), "FLOP/s") : counted(rate.bytes_per_s(), "B/s"));
}

Json to_json(const model::Dims& d) {
  return {{"B", d.B}, {"T", d.T},   {"V", d.V},     {"C", d.C},
          {"F", d.F}, {"Hq", d.Hq}, {"Hkv", d.Hkv}, {"D", d.D}};
}

Json to_json(const OpRate& rate, double share) {
  return {{"op", rate.op},
          {"part", rate.part},
          {"shape", rate.shape},
          {"bytes", rate.moved_bytes},
          {"flops", rate.flops},
          {"sets", rate.sets},
          {"runs", rate.runs},
          {"median_s", rate.median_s},
          {"min_s", rate.min_s},
          {"bytes_per_s", rate.bytes_per_s()},
          {"flops_per_s", rate.flops_per_s()},
          {"limit", rate.flops > 0 ? "product" : "copy"},
          {"share", share}};
}

}  // namespace

std::string to_text(const BenchOpsResult& r) {
  const std::string_view dtype = name(r.settings.dtype);
  std::string text = format(
      "{}, {}; {}\n"
      "ceilings: copy {}B/s (read and written, {}); {} product {}FLOP/s ({} x {})\n"
      "bytes: each input read once, each output written once; share: of the one ceiling\n"
      "{:<31} {:<44} {:>11} {:>11} {:>13} {:>14} {:>7}\n",
      machine_text(r), dtype, dims_text(r.settings.dims), human_count(r.copy_bytes_per_s),
      human_bytes(double(r.settings.copy_bytes)), dtype, human_count(r.product_flops_per_s),
      r.settings.product_rows, r.settings.product_rows, "op", "shape", "median us", "min us",
      "work", "rate", "share");
  for (const OpRate& rate : r.rates) {
    text += format("{:<31} {:<44} {:>11.2f} {:>11.2f} {} {:>5.1f} %\n", rate.op, what_text(rate),
                   rate.median_s * 1e6, rate.min_s * 1e6, rate_text(rate), 100 * r.share(rate));
  }
  return text;
}

std::string to_json(const BenchOpsResult& r) {
  Json ops = Json::array();
  for (const OpRate& rate : r.rates) ops.push_back(to_json(rate, r.share(rate)));
  const Json json = {{"device", name(r.settings.device)},
                     {"gpu", r.gpu},
                     {"cuda_driver", r.driver},
                     {"cuda_runtime", r.runtime},
                     {"backend", r.backend},
                     {"threads", r.threads},
                     {"precision", name(r.settings.dtype)},
                     {"dims", to_json(r.settings.dims)},
                     {"copy_bytes", r.settings.copy_bytes},
                     {"copy_bytes_per_s", r.copy_bytes_per_s},
                     {"product_rows", r.settings.product_rows},
                     {"product_flops_per_s", r.product_flops_per_s},
                     {"ops", ops}};
  return json.dump(2) + "\n";
}

}  // namespace lckv::train
