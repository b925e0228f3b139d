// apollo/state.json is never trusted: any change in it makes it invalid.
#include "runlog/saved_state.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

SavedState some_state() {
  SavedState state;
  state.position = {20, 1e12 / 3, 0.07};
  state.flops_before = 1e10 / 7;
  state.seconds_before = 1.5;
  state.tokens = 5120;
  state.stage = {.index = 1, .start = {10, 1e11, 0.03}, .grown = {10, 1e11, 0.03}, .grown_from = 1};
  state.eval_flops = 1e9;
  state.evaluations_due = 4;
  state.last_evaluated_step = 20;
  state.best = {.loss = 2.0 / 3, .step = 15, .since = 1};
  state.metrics_bytes = 12345;
  state.optimizer = "adamw";
  state.matmul = "libtorch";
  state.config_hash = "c";
  state.tokenizer = "t";
  state.files = {{"config.json", "1"}, {"model.safetensors", "2"}};
  return state;
}

class SavedStateTest : public testing::Test {
 protected:
  // Returns the error of reading a file with this content.
  std::string error_of(const std::string& text) {
    write_file_atomic(path_, text);
    return thrown_text<Error>([&] { read_saved_state(path_); });
  }
  // The same for a changed value with a corrected hash.
  std::string error_with(const char* pointer, const Json& value) {
    Json json = to_json(some_state());
    json[Json::json_pointer(pointer)] = value;
    json.erase("hash");
    json["hash"] = hash_text(json.dump());
    return error_of(json.dump(2));
  }

  TempDir dir_;
  std::filesystem::path path_ = dir_ / "state.json";
};

TEST_F(SavedStateTest, GoesToJsonAndBack) {
  write_file_atomic(path_, to_json(some_state()).dump(2));
  EXPECT_EQ(read_saved_state(path_), some_state());
}

TEST_F(SavedStateTest, AStateOfBeforeTheBestWasKeptIsRead) {
  SavedState state = some_state();
  state.best = {};
  Json json = to_json(state);
  json.erase("best");
  json.erase("hash");
  json["hash"] = hash_text(json.dump());
  write_file_atomic(path_, json.dump());
  EXPECT_EQ(read_saved_state(path_), state);
}

TEST_F(SavedStateTest, EveryFlippedBitIsFound) {
  const std::string whole = to_json(some_state()).dump();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] ^= 1;
    EXPECT_NE(error_of(damaged), "") << damaged.substr(i < 20 ? 0 : i - 20, 40);
  }
  EXPECT_NE(error_of(whole.substr(0, whole.size() / 2)), "");
}

TEST_F(SavedStateTest, ValuesThatCannotBeAreNamed) {
  EXPECT_EQ(error_with("/position/step", -1),
            "apollo/state.json: 'position.step': expected a whole number of at least 0, found -1");
  EXPECT_EQ(error_with("/stage/index", -1000000000),
            "apollo/state.json: 'stage.index': expected a whole number of at least 0, found "
            "-1000000000");
  EXPECT_EQ(error_with("/position/hours", "long"),
            "apollo/state.json: 'position.hours': expected a finite number of at least 0, found "
            "\"long\"");
  EXPECT_EQ(error_with("/tokens", 1e300),
            "apollo/state.json: 'tokens': expected a whole number of at least 0, found 1e+300");
  EXPECT_EQ(error_with("/metrics_bytes", uint64_t{1} << 63),
            "apollo/state.json: 'metrics_bytes': expected a whole number of at least 0, found "
            "9223372036854775808");
  EXPECT_EQ(error_with("/last_evaluated_step", 21),
            "apollo/state.json: 'last_evaluated_step': expected a step that was reached, found 21");
  EXPECT_TRUE(error_with("/stage/start/step", 21)
                  .starts_with("apollo/state.json: 'stage': expected 'start' not behind the run's "
                               "position, found "));
  EXPECT_EQ(error_with("/best/step", 21),
            "apollo/state.json: 'best': expected a step that was reached, found "
            "{\"loss\":0.6666666666666666,\"step\":21,\"since\":1}");
  EXPECT_EQ(error_with("/best/step", -1),
            "apollo/state.json: 'best.step': expected a whole number of at least 0, found -1");
  EXPECT_EQ(error_with("/best/since", -1),
            "apollo/state.json: 'best.since': expected a whole number of at least 0, found -1");
  EXPECT_EQ(error_with("/files", Json::array()),
            "apollo/state.json: 'files': expected an object, found []");
}

TEST_F(SavedStateTest, OtherVersionsAreRefusedWithTheWayOut) {
  EXPECT_EQ(error_of(R"({"format_version": 1})"),
            "apollo/state.json: expected format version 2, found 1; hint: Apollo 0.1.0 can go on "
            "with it; `apollo export` and `model.from` take the model as it is");
  EXPECT_TRUE(
      error_of("{}").starts_with("apollo/state.json: expected format version 2, found none"));
  EXPECT_EQ(error_of("[]"), "apollo/state.json: expected an object");
}

}  // namespace
}  // namespace apollo
