#include "lckv/data/text_source.h"

#include <gmock/gmock.h>

#include "lckv/base/error.h"
#include "test_files.h"

namespace lckv::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> documents_of(const std::vector<std::string>& inputs,
                                      const TextOptions& options = {}) {
  TextSource source(expand_inputs(inputs), options);
  std::vector<std::string> documents;
  TextPiece piece;
  bool inside = false;
  while (source.next(piece)) {
    EXPECT_EQ(piece.begins_document, !inside);
    if (piece.begins_document) documents.emplace_back();
    documents.back() += piece.text;
    inside = !piece.ends_document;
  }
  EXPECT_FALSE(inside);
  return documents;
}

std::string refusal(const std::string& path, const TextOptions& options = {}) {
  return message_of<DataError>([&] { documents_of({path}, options); });
}

TEST(TextSource, TakesATxtFileAsOneDocumentByteForByte) {
  const TempFolder folder;
  const std::string text = "\n  leading\ttabs \r\nCRLF\n\n\nno end";
  EXPECT_THAT(documents_of({folder.write("a.txt", text)}), ElementsAre(text));
}

TEST(TextSource, TakesEachLineAsADocumentWhenAsked) {
  const TempFolder folder;
  TextOptions lines;
  lines.txt_documents = TxtDocuments::kLines;
  EXPECT_THAT(documents_of({folder.write("a.txt", "one\r\n\n three\nfour")}, lines),
              ElementsAre("one", "", " three", "four"));
  EXPECT_THAT(documents_of({folder.write("b.txt", "one\n\n")}, lines), ElementsAre("one", ""));
}

TEST(TextSource, ReadsTheFieldOfEachJsonLine) {
  const TempFolder folder;
  const std::string path = folder.write(
      "a.jsonl",
      "{\"text\": \"a\\nb\", \"body\": \"x\"}\n\n{\"body\": \"\", \"text\": \"\\u00e9\"}");
  EXPECT_THAT(documents_of({path}), ElementsAre("a\nb", "é"));
  TextOptions body;
  body.json_field = "body";
  EXPECT_THAT(documents_of({path}, body), ElementsAre("x", ""));
}

TEST(TextSource, DropsAByteOrderMark) {
  const TempFolder folder;
  EXPECT_THAT(documents_of({folder.write("a.txt", "\xEF\xBB\xBFtext")}), ElementsAre("text"));
  EXPECT_THAT(documents_of({folder.write("a.jsonl", "\xEF\xBB\xBF{\"text\":\"t\"}")}),
              ElementsAre("t"));
}

TEST(TextSource, PiecesPutTogetherAreTheDocument) {
  const TempFolder folder;
  const std::string text = lines_of_words(500) + "\n\n" + std::string(5000, 'x') + "\nend";
  std::string json = text;
  for (size_t at = 0; (at = json.find('\n', at)) != json.npos; at += 2) json.replace(at, 1, "\\n");
  for (const int64_t piece_bytes : {0, 1, 2, 100, 4096, 1000000}) {
    TextOptions options;
    options.piece_bytes = piece_bytes;
    EXPECT_THAT(documents_of({folder.write("a.txt", text)}, options), ElementsAre(text))
        << piece_bytes;
    EXPECT_THAT(documents_of({folder.write("a.jsonl", "{\"text\":\"" + json + "\"}\n")}, options),
                ElementsAre(text))
        << piece_bytes;
  }
}

TEST(TextSource, CutsPiecesAfterANewlineNearTheirSize) {
  const TempFolder folder;
  TextOptions options;
  options.piece_bytes = 1000;
  TextSource source({folder.write("a.txt", lines_of_words(2000))}, options);
  TextPiece piece;
  while (source.next(piece)) {
    EXPECT_EQ(piece.text.back(), '\n');
    EXPECT_LT(piece.text.size(), 1200u);
    EXPECT_TRUE(piece.ends_document || piece.text.size() >= 1000u);
  }
}

TEST(TextSource, CompressedFilesReadAsPlainOnes) {
  const TempFolder folder;
  const std::string text = lines_of_words(60000);  // several times every buffer
  const auto plain = documents_of({folder.write("a.txt", text)});
  EXPECT_TRUE(documents_of({folder.write("a.txt.gz", gzipped(text))}) == plain);
  EXPECT_TRUE(documents_of({folder.write("a.txt.zst", zstd_compressed(text))}) == plain);
  const std::string zeros(3000000, '0');  // a few bytes that become many
  EXPECT_TRUE(documents_of({folder.write("z.txt.gz", gzipped(zeros))}).at(0) == zeros);
  EXPECT_TRUE(documents_of({folder.write("z.txt.zst", zstd_compressed(zeros))}).at(0) == zeros);
}

TEST(TextSource, ReadsConcatenatedCompressedStreams) {
  const TempFolder folder;
  EXPECT_THAT(documents_of({folder.write("a.txt.gz", gzipped("one ") + gzipped("two"))}),
              ElementsAre("one two"));
  EXPECT_THAT(
      documents_of({folder.write("a.txt.zst", zstd_compressed("one ") + zstd_compressed("two"))}),
      ElementsAre("one two"));
}

