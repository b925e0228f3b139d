#include "data/token_dataset.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/json_lines.h"
#include "base/progress.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "token files are mapped as they lie");

constexpr int64_t kFormatVersion = 1;
constexpr int64_t kHeaderWords = 256;
constexpr int64_t kHeaderBytes = kHeaderWords * 4;

struct HeaderForm {
  uint32_t magic;
  int64_t version;
  int64_t bytes_per_token;
};
constexpr HeaderForm kHeaderForms[] = {{20240520, 1, 2}, {20240801, 7, 4}};

// Reads the fields of dataset.json, each of which must be there and of its type.
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

// A .bin file has no hash of its own: size, first and last MiB tell one from another cheaply.
std::string quick_hash(std::string_view content) {
  constexpr size_t kEnd = 1 << 20;
  StreamHash hash;
  hash.update(std::to_string(content.size()) + '\n');
  hash.update(content.substr(0, kEnd));
  hash.update(content.substr(content.size() - std::min(content.size(), kEnd)));
  return hash.hex();
}

void check_header(const std::string& name, std::string_view content, const HeaderForm& form,
                  DatasetInfo& info) {
  const auto size = static_cast<int64_t>(content.size());
  if (size < kHeaderBytes) {
    fail<DataError>("{}: header ends too early: expected {} bytes, found {}", name, kHeaderBytes,
                    size);
  }
  int32_t header[3];
  std::memcpy(header, content.data(), sizeof header);
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

// Fills `info` and returns where the tokens begin.
int64_t read_bin_form(const std::string& name, std::string_view content, DatasetInfo& info) {
  if (content.empty()) fail<DataError>("{}: file is empty", name);
  info.content_hash = quick_hash(content);
  info.sources = {{name, static_cast<int64_t>(content.size()), info.content_hash}};
  uint32_t first_word = 0;
  if (content.size() >= 4) std::memcpy(&first_word, content.data(), 4);
  for (const HeaderForm& form : kHeaderForms) {
    if (first_word == form.magic) {
      check_header(name, content, form, info);
      return kHeaderBytes;
    }
    if (__builtin_bswap32(first_word) == form.magic) {
      fail<DataError>("{}: big-endian header of llm.c; expected little-endian", name);
    }
  }
  if (content.size() % 2 != 0) {
    fail<DataError>(
        "{}: expected uint16 tokens, found an odd number of bytes ({}): the file is "
        "truncated or no token file",
        name, content.size());
  }
  info.bytes_per_token = 2;
  info.num_tokens = static_cast<int64_t>(content.size() / 2);
  return 0;
}

template <class Token>
int64_t max_of(std::span<const std::byte> bytes, Progress& progress) {
  constexpr size_t kBlock = size_t{1} << 22;
  const auto* tokens = reinterpret_cast<const Token*>(bytes.data());
  const size_t count = bytes.size() / sizeof(Token);
  Token largest = 0;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(count, begin + kBlock);
    for (size_t i = begin; i < end; i++)
      largest = std::max(largest, tokens[i]);
    progress.update(static_cast<double>(end * sizeof(Token)));
  }
  return count == 0 ? -1 : static_cast<int64_t>(largest);
}

}  // namespace

TokenDataset::TokenDataset(fs::path path, MappedFile file, int64_t offset, DatasetInfo info,
                           bool is_folder)
    : path_(std::move(path)),
      file_(std::move(file)),
      offset_(offset),
      info_(std::move(info)),
      is_folder_(is_folder) {}

TokenDataset TokenDataset::open(const fs::path& path) {
  if (!fs::exists(path)) fail<DataError>("{}: no such dataset", path.string());
  DatasetInfo info;
  if (!fs::is_directory(path)) {
    const bool in_folder =
        path.filename() == "tokens.bin" && fs::exists(path.parent_path() / "dataset.json");
    if (in_folder) return open(fs::absolute(path).parent_path());
    MappedFile file(path);
    const int64_t offset = read_bin_form(path.string(), file.text(), info);
    return TokenDataset(path, std::move(file), offset, std::move(info), /*is_folder=*/false);
  }
  if (!fs::exists(path / "dataset.json")) {
    fail<DataError>("{}: no dataset: the folder has no dataset.json", path.string());
  }
  info = read_dataset_info(path / "dataset.json");
  const fs::path tokens = path / "tokens.bin";
  if (!fs::exists(tokens)) fail<DataError>("{}: no such file", tokens.string());
  MappedFile file(tokens);
  const auto size = static_cast<int64_t>(file.bytes().size());
  if (size != info.num_tokens * info.bytes_per_token) {
    fail<DataError>(
        "{}: expected {} tokens of {} bytes, {} bytes in all, found {} (hint: prepare "
        "the dataset again)",
        tokens.string(), info.num_tokens, info.bytes_per_token,
        info.num_tokens * info.bytes_per_token, size);
  }
  return TokenDataset(tokens, std::move(file), 0, std::move(info), /*is_folder=*/true);
}

void TokenDataset::verify() const {
  if (!is_folder_) return;
  constexpr size_t kBlock = size_t{1} << 22;
  Progress progress("verify", static_cast<double>(file_.bytes().size()), "B");
  StreamHash hash;
  for (std::string_view rest = file_.text(); !rest.empty();) {
    hash.update(rest.substr(0, kBlock));
    rest.remove_prefix(std::min(kBlock, rest.size()));
    progress.update(static_cast<double>(file_.bytes().size() - rest.size()));
  }
  if (hash.hex() != info_.content_hash) {
    fail<DataError>(
        "{}: damaged: content hash {}, but dataset.json says {} (hint: prepare the "
        "dataset again)",
        path_.string(), hash.hex(), info_.content_hash);
  }
}

void TokenDataset::copy(int64_t begin, std::span<int64_t> out) const {
  const auto count = static_cast<int64_t>(out.size());
  if (begin < 0 || count > size() - begin) {
    fail<DataError>("{}: tokens {} to {} asked for, but there are {}", path_.string(), begin,
                    begin + count, size());
  }
  const std::byte* source = file_.bytes().data() + offset_ + begin * info_.bytes_per_token;
  if (info_.bytes_per_token == 2) {
    const auto* tokens = reinterpret_cast<const uint16_t*>(source);
    std::copy_n(tokens, count, out.data());
  } else {
    const auto* tokens = reinterpret_cast<const uint32_t*>(source);
    std::copy_n(tokens, count, out.data());
  }
}

int64_t TokenDataset::max_token() const {
  const auto tokens = file_.bytes().subspan(static_cast<size_t>(offset_));
  Progress progress("check tokens", static_cast<double>(tokens.size()), "B");
  return info_.bytes_per_token == 2 ? max_of<uint16_t>(tokens, progress)
                                    : max_of<uint32_t>(tokens, progress);
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
