#include "lckv/infer/row_threads.h"

#include <exception>
#include <thread>
#include <vector>

namespace lckv::infer {

void for_each_row(size_t count, size_t threads, const std::function<void(size_t, size_t)>& work) {
  std::vector<std::exception_ptr> failures(count);
  const auto run = [&](size_t thread) {
    for (size_t row = thread; row < count; row += threads) {
      try {
        work(row, thread);
      } catch (...) {
        failures[row] = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (size_t thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
    run(0);
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace lckv::infer
