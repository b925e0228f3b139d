#include "config/value_names.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

TEST(ValueNames, ATokenizerThatIsTrained) {
  using Kind = TrainedTokenizer::Kind;
  const auto bpe = parse_trained_tokenizer("train:bpe:8192");
  ASSERT_TRUE(bpe);
  EXPECT_EQ(bpe->kind, Kind::kBpe);
  EXPECT_FALSE(bpe->lowercase);
  EXPECT_EQ(bpe->vocab_size, 8192);

  const auto wordpiece = parse_trained_tokenizer("train:wordpiece:300");
  ASSERT_TRUE(wordpiece);
  EXPECT_EQ(wordpiece->kind, Kind::kWordPiece);
  EXPECT_TRUE(wordpiece->lowercase);
  EXPECT_EQ(wordpiece->vocab_size, 300);

  const auto cased = parse_trained_tokenizer("train:wordpiece-cased:1");
  ASSERT_TRUE(cased);
  EXPECT_EQ(cased->kind, Kind::kWordPiece);
  EXPECT_FALSE(cased->lowercase);
}

TEST(ValueNames, WhatIsNoTrainedTokenizer) {
  for (const char* text :
       {"", "bytes", "folder/", "train:", "train:bpe", "train:bpe:", "train:bpe:0", "train:bpe:-5",
        "train:bpe:8k", "train:bpe: 8", "train:bpe:99999999999999999999", "train:unigram:8192",
        "Train:bpe:8192", "train:wordpiece-cased"}) {
    EXPECT_FALSE(parse_trained_tokenizer(text)) << text;
  }
  EXPECT_TRUE(asks_for_training("train:unigram:8192"));
  EXPECT_FALSE(asks_for_training("trained/"));
}

TEST(ValueNames, Devices) {
  using Kind = DeviceName::Kind;
  EXPECT_EQ(parse_device_name("auto")->kind, Kind::kAuto);
  EXPECT_EQ(parse_device_name("cpu")->kind, Kind::kCpu);
  EXPECT_EQ(parse_device_name("cuda")->kind, Kind::kCuda);
  EXPECT_EQ(parse_device_name("cuda")->index, 0);
  EXPECT_EQ(parse_device_name("cuda:3")->index, 3);
  for (const char* text : {"", "tpu", "CPU", "cuda:", "cuda:-1", "cuda:1x", "cuda1", "cuda 1"})
    EXPECT_FALSE(parse_device_name(text)) << text;
}

}  // namespace
}  // namespace apollo