TEST(TextSource, RefusesDamagedCompressedFiles) {
  const TempFolder folder;
  const std::string text = lines_of_words(3000);
  for (const bool gzip : {true, false}) {
    const std::string name = gzip ? "a.txt.gz" : "a.txt.zst";
    const std::string whole = gzip ? gzipped(text) : zstd_compressed(text);
    for (const size_t keep : {size_t{0}, size_t{5}, whole.size() / 2, whole.size() - 1}) {
      EXPECT_THAT(refusal(folder.write(name, whole.substr(0, keep))),
                  AllOf(HasSubstr(name), HasSubstr("cut off")))
          << keep;
    }
    std::string damaged = whole;
    damaged[0] = 'x';
    EXPECT_THAT(refusal(folder.write(name, damaged)), AllOf(HasSubstr(name), HasSubstr("damaged")));
  }
}

TEST(TextSource, RefusesAnEmptyFile) {
  const TempFolder folder;
  for (const char* name : {"a.txt", "a.jsonl"}) {
    EXPECT_THAT(refusal(folder.write(name, "")), AllOf(HasSubstr(name), HasSubstr("empty")));
  }
  EXPECT_THAT(refusal(folder.write("a.txt.gz", gzipped(""))), HasSubstr("empty"));
  EXPECT_THAT(refusal(folder.write("b.jsonl", "\n \n")),
              AllOf(HasSubstr("b.jsonl"), HasSubstr("no JSON line")));
}

TEST(TextSource, RefusesABinaryFileWithItsPlace) {
  const TempFolder folder;
  EXPECT_THAT(refusal(folder.write("a.txt", std::string_view("ab\nc\0d", 6))),
              AllOf(HasSubstr("a.txt: line 2, byte 4: a NUL byte")));
  EXPECT_THAT(refusal(folder.write("b.txt", std::string_view("h\0i\0", 4))), HasSubstr("UTF-16"));
}

TEST(TextSource, RefusesTextThatIsNotUtf8WithItsPlace) {
  const TempFolder folder;
  const std::string before = lines_of_words(40000);  // the place is counted across pieces
  for (const char* bad :
       {"\xFF", "\xC3(", "\xE2\x82", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80"}) {
    const std::string path = folder.write("a.txt", before + "x" + bad);
    EXPECT_THAT(refusal(path),
                HasSubstr("a.txt: line 40001, byte " + std::to_string(before.size() + 1) + ": 0x"));
  }
  EXPECT_THAT(refusal(folder.write("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"\xFF\"}\n")),
              HasSubstr("a.jsonl: line 2, byte 22: 0xFF"));
}

TEST(TextSource, AcceptsTheEdgesOfUtf8) {
  const TempFolder folder;
  const std::string edges =
      "\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F"
      "\xBF\xBF";
  EXPECT_THAT(documents_of({folder.write("a.txt", edges)}), ElementsAre(edges));
}

TEST(TextSource, RefusesBadJsonLinesWithTheirLine) {
  const TempFolder folder;
  const auto message = [&](const std::string& line) {
    return refusal(folder.write("a.jsonl", "{\"text\":\"fine\"}\n\n" + line + "\n"));
  };
  EXPECT_THAT(message("{\"text\": \"cut"), HasSubstr("a.jsonl: line 3: not valid JSON"));
  EXPECT_THAT(message("[1]"), HasSubstr("line 3: a JSON array, expected an object"));
  EXPECT_THAT(message("{\"body\": \"x\", \"id\": 1}"),
              HasSubstr("line 3: has no field \"text\"; it has: body, id"));
  EXPECT_THAT(message("{\"text\": 7}"),
              HasSubstr("line 3: field \"text\" is a number, expected a string"));
  EXPECT_THAT(message("{\"text\": \"\\u0000\"}"), HasSubstr("line 3"));
  EXPECT_THAT(message("{\"text\": \"\\ud800\"}"), HasSubstr("line 3: not valid JSON"));
}

TEST(ExpandInputs, ListsFoldersSortedAndRecursively) {
  const TempFolder folder;
  for (const char* name : {"b.txt", "a/z.jsonl.zst", "a/c.txt.gz", "notes.md", "c/d/e.jsonl"})
    folder.write(name, "x");
  EXPECT_THAT(expand_inputs({folder.path()}),
              ElementsAre(folder.path("a/c.txt.gz"), folder.path("a/z.jsonl.zst"),
                          folder.path("b.txt"), folder.path("c/d/e.jsonl")));
}

TEST(ExpandInputs, ListsTheMatchesOfAPattern) {
  const TempFolder folder;
  for (const char* name : {"b2.txt", "b1.txt", "c.txt"}) folder.write(name, "x");
  EXPECT_THAT(expand_inputs({folder.path("c.txt"), folder.path("b*.txt")}),
              ElementsAre(folder.path("c.txt"), folder.path("b1.txt"), folder.path("b2.txt")));
}

TEST(ExpandInputs, RefusesWhatIsNotThereOrNotText) {
  const TempFolder folder;
  folder.write("sub/notes.md", "x");
  EXPECT_THAT(message_of<IoError>([&] { expand_inputs({folder.path("no.txt")}); }),
              HasSubstr("no.txt"));
  EXPECT_THAT(message_of<IoError>([&] { expand_inputs({folder.path("*.txt")}); }),
              HasSubstr("*.txt"));
  EXPECT_THAT(message_of<DataError>([&] { expand_inputs({folder.path("sub/notes.md")}); }),
              HasSubstr(".jsonl"));
  EXPECT_THAT(message_of<DataError>([&] { expand_inputs({folder.path("sub")}); }),
              HasSubstr("sub"));
  EXPECT_THROW(expand_inputs({}), DataError);
}

}  // namespace
}  // namespace lckv::data
