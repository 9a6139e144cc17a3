#include "lckv/base/process_age.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "lckv/base/clock.h"

namespace lckv {
namespace {

const Stopwatch since_initialised;

constexpr double kResolution_s = 0.01;  // of the kernel's account

TEST(ProcessAge, CountsFromBeforeTheFirstInstruction) {
  EXPECT_GE(process_age_s(), since_initialised.elapsed_s() - kResolution_s);
  EXPECT_LT(process_age_s(), since_initialised.elapsed_s() + 60);  // loading took no minute
}

TEST(ProcessAge, GrowsAsTheClockDoes) {
  const Stopwatch watch;
  const double before = process_age_s();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const double grown_s = process_age_s() - before;
  EXPECT_GE(grown_s, 0.03);
  EXPECT_LE(grown_s, watch.elapsed_s() + 1e-3);
}

}  // namespace
}  // namespace lckv
