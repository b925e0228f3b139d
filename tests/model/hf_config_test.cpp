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
  // Dropout acts only in training, which has its own config.
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
  for (const Architecture architecture : kAllArchitectures) {
    const ModelSpec spec = small_spec_of(architecture, 3);
    EXPECT_EQ(to_hf_config(spec, 3, {.pad = 7})["pad_token_id"], 7);
    EXPECT_TRUE(to_hf_config(spec, 3, {})["pad_token_id"].is_null());
  }
}

TEST_F(HfConfigTest, LlamaAndQwen3RoundTrip) {
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen3}) {
    for (const bool odd : {false, true}) {
      ModelSpec spec = small_spec_of(architecture, 12, LayerMapKind::kStack);
      spec.shape.tied = odd;
      spec.shape.width = 24;
      spec.shape.head = odd ? 10 : 0;
      spec.dropout = 0.25;
      spec.init_std = 0.07;
      spec.norm_epsilon = 1e-5;
      spec.rope.theta = 5e5;
      if (odd) spec.rope.scaling = RopeScaling{32.0, 1.0, 4.0, 8192};
      const Json config = to_hf_config(spec, 3, {.bos = 30, .eos = 29});
      EXPECT_EQ(config["head_dim"], odd ? 10 : 6);
      EXPECT_EQ(config["num_key_value_heads"], 2);
      EXPECT_EQ(config["dtype"], "float32");
      EXPECT_EQ(config["torch_dtype"], "float32");
      EXPECT_FALSE(config.contains("layer_types"));
      EXPECT_TRUE(config["rope_theta"].is_number_float());
      EXPECT_TRUE(config["pad_token_id"].is_null());
      const HfConfig found = read(config);
      EXPECT_EQ(found.spec, spec);
      EXPECT_EQ(found.num_layers, 3);
    }
  }
}

// As transformers 4 and 5 write them.
TEST_F(HfConfigTest, RopeOfForeignConfigs) {
  const Json bare = Json::parse(
      R"({"model_type":"llama","num_hidden_layers":2,"hidden_size":64,"num_attention_heads":4,
          "max_position_embeddings":128,"vocab_size":97,"intermediate_size":172})");
  const auto rope_of = [&](const Json& keys) {
    Json config = bare;
    config.update(keys);
    return read(config).spec.rope;
  };
  const Rope scaled = {5e5, RopeScaling{32.0, 1.0, 4.0, 8192}};
  Json scaling = {{"factor", 32.0},
                  {"low_freq_factor", 1.0},
                  {"high_freq_factor", 4.0},
                  {"original_max_position_embeddings", 8192},
                  {"rope_type", "llama3"}};
  EXPECT_EQ(rope_of(Json::object()), Rope{10000.0});
  EXPECT_EQ(rope_of({{"rope_theta", 5e5}, {"rope_scaling", nullptr}}), Rope{5e5});
  EXPECT_EQ(rope_of({{"rope_theta", 5e5}, {"rope_scaling", scaling}}), scaled);
  scaling["rope_theta"] = 5e5;
  EXPECT_EQ(rope_of({{"rope_parameters", scaling}}), scaled);
  scaling["type"] = scaling["rope_type"];
  scaling.erase("rope_type");
  EXPECT_EQ(rope_of({{"rope_scaling", scaling}}), scaled);
  const ModelSpec spec = read(bare).spec;
  EXPECT_EQ(spec.shape.kv_heads(), 4);
  EXPECT_EQ(spec.shape.head_dim(), 16);
  EXPECT_FALSE(spec.shape.tied);
}

