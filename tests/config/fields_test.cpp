#include "config/fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <sstream>
#include <string>

namespace apollo {
namespace {

TEST(Fields, EveryPathIsThereOnce) {
  const std::vector<std::string>& paths = field_paths();
  EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), paths.size());
  EXPECT_EQ(paths.size(), 84u);
  EXPECT_EQ(paths.front(), "run.name");
  EXPECT_EQ(paths.back(), "checkpoint.at");
}

TEST(Fields, EnumNamesAreInTheOrderOfTheEnumerators) {
  EXPECT_EQ(enum_name(Kernels::kReference), "reference");
  EXPECT_EQ(enum_name(Architecture::kBert), "bert");
  EXPECT_EQ(enum_name(LrSchedule::kWsd), "wsd");
  EXPECT_EQ(enum_name(LrAxis::kFlops), "flops");
  EXPECT_EQ(enum_name(Precision::kBf16), "bf16");
  EXPECT_EQ(enum_name(LayerMapKind::kStack), "stack");
  EXPECT_EQ(enum_name(DepthSamplerKind::kSigmoid), "sigmoid");
  EXPECT_EQ(enum_name(DepthSamplerKind::kShallowest), "shallowest");
  EXPECT_EQ(enum_name(DepthDraw::kMicroBatch), "micro_batch");
  EXPECT_EQ(enum_name(LayerMapKind::kMiddleBlock), "middle_block");
  EXPECT_EQ(enum_name(LayerMapKind::kMiddle), "middle");
  EXPECT_EQ(enum_name(NewLayers::kIdentity), "identity");
  EXPECT_EQ(enum_name(NewLayers::kRandom), "random");
  EXPECT_EQ(enum_name(Trains::kNew), "new");
  EXPECT_EQ(enum_name(OptimizerStateRule::kTransport), "transport");
  EXPECT_EQ(enum_name(OptimizerStateRule::kKeep), "keep");
  EXPECT_EQ(enum_name(OptimizerStateRule::kReset), "reset");
  EXPECT_EQ(enum_name(EvalDepth::kFull), "full");
}

TEST(Fields, ParseEnumForTheCommandLine) {
  EXPECT_EQ(parse_enum<LayerMapKind>("stack", "--map"), LayerMapKind::kStack);
  try {
    parse_enum<LayerMapKind>("stak", "--map");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "--map must be one of 'interpolate', 'stack', 'middle_block', 'middle' (got "
                 "'stak'); did you "
                 "mean 'stack'?");
  }
}

TEST(Fields, TextOfValues) {
  EXPECT_EQ(toml_text(std::string("a \"b\" \\ \n\x7f é")), R"("a \"b\" \\ \u000a\u007f é")");
  EXPECT_EQ(toml_text(1.0), "1.0");
  EXPECT_EQ(toml_text(true), "true");
  EXPECT_EQ(toml_text(1e-8), "1e-08");
  EXPECT_EQ(toml_text(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(toml_text(Duration{2.5, DurationUnit::kPercent}), "\"2.5%\"");
  EXPECT_EQ(toml_text(std::vector<StageSpec>{{1, Duration{5, DurationUnit::kPercent}}, {12, {}}}),
            "[{layers = 1, until = \"5%\"}, {layers = 12}]");
  EXPECT_EQ(toml_text(std::vector<EvalDepth>{EvalDepth::kStage, EvalDepth::kFull}),
            "[\"stage\", \"full\"]");
  EXPECT_EQ(toml_text(std::vector<std::string>{}), "[]");
}

TEST(Fields, ReferenceBeginsWithWhatAFirstRunNeeds) {
  const std::string reference = config_reference();
  const std::string first = reference.substr(0, reference.find("# All keys."));
  EXPECT_EQ(std::count(first.begin(), first.end(), '='), 10);
  for (const char* key : {"train", "valid_fraction", "tokenizer", "layers", "width", "heads",
                          "context", "duration", "lr", "method"}) {
    EXPECT_NE(first.find(std::string("\n") + key + " = "), std::string::npos) << key;
  }
  EXPECT_EQ(first.find("(expert)"), std::string::npos);
}

TEST(Fields, EveryExpertKeyIsMarkedOnce) {
  const std::string reference = config_reference();
  size_t num_marks = 0;
  for (size_t at = reference.find("(expert) "); at != std::string::npos;
       at = reference.find("(expert) ", at + 1)) {
    ++num_marks;
  }
  EXPECT_EQ(num_marks, 45u);  // a key that was renamed would miss its mark
  EXPECT_LT(num_marks, field_paths().size());
}

TEST(Fields, ReferenceFitsAHundredColumns) {
  std::istringstream lines(config_reference());
  for (std::string line; std::getline(lines, line);)
    EXPECT_LE(line.size(), 100u) << line;
}

TEST(Fields, ReferenceShowsDefaultChoicesAndHelp) {
  const std::string reference = config_reference();
  EXPECT_NE(reference.find("[run]\nname = \"run\" "), std::string::npos);
  EXPECT_NE(reference.find("lr = 0.001                         # peak learning rate\n"),
            std::string::npos);
  EXPECT_NE(
      reference.find("mask_whole_words = false           # (expert) masked models: mask all tokens "
                     "of a word, or none\n"),
      std::string::npos);
  EXPECT_NE(
      reference.find("lr_axis = \"steps\"                  # whether the schedule follows steps or "
                     "FLOPs ['steps', 'flops']\n"),
      std::string::npos);
  for (const std::string& path : field_paths()) {
    EXPECT_NE(reference.find("\n" + path.substr(path.find('.') + 1) + " = "), std::string::npos)
        << path;
  }
}

}  // namespace
}  // namespace apollo
