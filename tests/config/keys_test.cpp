#include "lckv/config/keys.h"

#include <set>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace lckv::config {
namespace {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

/// Stands for a value of any field; an optional takes it through its value type.
struct Anything {
  template <class T>
  requires(!IsOptional<T>::value) operator T() const;  // NOLINT(google-explicit-constructor)
};

template <class Struct, size_t... I>
constexpr bool accepts(std::index_sequence<I...>) {
  return requires { Struct{(static_cast<void>(I), Anything{})...}; };
}

/// The number of fields of an aggregate: the most values that it can be initialised with.
template <class Struct, size_t N = 64>
constexpr size_t field_count() {
  if constexpr (N == 0 || accepts<Struct>(std::make_index_sequence<N>())) {
    return N;
  } else {
    return field_count<Struct, N - 1>();
  }
}

size_t keys_in(const std::string& section) {
  RunConfig run;
  size_t count = 0;
  for (const Key& key : keys_of(run)) count += section_of(key.path) == section ? 1 : 0;
  return count;
}

TEST(Keys, CountsFieldsOfAnAggregate) {
  struct Three {
    int a;
    std::string b;
    std::optional<int64_t> c;
  };
  EXPECT_EQ(field_count<Three>(), 3u);
}

TEST(Keys, EveryFieldOfARunIsAKey) {
  EXPECT_EQ(keys_in(""), field_count<RunConfig>() - 11);  // the others are the sections
  EXPECT_EQ(keys_in("model"), field_count<ModelConfig>());
  EXPECT_EQ(keys_in("data"), field_count<DataConfig>());
  EXPECT_EQ(keys_in("train"), field_count<TrainConfig>());
  EXPECT_EQ(keys_in("parallel"), field_count<ParallelConfig>());
  EXPECT_EQ(keys_in("optimizer"), field_count<OptimizerConfig>());
  EXPECT_EQ(keys_in("schedule"), field_count<ScheduleConfig>());
  EXPECT_EQ(keys_in("validation"), field_count<ValidationConfig>());
  EXPECT_EQ(keys_in("eval"), field_count<EvalConfig>());
  EXPECT_EQ(keys_in("checkpoint"), field_count<CheckpointConfig>());
  EXPECT_EQ(keys_in("guards"), field_count<GuardsConfig>());
  EXPECT_EQ(keys_in("watch"), field_count<WatchConfig>());
}

TEST(Keys, NoTwoKeysShareANameOrAField) {
  RunConfig run;
  std::set<std::string> paths;
  std::set<const void*> fields;
  size_t pointers = 0;
  for (const Key& key : keys_of(run)) {
    EXPECT_TRUE(paths.insert(key.path).second) << key.path;
    std::visit(
        [&](const auto& field) {
          if constexpr (std::is_pointer_v<std::decay_t<decltype(field)>>) {
            fields.insert(field);
            ++pointers;
          }
        },
        key.field);
  }
  EXPECT_EQ(fields.size(), pointers);
}

TEST(Keys, EveryWordOfAChoiceIsTheValueItSets) {
  RunConfig run;
  for (const Key& key : keys_of(run)) {
    const auto* choice = std::get_if<Choice>(&key.field);
    if (choice == nullptr) continue;
    for (const std::string& word : choice->words) {
      choice->set(word);
      EXPECT_EQ(choice->get(), word) << key.path;
    }
  }
  EXPECT_EQ(run.train.precision, Precision::kFp64);
  EXPECT_EQ(run.train.recompute, Recompute::kBlock);
  EXPECT_EQ(run.schedule.kind, Schedule::kWsd);
  EXPECT_EQ(run.train.init_kv, "average");
}

TEST(Keys, RangesSayWhichBoundsBelongToThem) {
  const Range half_open{.min = 0, .max = 1, .excludes_max = true};
  EXPECT_TRUE(half_open.holds(0));
  EXPECT_FALSE(half_open.holds(1));
  EXPECT_EQ(half_open.text(), " in [0, 1)");
  const Range positive{.min = 0, .excludes_min = true};
  EXPECT_FALSE(positive.holds(0));
  EXPECT_FALSE(positive.holds(std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(positive.holds(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(positive.text(), " > 0");
}

}  // namespace
}  // namespace lckv::config
