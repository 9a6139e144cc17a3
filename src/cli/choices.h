#pragma once

#include <string>

#include "lckv/config/train.h"

namespace lckv::cli {

/// Of the options --device and --precision, whose values the parser has checked.
config::DeviceChoice device_named(const std::string& name);
config::Precision precision_named(const std::string& name);

}  // namespace lckv::cli
