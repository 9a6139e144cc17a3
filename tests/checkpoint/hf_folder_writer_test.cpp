#include <gmock/gmock.h>

#include "files_fixture.h"
#include "lckv/checkpoint/file_calls.h"
#include "lckv/checkpoint/hf_folder.h"
#include "lckv/checkpoint/tensor_set.h"

namespace lckv::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Declared = HfFolderWriter::Declared;

/// Vectors of so many bytes each.
std::vector<Declared> vectors(const std::vector<int64_t>& bytes) {
  std::vector<Declared> tensors;
  for (size_t i = 0; i < bytes.size(); ++i) {
    tensors.push_back({std::string(1, static_cast<char>('a' + i)), DType::kBF16, {bytes[i] / 2}});
  }
  return tensors;
}

/// "ab|c": the tensors of each file.
std::string division(const std::vector<int64_t>& bytes, int64_t file_bytes) {
  const std::vector<Declared> tensors = vectors(bytes);
  std::string text;
  for (const HfFile& file : divide_into_files(tensors, file_bytes)) {
    if (!text.empty()) text += "|";
    for (size_t i = file.begin; i < file.end; ++i) text += tensors[i].name;
  }
  return text;
}

TEST(HfFiles, EndBeforeTheTensorThatWouldExceedTheLimit) {
  EXPECT_EQ(division({4, 4, 4}, 12), "abc");
  EXPECT_EQ(division({4, 4, 4}, 11), "ab|c");
  EXPECT_EQ(division({4, 4, 4}, 8), "ab|c");
  EXPECT_EQ(division({4, 4, 4}, 7), "a|b|c");
  EXPECT_EQ(division({2, 8, 2, 2}, 10), "ab|cd");
}

TEST(HfFiles, GiveATensorAboveTheLimitAFileOfItsOwn) {
  EXPECT_EQ(division({2, 20, 2, 2}, 6), "a|b|cd");
  EXPECT_EQ(division({20, 2, 2}, 6), "a|bc");
  EXPECT_EQ(division({2, 2, 20}, 6), "ab|c");
  EXPECT_EQ(division({20, 20}, 1), "a|b");
}

TEST(HfFiles, AreNumberedFromOneUnlessThereIsOne) {
  EXPECT_EQ(divide_into_files(vectors({4, 4}), 8),
            (std::vector<HfFile>{{"model.safetensors", 0, 2}}));
  EXPECT_EQ(divide_into_files(vectors({4, 4}), 4),
            (std::vector<HfFile>{{"model-00001-of-00002.safetensors", 0, 1},
                                 {"model-00002-of-00002.safetensors", 1, 2}}));
}

TEST(HfFiles, HaveAnIndexAsTheTransformersLibraryWritesIt) {
  const std::vector<Declared> tensors = {{"b", DType::kBF16, {2, 3}}, {"a", DType::kF32, {5}}};
  EXPECT_EQ(format_hf_index(tensors, divide_into_files(tensors, 20)), R"({
  "metadata": {
    "total_size": 32
  },
  "weight_map": {
    "a": "model-00002-of-00002.safetensors",
    "b": "model-00001-of-00002.safetensors"
  }
}
)");
}

/// Tensors of odd sizes, given in parts of a few elements.
class HfFolderParts : public FilesTest {
 protected:
  struct Tensor {
    std::string name;
    Buffer values;
  };
  HfFolderParts() {
    tensors_.push_back({"model.embed_tokens.weight", random_buffer(DType::kF32, {7, 3}, 1)});
    tensors_.push_back({"model.norm.weight", random_buffer(DType::kF32, {5}, 2)});
    tensors_.push_back({"lm_head.weight", random_buffer(DType::kF32, {4, 6}, 3)});
  }
  std::vector<Declared> declared(DType stored) const {
    std::vector<Declared> result;
    for (const Tensor& tensor : tensors_) {
      result.push_back({tensor.name, stored, tensor.values.view().shape()});
    }
    return result;
  }
  static void give(HfFolderWriter& writer, const Tensor& tensor, int64_t part_elems) {
    const View flat = tensor.values.view().reshape({tensor.values.view().numel()});
    for (int64_t at = 0; at < flat.numel(); at += part_elems) {
      writer.append(tensor.name, flat.slice(0, at, std::min(at + part_elems, flat.numel())));
    }
  }
  void write(const std::filesystem::path& folder, DType stored, int64_t file_bytes,
             int64_t part_elems) const {
    HfFolderWriter writer(folder, declared(stored), file_bytes, ExistingFolder::kRefuse);
    for (const Tensor& tensor : tensors_) give(writer, tensor, part_elems);
    writer.add_file("config.json", "{}");
    writer.commit();
  }
  std::string read(const TensorSet& set, const Tensor& tensor, DType dtype) const {
    const Buffer back(dtype, tensor.values.view().shape());
    set.read(tensor.name, back.view());
    return bytes_of(back.view());
  }

