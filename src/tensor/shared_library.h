#pragma once

#include <string>
#include <vector>

namespace lckv {

/// A library that is looked for when it is first needed, not when the program starts: the same
/// binary runs where it is not installed.
class SharedLibrary {
 public:
  /// The first of `names` that loads: in the folders of LCKV_CUDA_PATH (colon-separated), as the
  /// loader finds it, in those of the CUDA toolkit. Throws CudaError with what each try said.
  explicit SharedLibrary(const std::vector<std::string>& names);

  /// Throws CudaError when the library has no such function.
  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }
  const std::string& name() const { return name_; }

 private:
  void* symbol(const char* name) const;

  std::string name_;
  void* handle_ = nullptr;  // never closed
};

}  // namespace lckv
