#include "data/byte_source.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/stop_signal.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunkBytes = 256 << 10;
// More than any preset of xz needs. A header that asks for more is damaged or hostile.
constexpr uint64_t kXzMemoryBytes = uint64_t{1} << 30;

struct Magic {
  std::string_view suffix;
  std::string_view bytes;
};

constexpr std::array<Magic, 3> kMagics = {{
    {".gz", "\x1F\x8B\x08"},
    {".xz", {"\xFD\x37\x7A\x58\x5A\x00", 6}},
    {".zst", "\x28\xB5\x2F\xFD"},
}};

// Returns `suffix` in lower case if it belongs to a compression, else "".
std::string known_compression(std::string suffix) {
  for (char& c : suffix) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const bool is_known = std::any_of(kMagics.begin(), kMagics.end(),
                                    [&](const Magic& magic) { return magic.suffix == suffix; });
  return is_known ? suffix : "";
}

[[noreturn]] void fail_truncated(const RawFile& file, std::string_view suffix) {
  fail<DataError>("{}: {} data end too early: the file is truncated", file.name(), suffix);
}

[[noreturn]] void fail_damaged(const RawFile& file, std::string_view suffix,
                               std::string_view reason) {
  fail<DataError>("{}: damaged {} data: {}", file.name(), suffix, reason);
}

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(const fs::path& path) : ByteSource(path) {}

  size_t read(std::span<char> out) override {
    if (rest_.empty()) rest_ = file_.next_chunk();
    const size_t count = std::min(out.size(), rest_.size());
    std::copy_n(rest_.begin(), count, out.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const char> rest_;
};

class GzipSource : public ByteSource {
 public:
  explicit GzipSource(const fs::path& path) : ByteSource(path) {
    constexpr int kGzipWindow = 15 + 16;
    if (inflateInit2(&stream_, kGzipWindow) != Z_OK) fail<Error>("zlib: cannot start");
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out == out.size()) {
      if (stream_.avail_in == 0 && !refill()) {
        if (in_member_) fail_truncated(file_, ".gz");
        break;
      }
      if (!in_member_ && !begin_member()) continue;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        in_member_ = false;
        num_members_++;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        fail_damaged(file_, ".gz", stream_.msg != nullptr ? stream_.msg : "unknown reason");
      }
    }
    return out.size() - stream_.avail_out;
  }

 private:
  bool refill() {
    const std::span<const char> chunk = file_.next_chunk();
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(chunk.data()));
    stream_.avail_in = static_cast<uInt>(chunk.size());
    return !chunk.empty();
  }

  // Skips the zeros with which tapes and block devices pad a file; returns false if nothing is
  // left.
  bool begin_member() {
    if (num_members_ > 0) {
      while (stream_.avail_in > 0 && *stream_.next_in == 0) {
        stream_.next_in++;
        stream_.avail_in--;
      }
      if (stream_.avail_in == 0) return false;
      inflateReset(&stream_);
    }
    in_member_ = true;
    return true;
  }

  z_stream stream_{};
  bool in_member_ = false;
  int64_t num_members_ = 0;
};

class XzSource : public ByteSource {
 public:
  explicit XzSource(const fs::path& path) : ByteSource(path) {
    if (lzma_stream_decoder(&stream_, kXzMemoryBytes, LZMA_CONCATENATED) != LZMA_OK) {
      fail<Error>("liblzma: cannot start");
    }
  }
  ~XzSource() override { lzma_end(&stream_); }

  size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<uint8_t*>(out.data());
    stream_.avail_out = out.size();
    while (stream_.avail_out == out.size() && !ended_) {
      if (stream_.avail_in == 0 && action_ == LZMA_RUN) {
        const std::span<const char> chunk = file_.next_chunk();
        stream_.next_in = reinterpret_cast<const uint8_t*>(chunk.data());
        stream_.avail_in = chunk.size();
        if (chunk.empty()) action_ = LZMA_FINISH;
      }
      check(lzma_code(&stream_, action_));
    }
    return out.size() - stream_.avail_out;
  }

 private:
  void check(lzma_ret status) {
    switch (status) {
      case LZMA_OK:
        return;
      case LZMA_STREAM_END:
        ended_ = true;
        return;
      case LZMA_BUF_ERROR:
        fail_truncated(file_, ".xz");
      case LZMA_FORMAT_ERROR:
        fail_damaged(file_, ".xz", "no xz header");
      case LZMA_OPTIONS_ERROR:
        fail_damaged(file_, ".xz", "unknown options");
      case LZMA_DATA_ERROR:
        fail_damaged(file_, ".xz", "corrupt data");
      case LZMA_MEMLIMIT_ERROR:
        fail_damaged(file_, ".xz", "needs more than 1 GiB to unpack");
      default:
        fail_damaged(file_, ".xz", fmt::format("liblzma code {}", int(status)));
    }
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  lzma_action action_ = LZMA_RUN;
  bool ended_ = false;
};

