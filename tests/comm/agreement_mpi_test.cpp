#include <new>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/mpi_test/world.h"

namespace lckv::comm {
namespace {

using test::world;
using testing::HasSubstr;
using testing::Not;

std::string place(int rank) { return format("rank {} ({})", rank, world().host()); }

/// What together() throws here when rank r throws by fail(r).
template <class F>
std::pair<ExitCode, std::string> outcome(const F& fail) {
  try {
    together(world(), [&] { fail(world().rank()); });
  } catch (const AgreedError& error) {
    return {error.exit_code(), error.what()};
  }
  return {ExitCode::kOk, ""};
}

TEST(GatherTexts, ReturnsEveryTextByRank) {
  const auto text_of = [](int rank) {
    return std::string(static_cast<size_t>(rank) * 5001, 'a') + std::string(1, '\0') +
           std::to_string(rank);
  };
  const std::vector<std::string> texts = gather_texts(world().all(), text_of(world().rank()));
  EXPECT_EQ(texts.size(), static_cast<size_t>(world().size()));
  for (int rank = 0; rank < world().size(); ++rank) {
    EXPECT_EQ(texts.at(static_cast<size_t>(rank)), text_of(rank));
  }
  EXPECT_EQ(gather_texts(world().all(), "").back(), "");
}

TEST(Together, PassesWhenNobodyFails) {
  int runs = 0;
  together(world(), [&] { ++runs; });
  EXPECT_EQ(runs, 1);
}

TEST(Together, NamesTheOneRankThatFailed) {
  const int last = world().size() - 1;
  const auto [code, message] = outcome([&](int rank) {
    if (rank == last) throw DataError("tokens.h5: truncated");
  });
  EXPECT_EQ(code, ExitCode::kData);
  EXPECT_EQ(message, place(last) + ": tokens.h5: truncated");
}

TEST(Together, ReportsOneMistakeOfAllOnce) {
  const auto [code, message] = outcome([](int) { throw ConfigError("train.lr: expected > 0"); });
  EXPECT_EQ(code, ExitCode::kConfig);
  EXPECT_EQ(message, "train.lr: expected > 0");
}

TEST(Together, ReportsTheLowestOfRanksThatFailedDifferently) {
  const auto [code, message] = outcome([](int rank) {
    if (rank == 0) throw IoError("disk full");
    throw ConfigError("no such key");
  });
  EXPECT_EQ(code, ExitCode::kIo);
  EXPECT_EQ(message, place(0) + ": disk full");
}

TEST(Together, SameTextWithAnotherExitCodeIsNotAlike) {
  const auto [code, message] = outcome([](int rank) {
    if (rank == 0) throw IoError("failed");
    throw ConfigError("failed");
  });
  EXPECT_EQ(code, ExitCode::kIo);
  EXPECT_EQ(message, place(0) + ": failed");
}

TEST(Together, CountsForeignExceptions) {
  EXPECT_EQ(outcome([](int) { throw std::bad_alloc(); }),
            std::pair(ExitCode::kIo, std::string("out of memory")));
  EXPECT_EQ(outcome([](int) { throw std::out_of_range("at"); }),
            std::pair(ExitCode::kInternal, std::string("internal error: at")));
}

TEST(RequireEqualTexts, NamesTheRanksThatDifferAndTheLine) {
  EXPECT_NO_THROW(require_equal_texts(world(), "configuration", "tp: 1\nlr: 2\n"));
  const int odd = world().size() - 1;
  const std::string text = world().rank() == odd ? "tp: 1\nlr: 3\n" : "tp: 1\nlr: 2\n";
  try {
    require_equal_texts(world(), "configuration", text);
    ADD_FAILURE() << "accepted";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kConfig);
    EXPECT_EQ(
        std::string(error.what()),
        place(odd) + ": configuration differs from rank 0's: line 2 is 'lr: 3', there 'lr: 2'");
  }
}

TEST(RequireEqualTexts, SeesAMissingEnd) {
  try {
    require_equal_texts(world(), "environment", world().rank() == 1 ? "a" : "a\nb");
    ADD_FAILURE() << "accepted";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kConfig);
    EXPECT_THAT(error.what(), HasSubstr(place(1) + ": environment differs from rank 0's: line 2 "
                                                   "is missing, there 'b'"));
    EXPECT_THAT(error.what(), Not(HasSubstr(place(2 % world().size()))));
  }
}

TEST(AnyRank, HearsOneAmongMany) {
  for (int rank = 0; rank < world().size(); ++rank) {
    EXPECT_TRUE(any_rank(world().all(), world().rank() == rank, "stop"));
  }
  EXPECT_FALSE(any_rank(world().all(), false, "stop"));
}

}  // namespace
}  // namespace lckv::comm
