#include "lckv/checkpoint/hf_folder.h"

#include <gmock/gmock.h>

#include "files_fixture.h"
#include "lckv/checkpoint/tensor_set.h"

namespace lckv::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class HfFolder : public FilesTest {
 protected:
  const Buffer norm_ = random_buffer(DType::kF32, {4}, 1);
  const Buffer embed_ = random_buffer(DType::kBF16, {3, 4}, 2);
  const std::vector<NamedTensor> tensors_ = {
      {"model.norm.weight", norm_.view(), DType::kF32},
      {"model.embed_tokens.weight", embed_.view(), DType::kBF16}};
  const std::filesystem::path out_ = folder_ / "out";

  void write_part(const std::string& file, const std::vector<NamedTensor>& tensors) {
    std::filesystem::create_directories(out_);
    write_safetensors(out_ / file, tensors);
  }
  void write_index(const std::string& weight_map) {
    std::filesystem::create_directories(out_);
    put_text(out_ / "model.safetensors.index.json", "{\"weight_map\": " + weight_map + "}");
  }
  void write(const std::map<std::string, std::string>& other_files, ExistingFolder existing) {
    HfFolderWriter writer(out_,
                          {{"model.norm.weight", DType::kF32, {4}},
                           {"model.embed_tokens.weight", DType::kBF16, {3, 4}}},
                          kHfFileBytes, existing);
    for (const NamedTensor& tensor : tensors_) writer.append(tensor.name, tensor.view);
    for (const auto& [name, bytes] : other_files) writer.add_file(name, bytes);
    writer.commit();
  }
  std::string refusal() {
    return message_of<DataError>([&] { TensorSet::open(out_); });
  }
};

TEST_F(HfFolder, ReadsBackWhatItWrote) {
  write({{"config.json", "{}"}, {"tokenizer.model", std::string("\0\xff", 2)}},
        ExistingFolder::kRefuse);
  EXPECT_THAT(names_in(out_), ElementsAre("config.json", "model.safetensors", "tokenizer.model"));
  EXPECT_EQ(get_text(out_ / "tokenizer.model"), std::string("\0\xff", 2));
  EXPECT_EQ(SafetensorsFile::open(out_ / "model.safetensors").metadata().at("format"), "pt");
  for (const auto& where : {out_, out_ / "model.safetensors"}) {
    const auto set = TensorSet::open(where);
    EXPECT_THAT(set.names(), ElementsAre("model.embed_tokens.weight", "model.norm.weight"));
    Buffer norm(DType::kF32, {4});
    set.read("model.norm.weight", norm.view());
    EXPECT_EQ(bytes_of(norm.view()), bytes_of(norm_.view()));
    EXPECT_EQ(set.info("model.embed_tokens.weight").dtype, DType::kBF16);
    EXPECT_THAT(message_of<DataError>([&] { set.info("model.norm.wight"); }),
                HasSubstr("did you mean 'model.norm.weight'?"));
  }
}

TEST_F(HfFolder, OverwritesOnlyWhenAsked) {
  write({{"config.json", "old"}}, ExistingFolder::kRefuse);
  EXPECT_THROW(write({}, ExistingFolder::kRefuse), DataError);
  EXPECT_EQ(get_text(out_ / "config.json"), "old");
  write({{"config.json", "new"}}, ExistingFolder::kReplace);
  EXPECT_EQ(get_text(out_ / "config.json"), "new");
  EXPECT_THAT(names_in(folder_), ElementsAre("out"));
}

TEST_F(HfFolder, ReadsTensorsSpreadOverFiles) {
  write_part("model-1.safetensors", {tensors_[0]});
  write_part("model-2.safetensors", {tensors_[1]});
  write_index(R"({"model.norm.weight": "model-1.safetensors",
                  "model.embed_tokens.weight": "model-2.safetensors"})");
  const auto set = TensorSet::open(out_);
  EXPECT_EQ(set.names().size(), 2u);
  Buffer rows(DType::kBF16, {2, 4});
  set.read_slice("model.embed_tokens.weight", Slice::rows({3, 4}, 1, 3), rows.view());
  EXPECT_EQ(bytes_of(rows.view()), bytes_of(embed_.view()).substr(8));
  EXPECT_EQ(set.path_of("model.norm.weight"), out_ / "model-1.safetensors");
}

TEST_F(HfFolder, RefusesAnIndexThatDoesNotFitItsFiles) {
  write_part("a.safetensors", {tensors_[0]});
  write_part("b.safetensors", {tensors_[1]});
  const std::string embed = "\"model.embed_tokens.weight\": \"b.safetensors\"";
  write_index("{\"model.norm.weight\": \"a.safetensors\", \"x\": \"a.safetensors\", " + embed +
              "}");
  EXPECT_THAT(refusal(),
              HasSubstr("tensor 'x' is not in 'a.safetensors', where the index places it"));
  write_index("{\"x\": \"a.safetensors\", " + embed + "}");
  EXPECT_THAT(refusal(),
              HasSubstr("tensor 'model.norm.weight' is in 'a.safetensors', but the index "
                        "does not list it"));
  write_index("{\"model.norm.weight\": \"b.safetensors\", " + embed +
              ", \"x\": \"a.safetensors\"}");
  EXPECT_THAT(refusal(), HasSubstr("is in 'a.safetensors', but the index names 'b.safetensors'"));
  write_index("{\"model.norm.weight\": \"../a.safetensors\"}");
  EXPECT_THAT(refusal(), HasSubstr("'../a.safetensors' is not the name of a file in this folder"));
  write_index("[1]");
  EXPECT_THAT(refusal(), HasSubstr("model.safetensors.index.json: expected an object"));
  write_index("{\"model.norm.weight\": \"none.safetensors\"}");
  EXPECT_THAT(message_of<IoError>([&] { TensorSet::open(out_); }), HasSubstr("none.safetensors"));
}

TEST_F(HfFolder, RefusesBothOrNeitherOfFileAndIndex) {
  std::filesystem::create_directories(out_);
  put_text(out_ / "pytorch_model.bin", "");
  EXPECT_THAT(refusal(),
              HasSubstr("out: has neither model.safetensors nor "
                        "model.safetensors.index.json; only safetensors files are read"));
  write_part("model.safetensors", {tensors_[0]});
  write_index("{}");
  EXPECT_THAT(refusal(), HasSubstr("has both model.safetensors and model.safetensors.index.json"));
  EXPECT_THAT(message_of<IoError>([&] { TensorSet::open(folder_ / "none"); }),
              HasSubstr("none: cannot open the file: No such file or directory"));
}

}  // namespace
}  // namespace lckv::checkpoint