TEST_F(HfConfigTest, RefusesALlamaOrQwen3ThatIsNotComputed) {
  const auto error = [&](Architecture architecture, const std::string& key, const Json& value) {
    Json config = to_hf_config(small_spec_of(architecture, 3), 3, {});
    config[key] = value;
    return read_error(config);
  };
  const auto llama = [&](const std::string& key, const Json& value) {
    return error(Architecture::kLlama, key, value);
  };
  for (const char* kind : {"yarn", "linear", "dynamic", "longrope"}) {
    for (const char* key : {"rope_parameters", "rope_scaling"}) {
      EXPECT_EQ(llama(key, {{"rope_type", kind}, {"factor", 2.0}}),
                fmt::format("FILE: key '{}': rope_type is \"{}\", which Apollo does not compute "
                            "(expected \"default\" or \"llama3\")",
                            key, kind));
    }
  }
  EXPECT_EQ(llama("rope_scaling", {{"rope_type", "llama3"}, {"factor", "much"}}),
            "FILE: key 'rope_scaling': 'factor' must be a positive number");
  EXPECT_EQ(llama("rope_parameters", 7),
            "FILE: key 'rope_parameters': expected an object, found 7");
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    EXPECT_EQ(
        llama(key, true),
        fmt::format("FILE: key '{}' is true, which Apollo does not compute (expected false)", key));
  }
  EXPECT_EQ(
      llama("hidden_act", "gelu"),
      "FILE: key 'hidden_act' is \"gelu\", which Apollo does not compute (expected \"silu\")");
  EXPECT_EQ(llama("num_key_value_heads", 3),
            "FILE: num_key_value_heads 3 does not divide num_attention_heads 4");
  EXPECT_EQ(llama("head_dim", 7), "FILE: head_dim 7 is odd, but rotation takes pairs");
  EXPECT_EQ(llama("tie_word_embeddings", "no"),
            "FILE: key 'tie_word_embeddings': expected true or false, found \"no\"");
  const auto qwen = [&](const std::string& key, const Json& value) {
    return error(Architecture::kQwen3, key, value);
  };
  EXPECT_EQ(qwen("use_sliding_window", true),
            "FILE: key 'use_sliding_window' is true, which Apollo does not compute (expected "
            "false)");
  EXPECT_EQ(qwen("layer_types", {"full_attention", "sliding_attention"}),
            "FILE: key 'layer_types' names \"sliding_attention\", which Apollo does not compute "
            "(expected \"full_attention\")");
  EXPECT_EQ(qwen("layer_types", {"full_attention", "full_attention"}), "no error");
  EXPECT_EQ(qwen("model_type", "qwen3_moe"),
            "FILE: model_type is 'qwen3_moe': expected one of 'gpt2', 'bert', 'llama', 'qwen3', "
            "'modernbert'");
}

TEST_F(HfConfigTest, ModernBertRoundTrips) {
  ModelSpec spec = small_spec_of(Architecture::kModernBert, 12, LayerMapKind::kStack);
  spec.dropout = 0.25;
  spec.init_std = 0.07;
  spec.norm_epsilon = 1e-6;
  spec.rope.theta = 700.0;
  spec.local_rope.theta = 50.0;
  for (const int64_t global_every : {1, 2, 3, 5}) {
    for (const int64_t layers : {1, 2, 3, 12}) {
      spec.shape.local = {.window = 7, .global_every = global_every};
      const Json config = to_hf_config(spec, layers, {.pad = 3, .cls = 1, .sep = 2});
      EXPECT_EQ(config["layer_types"].size(), static_cast<size_t>(layers));
      EXPECT_EQ(config["local_attention"], 14);
      EXPECT_EQ(config["cls_token_id"], 1);
      EXPECT_EQ(config["eos_token_id"], 2);
      EXPECT_TRUE(config["rope_parameters"]["full_attention"]["rope_theta"].is_number_float());
      const HfConfig found = read(config);
      EXPECT_EQ(found.spec, spec);
      EXPECT_EQ(found.num_layers, layers);
    }
  }
}

// As transformers 4 and 5 write them.
TEST_F(HfConfigTest, KindsAndAnglesOfForeignModernBerts) {
  const Json bare = Json::parse(
      R"({"model_type":"modernbert","num_hidden_layers":5,"hidden_size":64,"num_attention_heads":4,
          "max_position_embeddings":128,"vocab_size":97,"intermediate_size":96})");
  const auto spec_of = [&](const Json& keys) {
    Json config = bare;
    config.update(keys);
    return read(config).spec;
  };
  ModelSpec found = spec_of(Json::object());
  EXPECT_EQ(found.shape.local, (LocalAttention{.window = 64, .global_every = 3}));
  EXPECT_EQ(found.rope, Rope{160000.0});
  EXPECT_EQ(found.local_rope, Rope{10000.0});
  found = spec_of({{"global_attn_every_n_layers", 2},
                   {"local_attention", 31},
                   {"global_rope_theta", 8e4},
                   {"local_rope_theta", nullptr}});
  EXPECT_EQ(found.shape.local, (LocalAttention{.window = 15, .global_every = 2}));
  EXPECT_EQ(found.rope, Rope{8e4});
  EXPECT_EQ(found.local_rope, Rope{8e4}) << "to transformers 4 a null is the global one";
  const Json full = "full_attention", near = "sliding_attention";
  const auto every = [&](const Json& types) {
    return spec_of({{"layer_types", types}}).shape.local.global_every;
  };
  EXPECT_EQ(every({full, near, near, full, near}), 3);
  EXPECT_EQ(every({full, near, full, near, full}), 2);
  EXPECT_EQ(every({full, full, full, full, full}), 1);
  EXPECT_EQ(every({full, near, near, near, near}), 5);
  found = spec_of({{"rope_parameters",
                    {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 4e4}}},
                     {"sliding_attention", {{"rope_theta", 3e3}}}}}});
  EXPECT_EQ(found.rope, Rope{4e4});
  EXPECT_EQ(found.local_rope, Rope{3e3});
}

