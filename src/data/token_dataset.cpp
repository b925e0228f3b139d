#include "data/token_dataset.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/file_identity.h"
#include "base/hash.h"
#include "base/json_lines.h"
#include "base/log.h"
#include "base/progress.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "token files are mapped as they lie");

constexpr int64_t kFormatVersion = 1;
constexpr int64_t kHeaderWords = 256;
constexpr int64_t kHeaderBytes = kHeaderWords * 4;
constexpr int64_t kBlockBytes = int64_t{1} << 20;

struct HeaderForm {
  uint32_t magic;
  int64_t version;
  int64_t bytes_per_token;
};
constexpr HeaderForm kHeaderForms[] = {{20240520, 1, 2}, {20240801, 7, 4}};

// Reads the fields of dataset.json, which must all exist with the right type.
class InfoReader {
 public:
  InfoReader(const fs::path& path, const Json& object) : path_(path.string()), object_(object) {
    if (!object.is_object()) {
      fail<DataError>("{}: expected an object, found {}", path_, object.type_name());
    }
  }

  int64_t count(const char* key) const {
    const Json& value = at(key);
    if (!value.is_number_integer() || value.get<double>() < 0 ||
        value.get<double>() > static_cast<double>(std::numeric_limits<int64_t>::max() / 8)) {
      fail<DataError>("{}: '{}': expected a count, found {}", path_, key, value.dump());
    }
    return value.get<int64_t>();
  }

  std::string text(const char* key) const {
    const Json& value = at(key);
    if (!value.is_string()) {
      fail<DataError>("{}: '{}': expected a string, found {}", path_, key, value.dump());
    }
    return value.get<std::string>();
  }

  const Json& list(const char* key) const {
    const Json& value = at(key);
    if (!value.is_array()) {
      fail<DataError>("{}: '{}': expected a list, found {}", path_, key, value.dump());
    }
    return value;
  }

 private:
  const Json& at(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) fail<DataError>("{}: no field '{}'", path_, key);
    return *found;
  }

  std::string path_;
  const Json& object_;
};

DatasetInfo read_dataset_info(const fs::path& path) {
  const Json object = read_json(path);
  const InfoReader reader(path, object);
  DatasetInfo info;
  info.format_version = reader.count("format_version");
  if (info.format_version != kFormatVersion) {
    fail<DataError>(
        "{}: format version {} of another Apollo, expected {} (hint: prepare the "
        "dataset again)",
        path.string(), info.format_version, kFormatVersion);
  }
  info.bytes_per_token = reader.count("bytes_per_token");
  if (info.bytes_per_token != 2 && info.bytes_per_token != 4) {
    fail<DataError>("{}: 'bytes_per_token': expected 2 or 4, found {}", path.string(),
                    info.bytes_per_token);
  }
  info.num_tokens = reader.count("num_tokens");
  info.num_documents = reader.count("num_documents");
  info.text_bytes = reader.count("text_bytes");
  info.vocab_size = reader.count("vocab_size");
  info.tokenizer_hash = reader.text("tokenizer_hash");
  info.content_hash = reader.text("content_hash");
  info.invalid_sequences = reader.count("invalid_sequences");
  for (const Json& entry : reader.list("sources")) {
    const InfoReader source(path, entry);
    info.sources.push_back({source.text("name"), source.count("bytes"), source.text("hash")});
  }
  return info;
}

using Start = std::span<const char>;  // the first bytes of a file, at most a header's length

void check_header(const std::string& name, int64_t size, Start start, const HeaderForm& form,
                  DatasetInfo& info) {
  if (size < kHeaderBytes) {
    fail<DataError>("{}: header ends too early: expected {} bytes, found {}", name, kHeaderBytes,
                    size);
  }
  int32_t header[3];
  std::memcpy(header, start.data(), sizeof header);
  if (header[1] != form.version) {
    fail<DataError>("{}: header of llm.c with magic {}: expected version {}, found {}", name,
                    form.magic, form.version, header[1]);
  }
  info.bytes_per_token = form.bytes_per_token;
  info.num_tokens = header[2];
  const int64_t expected = kHeaderBytes + info.num_tokens * info.bytes_per_token;
  if (info.num_tokens < 0 || size != expected) {
    fail<DataError>("{}: header promises {} tokens, {} bytes in all, but the file has {}", name,
                    info.num_tokens, expected, size);
  }
}

