#include "lckv/data/hdf5_handle.h"

namespace lckv::data {

namespace {

std::recursive_mutex& hdf5_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

herr_t keep_first(unsigned /*depth*/, const H5E_error2_t* entry, void* reason) {
  auto* text = static_cast<std::string*>(reason);
  if (text->empty() && entry->desc != nullptr) *text = entry->desc;
  return 0;
}

}  // namespace

Hdf5Lock::Hdf5Lock() : guard_(hdf5_mutex()) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // the stack belongs to the thread
}

Hdf5Handle& Hdf5Handle::operator=(Hdf5Handle&& other) noexcept {
  if (this != &other) {
    reset();
    id_ = std::exchange(other.id_, H5I_INVALID_HID);
  }
  return *this;
}

bool Hdf5Handle::reset() {
  if (id_ < 0) return true;
  const Hdf5Lock lock;
  return H5Idec_ref(std::exchange(id_, H5I_INVALID_HID)) >= 0;
}

std::string hdf5_reason() {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
  return reason.empty() ? "no reason given" : reason;
}

}  // namespace lckv::data
