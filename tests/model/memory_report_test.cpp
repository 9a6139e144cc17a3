#include "lckv/model/memory_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/test_support/test_network.h"

namespace lckv::model {
namespace {

TEST(MemoryReport, SumsPiecesByKindInTheOrderTheyAreTaken) {
  Arena arena = Arena::planning();
  arena.take("weights", "w1", DType::kF32, {16});
  arena.take("activations", "a", DType::kF32, {48});
  arena.take("weights", "w2", DType::kF32, {17});  // 68 bytes, padded to 128
  const MemoryReport report = memory_report(arena);
  ASSERT_EQ(report.kinds.size(), 2u);
  EXPECT_EQ(report.kinds[0].kind, "weights");
  EXPECT_EQ(report.kinds[0].bytes, 64 + 128);
  EXPECT_EQ(report.kinds[0].pieces, 2);
  EXPECT_EQ(report.kinds[0].largest, "w2");
  EXPECT_EQ(report.kinds[0].largest_bytes, 128);
  EXPECT_EQ(report.kinds[1].kind, "activations");
  EXPECT_EQ(report.kinds[1].bytes, 192);
  EXPECT_EQ(report.total_bytes, arena.bytes());
}

TEST(MemoryReport, CountsScratchAndNamesWhatItCannotCount) {
  Arena arena = Arena::planning();
  arena.take("weights", "w", DType::kF32, {16});
  ScratchMemory scratch;
  scratch.add("matmul", 1000);
  scratch.add("nothing", 0);
  scratch.add("attention", 24);
  scratch.unknown = {"workspace of another library"};
  const MemoryReport report = memory_report(arena, scratch);
  ASSERT_EQ(report.kinds.size(), 2u);
  EXPECT_EQ(report.kinds[1].kind, "scratch");
  EXPECT_EQ(report.kinds[1].pieces, 2);
  EXPECT_EQ(report.kinds[1].largest, "matmul");
  EXPECT_EQ(report.kinds[1].bytes, 1024);
  EXPECT_EQ(report.total_bytes, 64 + 1024);
  EXPECT_THAT(to_text(report), testing::EndsWith("\nnot counted: workspace of another library\n"));
  EXPECT_THAT(to_text(memory_report(arena)), testing::Not(testing::HasSubstr("not counted")));
}

TEST(MemoryReport, IsTheSameBeforeAndAfterAllocating) {
  Arena planned = Arena::planning();
  planned.take("weights", "w", DType::kF64, {3, 5});
  EXPECT_EQ(to_text(memory_report(planned)), to_text(memory_report(Arena::allocate(planned))));
}

TEST(MemoryReport, OfANetworkNamesItsKindsAndTheTotal) {
  const config::ModelConfig config = test::small_config("0_3_3_3_4");
  test::TestNetwork network(config, model_options(config, DType::kF32, 2, 8));
  const MemoryReport report = memory_report(network.arena());
  EXPECT_EQ(report.total_bytes, network.arena().bytes());
  const std::string text = to_text(report);
  for (const char* kind : {"weights", "gradients", "activations", "tables", "head", "total"}) {
    EXPECT_THAT(text, testing::HasSubstr(kind));
  }
}

TEST(MemoryReport, OfNothingIsZero) {
  EXPECT_THAT(to_text(memory_report(Arena::planning())), testing::HasSubstr("0 B"));
}

}  // namespace
}  // namespace lckv::model
