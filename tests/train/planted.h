#pragma once

#include "lckv/tensor/view.h"

namespace lckv::test {

/// One element made NaN or infinite for the life of the object.
class Planted {
 public:
  Planted(const View& flat, int64_t index, double value)
      : element_(flat.slice(0, index, index + 1)) {
    with_float_type(flat.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      T& element = *element_.data<T>();
      saved_ = static_cast<double>(static_cast<AccumulatorOf<T>>(element));
      element = static_cast<T>(static_cast<AccumulatorOf<T>>(value));
    });
  }
  ~Planted() {
    with_float_type(element_.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      *element_.data<T>() = static_cast<T>(static_cast<AccumulatorOf<T>>(saved_));
    });
  }
  Planted(const Planted&) = delete;
  Planted& operator=(const Planted&) = delete;

 private:
  View element_;
  double saved_ = 0;
};

}  // namespace lckv::test
