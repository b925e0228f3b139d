#include "arch/hf_config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "model/made_up_model.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

class HfConfigTest : public testing::Test {
 protected:
  HfConfig read(const std::string& text) {
    write_file_atomic(temp_ / "config.json", text);
    return read_hf_config(temp_ / "config.json");
  }
  HfConfig read(const Json& config) { return read(config.dump()); }

  // The message with the file's path as FILE.
  template <class Config>
  std::string read_error(const Config& config) {
    try {
      read(config);
    } catch (const CheckpointError& error) {
      std::string message = error.what();
      const std::string path = (temp_ / "config.json").string();
      const size_t at = message.find(path);
      return at == std::string::npos ? message : message.replace(at, path.size(), "FILE");
    }
    return "no error";
  }

  // A valid config with one key set.
  std::string error_with(const std::string& key, const Json& value) {
    Json config = to_hf_config(small_spec(3), 3, {});
    config[key] = value;
    return read_error(config);
  }

  TempDir temp_;
};

TEST_F(HfConfigTest, RoundTrips) {
  ModelSpec spec = small_spec(12, LayerMapKind::kStack);
  spec.dropout = 0.25;
  spec.init_std = 0.07;
  spec.norm_epsilon = 1e-6;
  const Json config = to_hf_config(spec, 3, {.bos = 30, .eos = 30});
  EXPECT_EQ(config["n_layer"], 3);
  EXPECT_EQ(config["bos_token_id"], 30);
  EXPECT_EQ(config["eos_token_id"], 30);
  const HfConfig found = read(config);
  EXPECT_EQ(found.spec, spec);
  EXPECT_EQ(found.num_layers, 3);
  EXPECT_TRUE(to_hf_config(spec, 3, {})["eos_token_id"].is_null());
}

TEST_F(HfConfigTest, ForeignConfigIsFinalAsItIs) {
  const HfConfig found = read(Json::parse(
      R"({"model_type":"gpt2","n_layer":5,"n_embd":60,"n_head":4,"n_positions":33,"vocab_size":97})"));
  EXPECT_EQ(found.num_layers, 5);
  EXPECT_EQ(found.spec.shape, (ModelShape{Architecture::kGpt2, 5, 60, 4, 33, 97}));
  EXPECT_EQ(found.spec.layer_map, LayerMapKind::kInterpolate);
  EXPECT_EQ(found.spec.norm_epsilon, 1e-5);
  EXPECT_EQ(found.spec.dropout, 0.1);
  EXPECT_EQ(found.spec.init_std, 0.02);
}

TEST_F(HfConfigTest, RefusesWhatIsNotComputed) {
  EXPECT_EQ(error_with("activation_function", "relu"),
            "FILE: key 'activation_function' is \"relu\", which Apollo does not compute (expected "
            "\"gelu_new\")");
  EXPECT_EQ(
      error_with("scale_attn_weights", false),
      "FILE: key 'scale_attn_weights' is false, which Apollo does not compute (expected true)");
  EXPECT_EQ(error_with("scale_attn_by_inverse_layer_idx", true),
            "FILE: key 'scale_attn_by_inverse_layer_idx' is true, which Apollo does not compute "
            "(expected false)");
  EXPECT_EQ(error_with("add_cross_attention", true),
            "FILE: key 'add_cross_attention' is true, which Apollo does not compute (expected "
            "false)");
  EXPECT_EQ(error_with("tie_word_embeddings", false),
            "FILE: key 'tie_word_embeddings' is false, which Apollo does not compute (expected "
            "true)");
}