  std::vector<Tensor> tensors_;
};

TEST_F(HfFolderParts, MakeTheSameBytesWhateverTheirSize) {
  for (const DType stored : {DType::kF32, DType::kBF16}) {
    write(folder_ / "whole", stored, 1000, 1000);
    const std::string whole = get_text(folder_ / "whole" / "model.safetensors");
    for (const int64_t part : {1, 2, 5, 7}) {
      write(folder_ / "parts", stored, 1000, part);
      EXPECT_EQ(get_text(folder_ / "parts" / "model.safetensors"), whole) << part;
      std::filesystem::remove_all(folder_ / "parts");
    }
    std::filesystem::remove_all(folder_ / "whole");
  }
}

TEST_F(HfFolderParts, AreTheSameTensorsInOneFileAndInMany) {
  write(folder_ / "one", DType::kF32, 1000, 4);
  write(folder_ / "two", DType::kF32, 110, 4);
  write(folder_ / "three", DType::kF32, 20, 4);
  EXPECT_THAT(names_in(folder_ / "one"), ElementsAre("config.json", "model.safetensors"));
  EXPECT_THAT(names_in(folder_ / "two"),
              ElementsAre("config.json", "model-00001-of-00002.safetensors",
                          "model-00002-of-00002.safetensors", "model.safetensors.index.json"));
  EXPECT_EQ(names_in(folder_ / "three").size(), 5u);
  for (const char* const place : {"one", "two", "three"}) {
    const auto set = TensorSet::open(folder_ / place);
    EXPECT_EQ(set.names().size(), 3u);
    for (const Tensor& tensor : tensors_) {
      EXPECT_EQ(read(set, tensor, DType::kF32), bytes_of(tensor.values.view())) << tensor.name;
      EXPECT_EQ(SafetensorsFile::open(set.path_of(tensor.name)).metadata().at("format"), "pt");
    }
  }
}

TEST_F(HfFolderParts, KeepTheOrderInWhichTheyWereDeclared) {
  write(folder_ / "one", DType::kF32, 1000, 4);
  EXPECT_THAT(SafetensorsFile::open(folder_ / "one" / "model.safetensors").names(),
              ElementsAre("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"));
}

TEST_F(HfFolderParts, LeaveNothingWhenOneIsMissing) {
  {
    HfFolderWriter writer(folder_ / "out", declared(DType::kF32), 110, ExistingFolder::kRefuse);
    give(writer, tensors_[0], 4);
    give(writer, tensors_[1], 4);
    writer.append(tensors_[2].name, tensors_[2].values.view().slice(0, 0, 3));
    EXPECT_THAT(message_of<InternalError>([&] { writer.commit(); }),
                HasSubstr("model-00002-of-00002.safetensors has not all of its tensors"));
  }
  EXPECT_THAT(names_in(folder_), ElementsAre());
}

TEST_F(HfFolderParts, AreRefusedOutOfOrderAndInExcess) {
  HfFolderWriter writer(folder_ / "out", declared(DType::kF32), 110, ExistingFolder::kRefuse);
  EXPECT_THAT(message_of<InternalError>([&] { give(writer, tensors_[1], 9); }),
              HasSubstr("'model.norm.weight' is not the next one declared"));
  give(writer, tensors_[0], 4);
  const Buffer six(DType::kF32, {6});
  EXPECT_THAT(message_of<InternalError>([&] { writer.append(tensors_[1].name, six.view()); }),
              HasSubstr("'model.norm.weight' has 5 elements, given are 6"));
  const Buffer integers(DType::kI32, {2});
  EXPECT_THAT(message_of<InternalError>([&] { writer.append(tensors_[1].name, integers.view()); }),
              HasSubstr("i32[2]"));
  for (const char* const name : {"../x", "model.safetensors", "model.safetensors.index.json"}) {
    EXPECT_THAT(message_of<InternalError>([&] { writer.add_file(name, ""); }),
                HasSubstr("is not a plain name for another file"));
  }
}

TEST_F(HfFolderParts, LeaveNothingWhenTheDiskFillsUpAtAnyWrite) {
  for (int allowed = 0;; ++allowed) {
    ASSERT_LT(allowed, 200);
    bool failed = false;
    {
      int calls = 0;
      const ScopedFileCallHook hook([&](std::string_view call) {
        return call == "write" && calls++ == allowed ? ENOSPC : 0;
      });
      try {
        write(folder_ / "out", DType::kBF16, 50, 9);
      } catch (const IoError& error) {
        failed = true;
        EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
      }
    }
    if (!failed) {
      EXPECT_GT(allowed, 10);  // the writes there were
      EXPECT_THAT(names_in(folder_), ElementsAre("out"));
      break;
    }
    EXPECT_THAT(names_in(folder_), ElementsAre()) << allowed;
  }
}

}  // namespace
}  // namespace lckv::checkpoint
