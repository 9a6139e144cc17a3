#include "lckv/eval/letter_case.h"

#include "lckv/base/error.h"
#include "lckv/data/sha256.h"
#include "lckv/test_support/refusal.h"

namespace lckv::eval {
namespace {

std::string utf8(int32_t c) {
  std::string text;
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) {
    text += static_cast<char>(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    text += static_cast<char>(0xE0 | c >> 12);
    tail(6);
  } else {
    text += static_cast<char>(0xF0 | c >> 18);
    tail(12);
    tail(6);
  }
  tail(0);
  return text;
}

TEST(LetterCase, WritesTheFirstCharacterInTitleCaseAndAllOthersInLowerCase) {
  EXPECT_EQ(capitalize("the DJ plays"), "The dj plays");
  EXPECT_EQ(capitalize(" A"), " a");
  EXPECT_EQ(capitalize(""), "");
  EXPECT_EQ(capitalize("ÉCOLE À Ö"), "École à ö");
}

TEST(LetterCase, TitleCaseIsNotUpperCase) {
  EXPECT_EQ(capitalize("\u01C6x"), "\u01C5x");
  EXPECT_EQ(capitalize("ßtraße"), "Sstraße");
  EXPECT_EQ(capitalize("\uFB01NE"), "Fine");
  EXPECT_EQ(capitalize("\u0130stanbul \u0130"), "\u0130stanbul i\u0307");
}

TEST(LetterCase, EveryCharacterIsMappedAsCPythonDoes) {
  // hashlib.sha256 over chr(c).capitalize() + ("a" + chr(c)).capitalize(), CPython 3.11.
  std::string all;
  for (int32_t c = 0; c < 0x110000; ++c) {
    if ((c >= 0xD800 && c < 0xE000) || c == 0x3A3) continue;
    all += capitalize(utf8(c)) + capitalize("a" + utf8(c));
  }
  EXPECT_EQ(data::sha256_hex(all),
            "3784ee8b1288f748fcd6993dc5ff28c4acedf9215f58dc664c90ee688bd7be18");
}

TEST(LetterCase, RefusesACapitalSigmaInsideAText) {
  EXPECT_EQ(capitalize("\u03A3"), "\u03A3");
  test::expect_refusal<DataError>([] { capitalize("\u039F\u03A3"); }, "U+03A3");
}

}  // namespace
}  // namespace lckv::eval
