#include "lckv/tensor/shared_library.h"

#include <cstdlib>

#include <dlfcn.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv {

namespace {

std::vector<std::string> folders() {
  std::vector<std::string> found;
  const char* const given = std::getenv("LCKV_CUDA_PATH");
  for (const std::string& folder : split(given == nullptr ? "" : given, ':')) {
    if (!folder.empty()) found.push_back(folder + "/");
  }
  for (const char* const other : {"", "/usr/local/cuda/lib64/", "/usr/local/cuda/lib/"}) {
    found.emplace_back(other);
  }
  return found;
}

}  // namespace

SharedLibrary::SharedLibrary(const std::vector<std::string>& names) {
  std::string tried;
  for (const std::string& folder : folders()) {
    for (const std::string& name : names) {
      name_ = folder + name;
      handle_ = dlopen(name_.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle_ != nullptr) return;
      tried += format("\n  {}", dlerror());
    }
  }
  throw CudaError(
      format("cannot load {}; name its folder in LCKV_CUDA_PATH:{}", names.front(), tried));
}

void* SharedLibrary::symbol(const char* name) const {
  void* const found = dlsym(handle_, name);
  if (found == nullptr) throw CudaError(format("{} has no {}", name_, name));
  return found;
}

}  // namespace lckv
