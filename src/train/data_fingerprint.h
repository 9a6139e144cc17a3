#pragma once

#include <string>
#include <vector>

namespace lckv::train {

/// Names the tokens of stores, "<tokens>:<content hash>" of each: a run is continued on the very
/// same ones, whatever lies at their paths by then.
std::string data_fingerprint(const std::vector<std::string>& stores);

}  // namespace lckv::train
