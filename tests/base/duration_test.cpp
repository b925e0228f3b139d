#include "base/duration.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

TEST(Duration, ReadsEveryUnit) {
  EXPECT_EQ(parse_duration("500 steps"), (Duration{500, DurationUnit::kSteps}));
  EXPECT_EQ(parse_duration("1 step"), (Duration{1, DurationUnit::kSteps}));
  EXPECT_EQ(parse_duration("10M tokens"), (Duration{1e7, DurationUnit::kTokens}));
  EXPECT_EQ(parse_duration("2k tokens"), (Duration{2000, DurationUnit::kTokens}));
  EXPECT_EQ(parse_duration("20 tokens per parameter"),
            (Duration{20, DurationUnit::kTokensPerParameter}));
  EXPECT_EQ(parse_duration("0.5 epochs"), (Duration{0.5, DurationUnit::kEpochs}));
  EXPECT_EQ(parse_duration("1 epoch"), (Duration{1, DurationUnit::kEpochs}));
  EXPECT_EQ(parse_duration("1e15 flops"), (Duration{1e15, DurationUnit::kFlops}));
  EXPECT_EQ(parse_duration("3P flops"), (Duration{3e15, DurationUnit::kFlops}));
  EXPECT_EQ(parse_duration("1.5 hours"), (Duration{1.5, DurationUnit::kHours}));
  EXPECT_EQ(parse_duration("5 minutes"), (Duration{5, DurationUnit::kMinutes}));
  EXPECT_EQ(parse_duration("1 second"), (Duration{1, DurationUnit::kSeconds}));
  EXPECT_EQ(parse_duration("2.5%"), (Duration{2.5, DurationUnit::kPercent}));
  EXPECT_EQ(parse_duration(" 2.5 percent\t"), (Duration{2.5, DurationUnit::kPercent}));
  EXPECT_EQ(parse_duration("80% steps"), (Duration{80, DurationUnit::kPercentSteps}));
  EXPECT_EQ(parse_duration("80 % steps"), (Duration{80, DurationUnit::kPercentSteps}));
  EXPECT_EQ(parse_duration("0 steps"), (Duration{0, DurationUnit::kSteps}));
}

TEST(Duration, OfATimeInSeconds) {
  EXPECT_EQ(seconds_of(parse_duration("1.5 hours")), 5400.0);
  EXPECT_EQ(seconds_of(parse_duration("3 minutes")), 180.0);
  EXPECT_EQ(seconds_of(parse_duration("0.5 seconds")), 0.5);
  EXPECT_EQ(seconds_of(parse_duration("3 steps")), std::nullopt);
}

TEST(Duration, TextAndValueRoundTrip) {
  EXPECT_EQ(to_string({500, DurationUnit::kSteps}), "500 steps");
  EXPECT_EQ(to_string({2.5, DurationUnit::kPercent}), "2.5%");
  EXPECT_EQ(to_string({1e18, DurationUnit::kFlops}), "1e18 flops");
  EXPECT_EQ(to_string({5e12, DurationUnit::kFlops}), "5e12 flops");
  EXPECT_EQ(to_string({1.25e13, DurationUnit::kFlops}), "1.25e13 flops");
  EXPECT_EQ(to_string({0.1, DurationUnit::kHours}), "0.1 hours");
  for (uint64_t i = 0; i < 3000; ++i) {
    const double scale = std::vector<double>{1, 1e-9, 1e6, 1e21}[i % 4];
    const Duration duration{random_uniform(1, RngStream::kInit, i) * scale,
                            static_cast<DurationUnit>(i % 10)};
    EXPECT_EQ(parse_duration(to_string(duration)), duration) << to_string(duration);
  }
}

TEST(Duration, HasANameForFiles) {
  const std::pair<const char*, const char*> names[] = {
      {"0 steps", "0-steps"},
      {"500 steps", "500-steps"},
      {"1500 steps", "1.5k-steps"},
      {"1234 steps", "1234-steps"},
      {"1M tokens", "1M-tokens"},
      {"100M tokens", "100M-tokens"},
      {"80% steps", "80-percent-steps"},
      {"2.5%", "2.5-percent"},
      {"1e15 flops", "1P-flops"},
      {"0.5 hours", "0.5-hours"},
      {"20 tokens per parameter", "20-tokens-per-parameter"}};
  for (const auto& [text, name] : names)
    EXPECT_EQ(file_name(parse_duration(text)), name);
}

TEST(Duration, RefusesWhatIsNoDuration) {
  EXPECT_EQ(
      thrown_text<UsageError>([] { parse_duration("10 days"); }),
      "'10 days' is not a duration: expected a number and a unit, one of steps, tokens, "
      "tokens per parameter, epochs, flops, hours, minutes, seconds, %, % steps (for example \"500 "
      "steps\", \"10M tokens\", \"2.5%\")");
  for (const char* text : {"", " ", "steps", "10", "10 ", "-1 steps", "nan steps", "inf steps",
                           "1e999 steps", "10 steps more", "10 Steps", "0x10 steps", "10K tokens",
                           "10M", "M tokens", "5%%", "1,000 steps"}) {
    EXPECT_THROW(parse_duration(text), UsageError) << "'" << text << "'";
  }
}

}  // namespace
}  // namespace apollo
