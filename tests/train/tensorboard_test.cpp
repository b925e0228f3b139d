// Event files as TensorBoard itself reads them.
#include "train/tensorboard.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/python_original.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

nlohmann::json values_of(const std::filesystem::path& dir) {
  // TensorBoard prints notices of its own before.
  const std::string printed = run_python("tests/train/read_events.py", "'" + dir.string() + "'");
  return nlohmann::json::parse(printed.substr(printed.find("{\"")));
}

bool has_tensorboard() {
  const std::string command =
      "'" + venv_python().string() + "' -c 'import tensorboard' > /dev/null 2>&1";
  return std::system(command.c_str()) == 0;
}

#define SKIP_WITHOUT_TENSORBOARD() \
  APOLLO_SKIP_WITHOUT_PYTHON();    \
  if (!has_tensorboard()) GTEST_SKIP() << "the Python package 'tensorboard' is absent"

TEST(Crc32c, GivesThePublishedAnswers) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

TEST(Tensorboard, ReadsOurScalars) {
  SKIP_WITHOUT_TENSORBOARD();
  const TempDir dir;
  {
    TensorboardWriter writer(dir.path(), 0);
    for (int64_t step = 1; step <= 300; ++step) {
      writer.scalar("train/loss", step, 1.0 / static_cast<double>(step));
    }
    writer.scalar("train/loss", 5'000'000'000, -2.5);
    writer.scalar("valid/loss_full", 200, 3.25);
  }
  const nlohmann::json scalars = values_of(dir.path());
  ASSERT_EQ(scalars.size(), 2u);
  EXPECT_EQ(scalars.at("valid/loss_full"), nlohmann::json::parse("[[200, 3.25]]"));
  const auto& loss = scalars.at("train/loss");
  ASSERT_EQ(loss.size(), 301u);
  for (size_t i = 0; i < 300; ++i) {
    EXPECT_EQ(loss[i][0], i + 1);
    EXPECT_EQ(loss[i][1].get<float>(), static_cast<float>(1.0 / static_cast<double>(i + 1)));
  }
  EXPECT_EQ(loss[300], nlohmann::json::parse("[5000000000, -2.5]"));
}

TEST(Tensorboard, ReadsOurTexts) {
  SKIP_WITHOUT_TENSORBOARD();
  const TempDir dir;
  {
    TensorboardWriter writer(dir.path(), 0);
    writer.scalar("x", 1, 1.0);
    writer.text("sample", 3, "");
    writer.text("sample", 7, "# Größe *is*\nno <b>Markdown\x1b");
  }
  const nlohmann::json values = values_of(dir.path());
  EXPECT_EQ(values.at("x"), nlohmann::json::parse("[[1, 1.0]]"));
  EXPECT_EQ(values.at("sample"),
            (nlohmann::json{{3, "    "}, {7, "    # Größe *is*\n    no <b>Markdown\\x1b"}}));
}

TEST(Tensorboard, DropsTheStepsThatAreRunAgain) {
  SKIP_WITHOUT_TENSORBOARD();
  const TempDir dir;
  {
    TensorboardWriter writer(dir.path(), 0);
    for (int64_t step = 1; step <= 10; ++step)
      writer.scalar("x", step, 1.0);
  }
  {
    TensorboardWriter writer(dir.path(), 7);
    for (int64_t step = 7; step <= 8; ++step)
      writer.scalar("x", step, 2.0);
  }
  EXPECT_EQ(values_of(dir.path()).at("x"),
            nlohmann::json::parse("[[1,1],[2,1],[3,1],[4,1],[5,1],[6,1],[7,2],[8,2]]"));
}

TEST(Tensorboard, NamesAFolderThatCannotBeWritten) {
  const TempDir dir;
  const std::string text = thrown_text<Error>([&] { TensorboardWriter writer(dir / "absent", 0); });
  EXPECT_TRUE(text.starts_with((dir / "absent/events.out.tfevents.").string())) << text;
  EXPECT_TRUE(text.ends_with(": cannot write: No such file or directory")) << text;
}

}  // namespace
}  // namespace apollo