// Whether bare tokens look like 32-bit ones. Read as 16-bit ones, every second is then tiny,
// because it is the upper half of an id below a million, and the others are not. It samples places
// spread over the file.
bool looks_like_32_bit(const RandomAccessFile& file) {
  constexpr int64_t kPlaces = 64;
  constexpr int64_t kSampleBytes = 4096;
  constexpr uint16_t kTiny = 16;
  if (file.size() % 4 != 0) return false;
  bool others_are_tiny = true;
  std::vector<uint16_t> words;
  for (int64_t i = 0; i < kPlaces; i++) {
    const int64_t offset = file.size() / 4 * i / kPlaces * 4;
    words.resize(static_cast<size_t>(std::min(kSampleBytes, file.size() - offset)) / 2);
    file.read(offset, {reinterpret_cast<char*>(words.data()), words.size() * 2});
    for (size_t k = 0; k + 1 < words.size(); k += 2) {
      if (words[k + 1] >= kTiny) return false;
      others_are_tiny = others_are_tiny && words[k] < kTiny;
    }
  }
  return !others_are_tiny;
}

void read_bare_form(const std::string& name, const RandomAccessFile& file, int64_t vocab_size,
                    DatasetInfo& info) {
  const bool by_vocabulary = vocab_size > (int64_t{1} << 16);
  const bool is_wide = by_vocabulary || looks_like_32_bit(file);
  info.bytes_per_token = is_wide ? 4 : 2;
  if (is_wide) {
    log_info("{}: taken for 32-bit tokens, since {}", name,
             by_vocabulary ? fmt::format("the vocabulary of {} needs them", vocab_size)
                           : "every second 16-bit word is below 16");
  }
  if (file.size() % info.bytes_per_token != 0) {
    fail<DataError>(
        "{}: expected uint{} tokens, found {} bytes, no multiple of {}: the file is truncated or "
        "no token file",
        name, 8 * info.bytes_per_token, file.size(), info.bytes_per_token);
  }
  info.num_tokens = file.size() / info.bytes_per_token;
}

// Fills `info` and returns where the tokens begin.
int64_t read_bin_form(const std::string& name, const RandomAccessFile& file, int64_t vocab_size,
                      DatasetInfo& info) {
  if (file.size() == 0) fail<DataError>("{}: file is empty", name);
  info.sources = {{name, file.size(), ""}};
  std::vector<char> start(static_cast<size_t>(std::min(file.size(), kHeaderBytes)));
  file.read(0, start);
  uint32_t first_word = 0;
  if (start.size() >= 4) std::memcpy(&first_word, start.data(), 4);
  for (const HeaderForm& form : kHeaderForms) {
    if (first_word == form.magic) {
      check_header(name, file.size(), start, form, info);
      return kHeaderBytes;
    }
    if (__builtin_bswap32(first_word) == form.magic) {
      fail<DataError>("{}: big-endian header of llm.c; expected little-endian", name);
    }
  }
  read_bare_form(name, file, vocab_size, info);
  return 0;
}

}  // namespace

TokenDataset::TokenDataset(fs::path path, RandomAccessFile file, int64_t offset, DatasetInfo info,
                           bool is_folder)
    : path_(std::move(path)),
      file_(std::move(file)),
      offset_(offset),
      info_(std::move(info)),
      is_folder_(is_folder) {}

TokenDataset TokenDataset::open(const fs::path& path, int64_t vocab_size) {
  if (!fs::exists(path)) fail<DataError>("{}: no such dataset", path.string());
  DatasetInfo info;
  if (!fs::is_directory(path)) {
    const bool in_folder =
        path.filename() == "tokens.bin" && fs::exists(path.parent_path() / "dataset.json");
    if (in_folder) return open(fs::absolute(path).parent_path());
    RandomAccessFile file(path);
    const int64_t offset = read_bin_form(path.string(), file, vocab_size, info);
    return TokenDataset(path, std::move(file), offset, std::move(info), /*is_folder=*/false);
  }
  if (!fs::exists(path / "dataset.json")) {
    fail<DataError>("{}: no dataset: the folder has no dataset.json", path.string());
  }
  info = read_dataset_info(path / "dataset.json");
  const fs::path tokens = path / "tokens.bin";
  if (!fs::exists(tokens)) fail<DataError>("{}: no such file", tokens.string());
  RandomAccessFile file(tokens);
  const int64_t size = file.size();
  if (size != info.num_tokens * info.bytes_per_token) {
    fail<DataError>(
        "{}: expected {} tokens of {} bytes, {} bytes in all, found {} (hint: prepare "
        "the dataset again)",
        tokens.string(), info.num_tokens, info.bytes_per_token,
        info.num_tokens * info.bytes_per_token, size);
  }
  return TokenDataset(tokens, std::move(file), 0, std::move(info), /*is_folder=*/true);
}