TEST_F(HfConfigTest, RefusesSizesBeyondAllMeaning) {
  EXPECT_EQ(error_with("n_layer", 1'000'000'000),
            "FILE: layers: expected at most 10000, found 1000000000");
  EXPECT_EQ(error_with("n_positions", 1'000'000'000),
            "FILE: context: expected at most 16777216, found 1000000000");
  EXPECT_EQ(error_with("vocab_size", 4'000'000'000),
            "FILE: vocabulary: expected at most 2147483647, found 4000000000");
  EXPECT_EQ(error_with("n_layer", 18446744073709551615u),
            "FILE: key 'n_layer': expected a positive integer, found 18446744073709551615");
  EXPECT_EQ(error_with("n_layer", std::string(1000, 'x')),
            "FILE: key 'n_layer': expected a positive integer, found \"" + std::string(59, 'x'));
}

TEST_F(HfConfigTest, AcceptsWhatMeansTheSame) {
  EXPECT_EQ(error_with("n_inner", 80), "no error");
  EXPECT_EQ(error_with("n_inner", 50), "no error");
  EXPECT_EQ(error_with("activation_function", "gelu_pytorch_tanh"), "no error");
  EXPECT_EQ(error_with("scale_attn_weights", nullptr), "no error");
  // Dropout acts in training alone, which has a config of its own.
  EXPECT_EQ(error_with("attn_pdrop", 0.5), "no error");
  EXPECT_EQ(error_with("embd_pdrop", 0.5), "no error");
}

TEST_F(HfConfigTest, RefusesWrongSizesAndTypes) {
  for (const char* key : {"n_layer", "n_embd", "n_head", "n_positions", "vocab_size"}) {
    const std::string start = std::string("FILE: key '") + key + "'";
    EXPECT_EQ(error_with(key, -1), start + ": expected a positive integer, found -1");
    EXPECT_EQ(error_with(key, "3"), start + ": expected a positive integer, found \"3\"");
    EXPECT_EQ(error_with(key, 2.5), start + ": expected a positive integer, found 2.5");
    Json config = to_hf_config(small_spec(3), 3, {});
    config.erase(key);
    EXPECT_EQ(read_error(config), start + " is missing");
  }
  EXPECT_EQ(error_with("n_head", 3), "FILE: n_head 3 does not divide n_embd 20");
  EXPECT_EQ(error_with("layer_norm_epsilon", "small"),
            "FILE: key 'layer_norm_epsilon': expected a number, found \"small\"");
}

TEST_F(HfConfigTest, BertRoundTrips) {
  ModelSpec spec = small_spec(12, LayerMapKind::kStack);
  spec.shape.architecture = Architecture::kBert;
  spec.shape.token_types = 3;
  spec.shape.inner = 50;
  spec.dropout = 0.25;
  spec.init_std = 0.07;
  spec.norm_epsilon = 1e-12;
  const Json config = to_hf_config(spec, 3, {.bos = 30, .eos = 30});
  EXPECT_EQ(config["num_hidden_layers"], 3);
  const HfConfig found = read(config);
  EXPECT_EQ(found.spec, spec);
  EXPECT_EQ(found.num_layers, 3);
}

TEST_F(HfConfigTest, RefusesABertThatIsNotComputed) {
  ModelSpec spec = small_spec(3);
  spec.shape.architecture = Architecture::kBert;
  const auto error = [&](const std::string& key, const Json& value) {
    Json config = to_hf_config(spec, 3, {});
    config[key] = value;
    return read_error(config);
  };
  EXPECT_EQ(error("hidden_act", "gelu_new"),
            "FILE: key 'hidden_act' is \"gelu_new\", which Apollo does not compute (expected "
            "\"gelu\")");
  EXPECT_EQ(
      error("position_embedding_type", "relative_key"),
      "FILE: key 'position_embedding_type' is \"relative_key\", which Apollo does not compute "
      "(expected \"absolute\")");
  EXPECT_EQ(error("is_decoder", true),
            "FILE: key 'is_decoder' is true, which Apollo does not compute (expected false)");
  EXPECT_EQ(error("attention_probs_dropout_prob", 0.5), "no error");
  EXPECT_EQ(error("num_attention_heads", 3),
            "FILE: num_attention_heads 3 does not divide hidden_size 20");
  EXPECT_EQ(error("intermediate_size", 0),
            "FILE: key 'intermediate_size': expected a positive integer, found 0");
}

TEST_F(HfConfigTest, TheTokenThatPadsIsNamedAndNeverMadeUp) {
  ModelSpec spec = small_spec(3);
  for (const Architecture architecture : {Architecture::kGpt2, Architecture::kBert}) {
    spec.shape.architecture = architecture;
    EXPECT_EQ(to_hf_config(spec, 3, {.pad = 7})["pad_token_id"], 7);
    EXPECT_TRUE(to_hf_config(spec, 3, {})["pad_token_id"].is_null());
  }
}

// What grow and export write: the source's config.json, with what growth changes.
TEST_F(HfConfigTest, ADerivedConfigKeepsWhatIsNotOfTheLayers) {
  const Json source = Json::parse(
      R"({"model_type":"gpt2","n_layer":2,"n_embd":20,"n_head":2,"n_positions":12,"vocab_size":31,
          "n_inner":80,"attn_pdrop":0.0,"eos_token_id":[0,5],"pad_token_id":3,"dtype":"bfloat16",
          "id2label":{"0":"no","1":"yes"},"task_specific_params":{"a":[1]},
          "architectures":["GPT2ForTokenClassification"]})");
  const ModelSpec from = read(source).spec;
  ModelSpec to = from;
  to.shape.layers = 6;
  Json expected = source;
  expected["n_layer"] = 4;
  expected["apollo"] = {{"final_layers", 6}, {"layer_map", "interpolate"}};
  EXPECT_EQ(derived_hf_config(source, {from, 2}, {to, 4}), expected);
  to.shape.width = 40;
  to.shape.heads = 4;
  expected["n_embd"] = 40;
  expected["n_head"] = 4;
  expected["n_inner"] = 160;
  const Json wider = derived_hf_config(source, {from, 2}, {to, 4});
  EXPECT_EQ(wider, expected);
  EXPECT_EQ(read(wider).spec, to);
}

TEST_F(HfConfigTest, RefusesOtherArchitectures) {
  EXPECT_EQ(error_with("model_type", "t5"),
            "FILE: model_type is 't5': expected one of 'gpt2', 'bert'");
  EXPECT_EQ(error_with("model_type", 5), "FILE: model_type is '5': expected one of 'gpt2', 'bert'");
  EXPECT_EQ(read_error(std::string("{}")),
            "FILE: model_type is '': expected one of 'gpt2', 'bert'");
  EXPECT_EQ(read_error(std::string("[]")),
            "FILE: model_type is '': expected one of 'gpt2', 'bert'");
}

TEST_F(HfConfigTest, RefusesADamagedNoteOfApollo) {
  EXPECT_EQ(error_with("apollo", {{"final_layers", 2}}),
            "FILE: final_layers is 2, but there are 3 layers");
  EXPECT_EQ(error_with("apollo", Json::object()), "FILE: key 'final_layers' is missing");
  EXPECT_EQ(error_with("apollo", 7), "FILE: key 'apollo': expected an object, found 7");
  EXPECT_EQ(error_with("apollo", {{"final_layers", 3}, {"layer_map", "shuffle"}}),
            "FILE: key 'layer_map' is \"shuffle\": expected one of 'interpolate', 'stack', "
            "'middle_block', 'middle'");
}

TEST_F(HfConfigTest, RefusesAbsentAndDamagedFiles) {
  const TempDir empty;
  try {
    read_hf_config(empty / "config.json");
    FAIL() << "no error";
  } catch (const CheckpointError& error) {
    EXPECT_EQ(error.what(), empty.path().string() +
                                ": there is no config.json; expected a Hugging Face model folder");
  }
  EXPECT_EQ(read_error(std::string("{\"model_type\":")).substr(0, 29),
            "FILE: damaged JSON at byte 15");
}

}  // namespace
}  // namespace apollo
