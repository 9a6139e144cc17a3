#include <gmock/gmock.h>

#include "run_file.h"

namespace lckv::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A config.json as transformers writes it, with `more` in front.
std::string json_with(const std::string& more, const std::string& model_type = "lckv-llama") {
  return "{" + more + (more.empty() ? "" : ",") + R"("architectures": ["LCKVLlamaForCausalLM"],
  "auto_map": {"AutoConfig": "configuration_lckv.LCKVLlamaConfig"},
  "attention_bias": false, "attention_dropout": 0.0, "mlp_bias": false, "hidden_act": "silu",
  "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4,
  "head_dim": null, "pretraining_tp": 1, "rope_scaling": null, "torch_dtype": "bfloat16",
  "model_type": ")" +
         model_type + R"(",
  "transformers_version": "4.44.0", "use_cache": true, "vocab_size": 100
})";
}

std::vector<std::string> refusals(const std::string& json) {
  std::vector<std::string> lines;
  try {
    parse_hf_config(json, "config.json");
  } catch (const ConfigError& e) {
    std::istringstream stream(e.what());
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
  }
  return lines;
}

TEST(HfConfig, IgnoresFieldsThatDoNotChangeTheModel) {
  const ModelConfig model = parse_hf_config(json_with(""), "config.json");
  EXPECT_EQ(model.hidden_size, 64);
  EXPECT_EQ(model.head_dim, 0);
  EXPECT_EQ(model.layer_types, "");
  EXPECT_EQ(model.from, "");
}

TEST(HfConfig, ReadsTheLckvFields) {
  const ModelConfig model = parse_hf_config(
      json_with(R"("layer_types": "0_2_2s_3", "forward_passes": 5, "backward_passes": 3,
  "sliding_window": 12, "force_nodiag": true, "use_sequential": true, "eos_token_id": 2)"),
      "config.json");
  EXPECT_EQ(model.layer_types, "0_2_2s_3");
  EXPECT_EQ(model.forward_passes, 5);
  EXPECT_EQ(model.backward_passes, 3);
  EXPECT_EQ(model.sliding_window, 12);
  EXPECT_TRUE(model.force_nodiag);
  EXPECT_TRUE(model.use_sequential);
  EXPECT_EQ(model.eos_token_id, 2);
}

TEST(HfConfig, AMissingOrNullFieldHasHuggingFacesDefault) {
  EXPECT_EQ(parse_hf_config(json_with(""), "c").rms_norm_eps, 1e-6);
  EXPECT_EQ(parse_hf_config(json_with(R"("rms_norm_eps": 1e-05)"), "c").rms_norm_eps, 1e-5);
  EXPECT_EQ(parse_hf_config(json_with(R"("sliding_window": null)"), "c").sliding_window, 4096);
  EXPECT_EQ(parse_hf_config(json_with(R"("num_key_value_heads": null)"), "c").num_key_value_heads,
            0);
}

TEST(HfConfig, RefusesWhatWouldBeAnotherModel) {
  for (const char* field :
       {R"("attention_bias": true)", R"("mlp_bias": true)", R"("attention_dropout": 0.1)",
        R"("rope_scaling": {"rope_type": "llama3"})", R"("hidden_act": "gelu")",
        R"("rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0})",
        R"("rope_parameters": {"factor": 2})"}) {
    std::string json = json_with("");
    const std::string name = std::string(field).substr(0, std::string(field).find(':'));
    const size_t old = json.find(name + ":");
    if (old != std::string::npos) json.erase(old, json.find_first_of(",\n", old) - old + 1);
    json.insert(1, std::string(field) + ", ");
    EXPECT_THAT(refusals(json), ElementsAre(StartsWith("config.json:1:"))) << field;
  }
}

TEST(HfConfig, RefusesAnotherModelType) {
  EXPECT_THAT(refusals(json_with("", "mistral")),
              ElementsAre(HasSubstr("model_type must be llama or lckv-llama, is \"mistral\"")));
  EXPECT_THAT(refusals(json_with(R"("layer_types": "0_2_2_3")", "llama")),
              ElementsAre(AllOf(StartsWith("config.json:1:17: model.layer_types: "),
                                HasSubstr("model_type lckv-llama"))));
}

