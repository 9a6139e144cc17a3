// Planted fault: a declaration smuggled past the include check, of a function that lives in module
// config.
#include <string>
#include <vector>

namespace lckv::config {
struct LayerType;
std::vector<LayerType> parse_layer_types(const std::string& text, int layers);
}  // namespace lckv::config

namespace lckv {
using ParseFunction = std::vector<config::LayerType> (*)(const std::string&, int);
ParseFunction upward_call() { return &config::parse_layer_types; }
}  // namespace lckv
