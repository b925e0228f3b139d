// What the tests of data/ share: files with any content, compressed files, and error messages.
#pragma once

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/token_dataset.h"
#include "data/token_writer.h"

namespace apollo {

inline std::filesystem::path write(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << content;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
  return path;
}

// Returns the message of the E that `action` throws; another exception or none fails the test.
template <class E, class Action>
std::string error_text(Action&& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "(no error)";
}

// Writes a dataset of these tokens into the existing folder `dir`.
inline TokenDataset make_dataset(const std::filesystem::path& dir, const std::vector<TokenId>& ids,
                                 int64_t vocab_size) {
  TokenWriter writer(dir, vocab_size);
  writer.append(ids);
  writer.finish({});
  return TokenDataset::open(dir);
}

inline std::string gzip(std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("deflate");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string xz(std::string_view text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  size_t size = 0;
  if (lzma_easy_buffer_encode(
          1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(text.data()), text.size(),
          reinterpret_cast<uint8_t*>(out.data()), &size, out.size()) != LZMA_OK) {
    throw std::runtime_error("lzma_easy_buffer_encode");
  }
  out.resize(size);
  return out;
}

inline std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  if (ZSTD_isError(size)) throw std::runtime_error("ZSTD_compress");
  out.resize(size);
  return out;
}

inline std::string compress(std::string_view text, std::string_view suffix) {
  if (suffix == ".gz") return gzip(text);
  if (suffix == ".xz") return xz(text);
  if (suffix == ".zst") return zstd(text);
  return std::string(text);
}

// Returns text rich in what is hard on pre-tokenisers: runs of all kinds of white space,
// contractions, digits, letters of several scripts, and sometimes bytes that are not UTF-8.
inline std::string random_text(std::mt19937_64& random, size_t num_parts,
                               bool with_invalid = false) {
  static const std::vector<std::string> kParts = {" ",
                                                  " ",
                                                  " ",
                                                  "  ",
                                                  "\n",
                                                  "\n\n",
                                                  "\r\n",
                                                  "\t",
                                                  "a",
                                                  "b",
                                                  "the",
                                                  " the",
                                                  "'s",
                                                  "'ll",
                                                  "'",
                                                  "l",
                                                  "1",
                                                  "23",
                                                  "!",
                                                  "...",
                                                  " (",
                                                  "\xC3\xA9",
                                                  "\xC2\xA0",
                                                  "\xC2\x85",
                                                  "\v",
                                                  "\f",
                                                  "\x1C",
                                                  "\x7F",
                                                  " \n ",
                                                  "\xE3\x80\x80",
                                                  "\xE2\x80\x8B",
                                                  "\xE2\x80\xA8",
                                                  "Z",
                                                  "_",
                                                  "-",
                                                  "\xE2\x80\x9D",
                                                  "\xE4\xB8\xAD",
                                                  "\xE3\x80\x82",
                                                  "\xF0\x9F\x98\x80",
                                                  "\xE1\x9A\x80",
                                                  "\xE1\xA0\x8E",
                                                  "\xE2\x81\x9F",
                                                  "\xEF\xBB\xBF",
                                                  "\xE2\x80\x89",
                                                  "\xCC\x81"};
  static const std::vector<std::string> kInvalid = {"\xFF", "\xE2\x80", "\x85",        "\xA0",
                                                    "\xC2", "\xF0\x9F", "\xED\xA0\x80"};
  std::string text;
  for (size_t i = 0; i < num_parts; i++) {
    text += kParts[random() % kParts.size()];
    if (with_invalid && random() % 100 == 0) text += kInvalid[random() % kInvalid.size()];
  }
  return text;
}

}  // namespace apollo