TEST(HfConfig, ReadsTheRopeParametersOfNewerFiles) {
  const std::string field =
      R"("rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"})";
  EXPECT_EQ(parse_hf_config(json_with(field), "c").rope_theta, 500000);
}

TEST(HfConfig, NamesEveryMistakeWithItsPlace) {
  EXPECT_THAT(refusals(R"({
	"model_type": "lckv-llama",
	"hidden_size": "64", "hidden_act": "relu",
	"intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 10,
	"bos_token_id": 10,
	"eos_token_id": [1, 2],
	"hidden_act": "silu"})"),
              ElementsAre(StartsWith("config.json:3:17: model.hidden_size: must be an integer"),
                          StartsWith("config.json:3:37: model.hidden_act: must be silu"),
                          StartsWith("config.json:5:18: model.bos_token_id: 10 is outside"),
                          StartsWith("config.json:6:18: model.eos_token_id: must be an integer"),
                          StartsWith("config.json:7:2: model.hidden_act: repeated")));
}

TEST(HfConfig, NamesMissingFields) {
  EXPECT_THAT(refusals(R"({"model_type":"llama","hidden_size":64,"intermediate_size":128,
"num_hidden_layers":4,"num_attention_heads":4})"),
              ElementsAre(HasSubstr("config.json: model.vocab_size: must be given")));
}

TEST(HfConfig, ReadsJsonAsProgramsWriteIt) {
  EXPECT_EQ(parse_hf_config(json_with(R"("_name_or_path":"a\/b\u00e9\n\"c\"","x":{},"y":[])"), "c")
                .hidden_size,
            64);
  EXPECT_EQ(parse_hf_config(json_with("\t\"bos_token_id\"\t:\t7\r\n"), "c").bos_token_id, 7);
}

TEST(HfConfig, RefusesATextThatIsNoObject) {
  EXPECT_THAT(refusals("[1, 2]"), ElementsAre("config.json:1:1: must be a JSON object, is a list"));
  EXPECT_THAT(refusals("").size(), 1u);
  EXPECT_THAT(refusals("{\"a\": 1").size(), 1u);
}

TEST(HfConfig, DoesNotTakeFromForAField) {
  EXPECT_EQ(parse_hf_config(json_with(R"("from": "elsewhere.json")"), "c").from, "");
}

TEST(HfConfig, WritesAPlainLlamaAsOne) {
  ModelConfig model = smallest_run().model;
  model.layer_types = "0_1_2_3";
  EXPECT_THAT(to_hf_json(model, "bfloat16"),
              AllOf(HasSubstr("\"model_type\": \"llama\""), HasSubstr("[\"LlamaForCausalLM\"]"),
                    HasSubstr("\"num_key_value_heads\": 4"), HasSubstr("\"head_dim\": 16"),
                    HasSubstr("\"torch_dtype\": \"bfloat16\""), HasSubstr("\"bos_token_id\": null"),
                    Not(HasSubstr("layer_types")), Not(HasSubstr("\"from\""))));
}

TEST(HfConfig, WritesEverythingElseAsLckv) {
  const auto lckv =
      AllOf(HasSubstr("\"model_type\": \"lckv-llama\""), HasSubstr("[\"LCKVLlamaForCausalLM\"]"),
            HasSubstr("\"layer_types\": \""));
  ModelConfig model = smallest_run().model;
  model.layer_types = "0_1s_2_3";
  EXPECT_THAT(to_hf_json(model, "float32"), lckv);
  model.layer_types = "0_2_2_3";
  EXPECT_THAT(to_hf_json(model, "float32"), lckv);
  model.layer_types = "";
  model.force_nodiag = true;
  EXPECT_THAT(to_hf_json(model, "float32"), AllOf(lckv, HasSubstr("\"0_1_2_3\"")));
}

}  // namespace
}  // namespace lckv::config