TEST_F(HfConfigTest, RefusesAModernBertThatIsNotComputed) {
  const auto error = [&](const std::string& key, const Json& value) {
    Json config = to_hf_config(small_spec_of(Architecture::kModernBert, 3), 3, {});
    config[key] = value;
    return read_error(config);
  };
  const auto computed = [](const std::string& key, const std::string& found,
                           const std::string& expected) {
    return fmt::format("FILE: key '{}' is {}, which Apollo does not compute (expected {})", key,
                       found, expected);
  };
  for (const char* key : {"hidden_activation", "classifier_activation"})
    EXPECT_EQ(error(key, "silu"), computed(key, "\"silu\"", "\"gelu\""));
  for (const char* key : {"norm_bias", "attention_bias", "mlp_bias", "classifier_bias"})
    EXPECT_EQ(error(key, true), computed(key, "true", "false"));
  for (const char* key : {"decoder_bias", "tie_word_embeddings"})
    EXPECT_EQ(error(key, false), computed(key, "false", "true"));
  EXPECT_EQ(error("classifier_pooling", "max"),
            computed("classifier_pooling", "\"max\"", "\"cls\""));
  EXPECT_EQ(error("head_dim", 32), computed("head_dim", "32", "10"));
  EXPECT_EQ(error("local_attention", 1), "FILE: local_attention must be at least 2, found 1");
  EXPECT_EQ(error("rope_parameters", {{"full_attention", {{"rope_type", "yarn"}}}}),
            "FILE: key 'rope_parameters': rope_type of full_attention is \"yarn\", which Apollo "
            "does not compute (expected \"default\")");
  EXPECT_EQ(error("rope_parameters", 7),
            "FILE: key 'rope_parameters': expected an object, found 7");
  EXPECT_EQ(error("rope_parameters", {{"full_attention", 7}}),
            "FILE: key 'rope_parameters': expected an object for full_attention, found 7");
  EXPECT_EQ(error("num_attention_heads", 3),
            "FILE: num_attention_heads 3 does not divide hidden_size 20");
  EXPECT_EQ(error("num_attention_heads", 4),
            "FILE: hidden_size / num_attention_heads is 5, which is odd, but rotation takes pairs");
  const std::string kinds =
      "FILE: key 'layer_types': expected 'full_attention' for the first and then for each n-th of "
      "3 "
      "layers and 'sliding_attention' for all others, found ";
  for (const Json& types :
       {Json{"sliding_attention", "full_attention", "full_attention"},
        Json{"full_attention", "full_attention"}, Json{"full_attention", "chunked", "chunked"},
        Json{"full_attention", "full_attention", "sliding_attention"}, Json("full_attention")}) {
    EXPECT_EQ(error("layer_types", types), kinds + types.dump());
  }
}

// A key that lists something per layer follows the depth.
TEST_F(HfConfigTest, ADerivedModernBertListsItsLayers) {
  const ModelSpec spec = small_spec_of(Architecture::kModernBert, 2);
  Json source = to_hf_config(spec, 2, {});
  source["classifier_pooling"] = "mean";
  ModelSpec deeper = spec;
  deeper.shape.layers = 4;
  const Json derived = derived_hf_config(source, {spec, 2}, {deeper, 4});
  EXPECT_EQ(derived["layer_types"],
            Json({"full_attention", "sliding_attention", "sliding_attention", "full_attention"}));
  EXPECT_EQ(derived["classifier_pooling"], "mean");
}

// A key that lists something per layer would not fit a model of another depth.
TEST_F(HfConfigTest, ADerivedQwen3LosesItsListOfLayers) {
  const ModelSpec spec = small_spec_of(Architecture::kQwen3, 2);
  Json source = to_hf_config(spec, 2, {});
  source["layer_types"] = {"full_attention", "full_attention"};
  ModelSpec deeper = spec;
  deeper.shape.layers = 4;
  EXPECT_TRUE(derived_hf_config(source, {spec, 2}, {spec, 2}).contains("layer_types"));
  EXPECT_FALSE(derived_hf_config(source, {spec, 2}, {deeper, 4}).contains("layer_types"));
}

// grow and export write this: the source's config.json, with what growth changes.
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
  EXPECT_EQ(
      error_with("model_type", "t5"),
      "FILE: model_type is 't5': expected one of 'gpt2', 'bert', 'llama', 'qwen3', 'modernbert'");
  EXPECT_EQ(
      error_with("model_type", 5),
      "FILE: model_type is '5': expected one of 'gpt2', 'bert', 'llama', 'qwen3', 'modernbert'");
  EXPECT_EQ(
      read_error(std::string("{}")),
      "FILE: model_type is '': expected one of 'gpt2', 'bert', 'llama', 'qwen3', 'modernbert'");
  EXPECT_EQ(
      read_error(std::string("[]")),
      "FILE: model_type is '': expected one of 'gpt2', 'bert', 'llama', 'qwen3', 'modernbert'");
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
