#include "base/error.h"

#include <gtest/gtest.h>

#include <csignal>

#include "support/thrown_text.h"

namespace apollo {
namespace {

TEST(Error, FailFormatsItsMessage) {
  EXPECT_EQ(thrown_text<DataError>([] { fail<DataError>("{}: expected {}", "a.txt", 3); }),
            "a.txt: expected 3");
}

TEST(Error, AConfigErrorJoinsAllItsFaults) {
  const ConfigError error({{"run.toml:3:1", "unknown key 'lr'", "did you mean 'train.lr'?"},
                           {"--set", "no value", ""},
                           {"train.clip", "must be at least 0 (got -1)", "0: no clipping"}});
  EXPECT_STREQ(error.what(),
               "run.toml:3:1: error: unknown key 'lr'\n"
               "  hint: did you mean 'train.lr'?\n"
               "--set: error: no value\n"
               "train.clip: error: must be at least 0 (got -1)\n"
               "  hint: 0: no clipping");
  EXPECT_EQ(error.diagnostics().size(), 3u);
}

TEST(Error, InterruptedNamesItsSignal) {
  EXPECT_STREQ(Interrupted(SIGINT).what(), "stopped by SIGINT");
  EXPECT_STREQ(Interrupted(SIGTERM).what(), "stopped by SIGTERM");
  EXPECT_EQ(Interrupted(SIGTERM).signal(), SIGTERM);
}

}  // namespace
}  // namespace apollo
