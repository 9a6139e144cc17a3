#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(PlanCommand, WritesThePictureThatABrowserReads) {
  const fs::path folder = fresh_folder("plan_svg");
  const fs::path picture = folder / "plan.svg";
  const Outcome outcome = run_lckv("plan " + tiny_run_file(folder) + " --svg " + picture.string());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("has K,V"));  // the picture as text stays
  std::ifstream file(picture);
  const std::string svg(std::istreambuf_iterator<char>(file), {});
  EXPECT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_THAT(svg, HasSubstr("layer_types: 0_3_3_3_4"));
}

TEST(PlanCommand, SaysWhereThePictureCouldNotBeWritten) {
  const fs::path folder = fresh_folder("plan_svg_refused");
  const fs::path picture = folder / "no_such_folder" / "plan.svg";
  const Outcome outcome = run_lckv("plan " + tiny_run_file(folder) + " --svg " + picture.string());
  EXPECT_EQ(outcome.exit_code, 5) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("no_such_folder"));
}

TEST(PlanCommand, RefusesAPictureWithoutAName) {
  const std::string run = tiny_run_file(fresh_folder("plan_svg_unnamed"));
  const Outcome outcome = run_lckv("plan " + run + " --svg ''");
  EXPECT_EQ(outcome.exit_code, 3) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("--svg: must not be empty"));
}

}  // namespace
}  // namespace lckv::test
