#include "base/hash.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

TEST(Hash, IsXxh3) {
  // XXH3_128bits of nothing, as xxhsum -H2 prints it.
  EXPECT_EQ(hash_text(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_NE(hash_text("a"), hash_text("b"));
}

TEST(Hash, OfAStreamAndOfAFileIsThatOfTheWhole) {
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text += std::to_string(i * 7919 % 1000);
  for (const size_t piece : {size_t{1}, size_t{63}, size_t{1024}, text.size()}) {
    StreamHash hash;
    for (size_t at = 0; at < text.size(); at += piece) {
      hash.update(std::string_view(text).substr(at, piece));
    }
    EXPECT_EQ(hash.hex(), hash_text(text)) << "pieces of " << piece;
    EXPECT_EQ(hash.hex(), hash_text(text)) << "reading it changes nothing";
  }
  const TempDir dir;
  std::ofstream(dir / "a", std::ios::binary) << text;
  EXPECT_EQ(hash_file(dir / "a"), hash_text(text));
  std::ofstream(dir / "empty", std::ios::binary);
  EXPECT_EQ(hash_file(dir / "empty"), hash_text(""));
  const std::string large(static_cast<size_t>(5) << 19, 'x');  // two pieces and a half
  std::ofstream(dir / "large", std::ios::binary) << large;
  EXPECT_EQ(hash_file(dir / "large"), hash_text(large));
  EXPECT_THROW(hash_file(dir / "absent"), Error);
}

}  // namespace
}  // namespace apollo