void TokenDataset::check_content(const fs::path& memory) {
  const std::string hash = remembered_hash(path_, memory);
  if (is_folder_) return require_hash(hash);
  info_.content_hash = info_.sources.front().hash = hash;
}

void TokenDataset::verify() const {
  if (!is_folder_) return;
  std::vector<char> block;
  Progress progress("verify", static_cast<double>(file_.size()), "B");
  StreamHash hash;
  for (int64_t offset = 0; offset < file_.size(); offset += kBlockBytes) {
    block.resize(static_cast<size_t>(std::min(kBlockBytes, file_.size() - offset)));
    file_.read(offset, block);
    hash.update({block.data(), block.size()});
    progress.update(static_cast<double>(offset));
  }
  require_hash(hash.hex());
}

void TokenDataset::require_hash(const std::string& hash) const {
  if (hash == info_.content_hash) return;
  fail<DataError>(
      "{}: damaged: content hash {}, but dataset.json says {} (hint: prepare the "
      "dataset again)",
      path_.string(), hash, info_.content_hash);
}

void TokenDataset::copy(int64_t begin, std::span<int64_t> out) const {
  const auto count = static_cast<int64_t>(out.size());
  if (begin < 0 || count > size() - begin) {
    fail<DataError>("{}: tokens {} to {} asked for, but there are {}", path_.string(), begin,
                    begin + count, size());
  }
  if (info_.bytes_per_token == 2) {
    copy_as<uint16_t>(begin, out);
  } else {
    copy_as<uint32_t>(begin, out);
  }
}

template <class Token>
void TokenDataset::copy_as(int64_t begin, std::span<int64_t> out) const {
  thread_local std::vector<Token> tokens;
  tokens.resize(out.size());
  file_.read(offset_ + begin * static_cast<int64_t>(sizeof(Token)),
             {reinterpret_cast<char*>(tokens.data()), tokens.size() * sizeof(Token)});
  std::copy(tokens.begin(), tokens.end(), out.begin());
}

int64_t TokenDataset::max_token() const {
  constexpr int64_t kBlock = int64_t{1} << 18;
  Progress progress("check tokens", static_cast<double>(size()), "tokens");
  std::vector<int64_t> tokens;
  int64_t largest = -1;
  for (int64_t begin = 0; begin < size(); begin += kBlock) {
    tokens.resize(static_cast<size_t>(std::min(kBlock, size() - begin)));
    copy(begin, tokens);
    largest = std::max(largest, *std::max_element(tokens.begin(), tokens.end()));
    progress.update(static_cast<double>(begin));
  }
  return largest;
}

bool is_token_dataset(const fs::path& path) {
  if (fs::is_directory(path)) return fs::exists(path / "dataset.json");
  return path.extension() == ".bin";
}

void write_dataset_info(const fs::path& dir, const DatasetInfo& info) {
  Json sources = Json::array();
  for (const DatasetSource& source : info.sources) {
    sources.push_back({{"name", source.name}, {"bytes", source.bytes}, {"hash", source.hash}});
  }
  const Json object = {{"format_version", info.format_version},
                       {"bytes_per_token", info.bytes_per_token},
                       {"num_tokens", info.num_tokens},
                       {"num_documents", info.num_documents},
                       {"text_bytes", info.text_bytes},
                       {"vocab_size", info.vocab_size},
                       {"tokenizer_hash", info.tokenizer_hash},
                       {"content_hash", info.content_hash},
                       {"invalid_sequences", info.invalid_sequences},
                       {"sources", std::move(sources)}};
  write_file_atomic(dir / "dataset.json",
                    object.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
}

}  // namespace apollo
