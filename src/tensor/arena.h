#pragma once

#include <string>
#include <vector>

#include "lckv/tensor/buffer.h"

namespace lckv {

/// Hands out named pieces of one planned allocation.
///
/// The same code that takes the pieces also plans them: run it once on a planning arena, whose
/// views have shapes but no memory, then on a real one made from what was recorded. Plan and use
/// cannot disagree:
///
///   Arena planned = Arena::planning(device);      Activations(planned, ...);
///   Arena real = Arena::allocate(planned);        Activations activations(real, ...);
class Arena {
 public:
  struct Piece {
    std::string kind;  // what the memory report groups by: "weights", "activations", ...
    std::string name;
    int64_t bytes = 0;  // padding included
  };

  static Arena planning(Device device = {});
  /// Allocates exactly what `plan` recorded. Throws as Buffer does.
  static Arena allocate(const Arena& plan);
  /// The same in host memory that `device` copies to and from beside its work; the plan is the
  /// host's.
  static Arena allocate_staging(const Arena& plan, Device device);

  /// The next piece, 64-byte aligned, zero at first. On a real arena the pieces must be asked for
  /// in the planned order with the planned sizes; anything else throws InternalError.
  View take(const std::string& kind, const std::string& name, DType dtype, const Shape& shape);

  bool is_planning() const { return planning_; }
  Device device() const { return device_; }
  int64_t bytes() const { return bytes_; }
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  Arena() = default;

  bool planning_ = true;
  Device device_;
  int64_t bytes_ = 0;
  size_t next_ = 0;
  int64_t offset_bytes_ = 0;
  std::vector<Piece> pieces_;
  Buffer buffer_;
};

}  // namespace lckv
