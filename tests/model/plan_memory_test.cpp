#include "lckv/model/plan_memory.h"

#include <gtest/gtest.h>

#include "lckv/test_support/random_layout.h"
#include "memory_replay.h"

namespace lckv::model {
namespace {

using config::Recompute;

constexpr uint64_t kSeed = 20240524;
constexpr Recompute kLevels[] = {Recompute::kNone, Recompute::kCheap, Recompute::kBlock};

/// Plan number `number`, with the switches of its low bits.
Plan random_plan(uint64_t number) {
  const test::RandomLayout layout = test::random_layout(kSeed, number, 9, 4, 3);
  PlanOptions options;
  options.training = number % 5 != 0;
  options.drop_unread = number % 3 != 0;
  options.skip_zero_attention = number % 7 != 0;
  options.reuse_queries = number % 4 != 0;
  options.merge_query_gradients = number % 2 != 0;
  return build_plan(make_layer_specs(layout.layer_types, layout.layers, 16, layout.force_nodiag),
                    layout.m, layout.b, options);
}

TEST(PlanMemory, EveryStepFindsWhatItReads) {
  for (uint64_t number = 0; number < 10000; ++number) {
    const Plan plan = random_plan(number);
    const PlanMemory memory = plan_memory(plan, kLevels[number % 3], number % 2 == 0);
    ASSERT_EQ(MemoryReplay(plan, memory).complaint(), "") << "plan " << number << "\n"
                                                          << draw(plan);
  }
}

TEST(PlanMemory, NoTwoLiveValuesShareASlot) {
  for (uint64_t number = 0; number < 2000; ++number) {
    const Plan plan = random_plan(number);
    for (const Recompute level : kLevels) {
      ASSERT_EQ(shared_slot(plan_memory(plan, level, number % 2 == 0)), "") << "plan " << number;
    }
  }
}

TEST(PlanMemory, CountsItsSlots) {
  for (uint64_t number = 0; number < 500; ++number) {
    const PlanMemory memory = plan_memory(random_plan(number), kLevels[number % 3], true);
    std::vector<int> used(static_cast<size_t>(ValueKind::kCount), 0);
    for (const Value& value : memory.values) {
      ASSERT_GE(value.slot, 0);
      int& slots = used[static_cast<size_t>(value.kind)];
      slots = std::max(slots, value.slot + 1);
    }
    ASSERT_EQ(used, memory.slots);
  }
}

TEST(PlanMemory, RecomputingMoreKeepsLess) {
  const Plan plan = build_plan(make_layer_specs("0_4_4_4_4_5", 6, 16, false), 3, 2);
  const auto slots = [&](Recompute level, ValueKind kind) {
    return plan_memory(plan, level, true).slots[static_cast<size_t>(kind)];
  };
  EXPECT_EQ(slots(Recompute::kNone, ValueKind::kAct), 9);  // one for each block with gradient
  EXPECT_EQ(slots(Recompute::kCheap, ValueKind::kAct), 1);
  EXPECT_EQ(slots(Recompute::kCheap, ValueKind::kGateUp), 9);
  EXPECT_EQ(slots(Recompute::kBlock, ValueKind::kGateUp), 1);
}

TEST(PlanMemory, PassesWithoutGradientKeepOnlyKeysAndValues) {
  const auto slots = [](int m) {
    return plan_memory(build_plan(make_layer_specs("3_3_3_3", 4, 16, false), m, 2),
                       Recompute::kNone, false)
        .slots;
  };
  EXPECT_EQ(slots(2), slots(40));
}

const Plan& condensed() {
  static const Plan plan = build_plan(make_layer_specs("0_3_3_3_4", 5, 16, false), 2, 2);
  return plan;
}

TEST(MemoryReplay, NoticesALifeThatEndsEarlyOrBeginsLate) {
  for (const Recompute level : kLevels) {
    const PlanMemory memory = plan_memory(condensed(), level, false);
    ASSERT_EQ(MemoryReplay(condensed(), memory).complaint(), "");
    for (size_t v = 0; v < memory.values.size(); ++v) {
      if (memory.values[v].dies == memory.values[v].born) continue;
      PlanMemory early = memory;
      --early.values[v].dies;
      EXPECT_NE(MemoryReplay(condensed(), early).complaint(), "") << "value " << v;
      PlanMemory late = memory;
      ++late.values[v].born;
      EXPECT_NE(MemoryReplay(condensed(), late).complaint(), "") << "value " << v;
    }
  }
}

TEST(MemoryReplay, NoticesOneSlotLess) {
  const PlanMemory memory = plan_memory(condensed(), Recompute::kNone, false);
  for (const ValueKind kind :
       {ValueKind::kHidden, ValueKind::kKv, ValueKind::kNormed, ValueKind::kQueries,
        ValueKind::kMid, ValueKind::kGateUp, ValueKind::kHiddenGrad}) {
    ASSERT_GT(memory.slots[static_cast<size_t>(kind)], 1);
    PlanMemory squeezed = memory;
    const int last = memory.slots[static_cast<size_t>(kind)] - 1;
    for (Value& value : squeezed.values) {
      if (value.kind == kind && value.slot == last) value.slot = 0;
    }
    EXPECT_NE(shared_slot(squeezed), "") << static_cast<int>(kind);
    EXPECT_NE(MemoryReplay(condensed(), squeezed).complaint(), "") << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace lckv::model
