// The rate of this machine, kept from one command to the next.
#include "progressive/last_rate.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json_lines.h"
#include "base/machine.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

class LastRateTest : public testing::Test {
 protected:
  std::optional<LastRate> found_for(const char* device) const {
    RunConfig config;
    config.run.device = device;
    return find_last_rate(config, file_);
  }

  TempDir dir_;
  std::filesystem::path file_ = dir_ / "cache/rate.json";
};

TEST_F(LastRateTest, IsTheLastOneKept) {
  EXPECT_EQ(found_for("auto"), std::nullopt);
  keep_rate({1e9, "cpu", 2}, file_);
  const LastRate last{3e10 / 7, "cpu", 1};
  keep_rate(last, file_);
  EXPECT_EQ(found_for("auto"), last);
  EXPECT_EQ(found_for("cpu"), last);
}

TEST_F(LastRateTest, IsOfADeviceThatTheRunMayTake) {
  const LastRate last{1e14, "cuda:0", 8};
  keep_rate(last, file_);
  EXPECT_EQ(found_for("auto"), last);
  EXPECT_EQ(found_for("cuda"), last);
  EXPECT_EQ(found_for("cuda:0"), last);
  EXPECT_EQ(found_for("cuda:1"), std::nullopt);
  EXPECT_EQ(found_for("cpu"), std::nullopt);
}

TEST_F(LastRateTest, OtherProcessorsKeepTheirs) {
  std::filesystem::create_directories(file_.parent_path());
  const Json theirs = {{"flops_per_second", 5.0}, {"device", "cpu"}, {"threads", 64}};
  write_file_atomic(file_, Json{{"another", theirs}}.dump());
  EXPECT_EQ(found_for("auto"), std::nullopt);
  keep_rate({1e9, "cpu", 2}, file_);
  EXPECT_EQ(read_json(file_).at("another"), theirs);
}

TEST_F(LastRateTest, WhatIsNoRateIsNone) {
  std::filesystem::create_directories(file_.parent_path());
  for (const std::string value :
       {"1", "null", R"({"flops_per_second": -1, "device": "cpu", "threads": 1})",
        R"({"flops_per_second": "fast", "device": "cpu", "threads": 1})",
        R"({"flops_per_second": 1e9, "device": 3, "threads": 1})",
        R"({"flops_per_second": 1e9, "device": "cpu", "threads": -1})", R"({"device": "cpu"})"}) {
    write_file_atomic(file_, "{" + Json(processor_name()).dump() + ": " + value + "}");
    EXPECT_EQ(found_for("auto"), std::nullopt) << value;
  }
  for (const char* text : {"", "[1]", "{\"a\""}) {
    write_file_atomic(file_, text);
    EXPECT_EQ(found_for("auto"), std::nullopt) << text;
  }
  keep_rate({1e9, "cpu", 2}, file_);
  EXPECT_TRUE(found_for("auto"));
}

}  // namespace
}  // namespace apollo
