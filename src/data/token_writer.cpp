#include "data/token_writer.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace apollo {
namespace {

constexpr int64_t kMaxUint16Vocab = 65536;

}  // namespace

TokenWriter::TokenWriter(std::filesystem::path dir, int64_t vocab_size)
    : dir_(std::move(dir)), path_(dir_ / "tokens.bin"), vocab_size_(vocab_size) {
  file_.reset(std::fopen(path_.c_str(), "wbe"));
  if (file_ == nullptr) fail<Error>("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

void TokenWriter::append(std::span<const TokenId> ids) {
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocab_size_) {
      fail<DataError>("{}: tokenizer gave id {}, outside of its vocabulary of {}", path_.string(),
                      id, vocab_size_);
    }
  }
  if (vocab_size_ <= kMaxUint16Vocab) {
    append_as<uint16_t>(ids);
  } else {
    append_as<uint32_t>(ids);
  }
  num_tokens_ += static_cast<int64_t>(ids.size());
}

template <class Token>
void TokenWriter::append_as(std::span<const TokenId> ids) {
  const std::vector<Token> tokens(ids.begin(), ids.end());
  write({reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(Token)});
}

void TokenWriter::write(std::span<const char> bytes) {
  hash_.update({bytes.data(), bytes.size()});
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    fail<Error>("{}: cannot write: {}", path_.string(), std::strerror(errno));
  }
}

DatasetInfo TokenWriter::finish(DatasetInfo info) {
  if (std::fclose(file_.release()) != 0) {
    fail<Error>("{}: cannot write: {}", path_.string(), std::strerror(errno));
  }
  info.bytes_per_token = vocab_size_ <= kMaxUint16Vocab ? 2 : 4;
  info.num_tokens = num_tokens_;
  info.vocab_size = vocab_size_;
  info.content_hash = hash_.hex();
  write_dataset_info(dir_, info);
  return info;
}

}  // namespace apollo