class ZstdSource : public ByteSource {
 public:
  explicit ZstdSource(const fs::path& path) : ByteSource(path), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) fail<Error>("zstd: cannot start");
    // `zstd --long=31` writes such files; the default refuses more than 27.
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, 31);
  }

  size_t read(std::span<char> out) override {
    ZSTD_outBuffer target{out.data(), out.size(), 0};
    while (target.pos == 0) {
      if (input_.pos == input_.size && !output_pending_) {
        const std::span<const char> chunk = file_.next_chunk();
        input_ = {chunk.data(), chunk.size(), 0};
        if (chunk.empty()) {
          if (in_frame_) fail_truncated(file_, ".zst");
          break;
        }
      }
      const size_t hint = ZSTD_decompressStream(stream_.get(), &target, &input_);
      if (ZSTD_isError(hint)) fail_damaged(file_, ".zst", ZSTD_getErrorName(hint));
      in_frame_ = hint != 0;
      // If the target is full, unpacked bytes may be left inside the decoder although all input is
      // used.
      output_pending_ = in_frame_ && target.pos == target.size;
    }
    return target.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  ZSTD_inBuffer input_{nullptr, 0, 0};
  bool in_frame_ = false;
  bool output_pending_ = false;
};

}  // namespace

int64_t checked_file_size(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    fail<DataError>("{}: no such file", path.string());
  }
  if (error) fail<DataError>("{}: cannot open: {}", path.string(), error.message());
  if (fs::is_directory(status)) {
    fail<DataError>("{}: expected a file, found a folder", path.string());
  }
  if (!fs::is_regular_file(status)) return 0;
  const auto size = static_cast<int64_t>(fs::file_size(path));
  if (size == 0) fail<DataError>("{}: file is empty", path.string());
  return size;
}

RawFile::RawFile(const fs::path& path)
    : name_(path.string()), size_(checked_file_size(path)), chunk_(kChunkBytes) {
  std::optional<WaitingForInput> waiting;
  if (size_ == 0) waiting.emplace();  // a pipe, which opens when somebody opens its other end
  file_.reset(std::fopen(path.c_str(), "rb"));
  if (file_ == nullptr) fail<DataError>("{}: cannot open: {}", name_, std::strerror(errno));
}

std::span<const char> RawFile::next_chunk() {
  std::optional<WaitingForInput> waiting;
  if (size_ == 0) waiting.emplace();  // a pipe, which may be silent for long
  const size_t count = std::fread(chunk_.data(), 1, chunk_.size(), file_.get());
  if (count < chunk_.size() && std::ferror(file_.get()) != 0) {
    fail<DataError>("{}: cannot read: {}", name_, std::strerror(errno));
  }
  bytes_read_ += static_cast<int64_t>(count);
  hash_.update({chunk_.data(), count});
  return {chunk_.data(), count};
}

bool is_compression_suffix(const fs::path& suffix) {
  return !known_compression(suffix.string()).empty();
}

std::string compression_of(const fs::path& path) {
  const std::string suffix = known_compression(path.extension().string());
  if (!suffix.empty() || !fs::is_regular_file(path)) return suffix;
  std::array<char, 6> first{};
  std::ifstream(path, std::ios::binary).read(first.data(), first.size());
  const std::string_view start(first.data(), first.size());
  for (const Magic& magic : kMagics) {
    if (start.starts_with(magic.bytes)) return std::string(magic.suffix);
  }
  return "";
}

std::unique_ptr<ByteSource> ByteSource::open(const fs::path& path) {
  const std::string suffix = compression_of(path);
  if (suffix == ".gz") return std::make_unique<GzipSource>(path);
  if (suffix == ".xz") return std::make_unique<XzSource>(path);
  if (suffix == ".zst") return std::make_unique<ZstdSource>(path);
  return std::make_unique<PlainSource>(path);
}

}  // namespace apollo
