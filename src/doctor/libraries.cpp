#include "lckv/doctor/libraries.h"

#include "lckv/config/library_versions.h"
#include "lckv/data/library_versions.h"
#include "lckv/kernels/library_versions.h"

namespace lckv::doctor {

std::vector<Finding> judge_libraries() {
  std::vector<Finding> findings = {ok("libraries", "oneDNN", ops::onednn_version()),
                                   ok("libraries", "yaml-cpp", config::yaml_cpp_version())};
  for (const data::LibraryVersion& found : data::library_versions()) {
    findings.push_back(ok("libraries", found.library, found.version));
  }
  return findings;
}

}  // namespace lckv::doctor
