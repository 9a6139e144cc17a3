#include "lckv/doctor/build.h"

#include "lckv/base/build_facts.h"
#include "lckv/base/text.h"
#include "lckv/base/version.h"
#include "lckv/kernels/library_versions.h"

namespace lckv::doctor {

namespace {

constexpr auto kOptimise = "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && ninja -C build";

Finding judge_type(const BuildFacts& build) {
  if (!build.sanitizers.empty()) {
    return warn("build", "type", format("{}, sanitizers {}: slow", build.type, build.sanitizers),
                kOptimise);
  }
  if (build.type == "Release" || build.type == "RelWithDebInfo") {
    return ok("build", "type", build.type);
  }
  return warn("build", "type", format("{}: not optimised", build.type), kOptimise);
}

}  // namespace

std::vector<Finding> judge_build() {
  const BuildFacts build = build_facts();
  const std::string cuda = ops::cuda_toolkit_version();
  return {ok("build", "lckv", program_version()), judge_type(build),
          ok("build", "compiler", build.compiler),
          ok("build", "CUDA", cuda.empty() ? "built without" : cuda)};
}

}  // namespace lckv::doctor
