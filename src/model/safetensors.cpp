#include "model/safetensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"

namespace apollo {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

struct TypeName {
  std::string_view name;
  at::ScalarType type;
};

constexpr std::array<TypeName, 13> kTypes = {{{"F64", at::kDouble},
                                              {"F32", at::kFloat},
                                              {"F16", at::kHalf},
                                              {"BF16", at::kBFloat16},
                                              {"I64", at::kLong},
                                              {"I32", at::kInt},
                                              {"I16", at::kShort},
                                              {"I8", at::kChar},
                                              {"U32", at::kUInt32},
                                              {"U16", at::kUInt16},
                                              {"U64", at::kUInt64},
                                              {"U8", at::kByte},
                                              {"BOOL", at::kBool}}};

// Larger headers are rejected, as in the reference implementation.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

std::string_view type_name(at::ScalarType type, const std::string& tensor) {
  for (const TypeName& known : kTypes) {
    if (known.type == type) return known.name;
  }
  fail<CheckpointError>("tensor '{}': type {} has no place in safetensors", tensor,
                        at::toString(type));
}

struct Entry {
  std::string name;
  at::ScalarType type = at::kFloat;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Checks one tensor of the header: its type, its shape, and that its number of bytes fits these.
Entry parse_entry(const std::string& where, const std::string& name, const Json& json) {
  Entry entry;
  entry.name = name;
  const auto reject = [&](std::string_view what) {
    fail<CheckpointError>("{}: tensor '{}': {}", where, name, what);
  };
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets")) {
    reject("expected dtype, shape and data_offsets");
  }
  const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& known) {
    return json["dtype"] == known.name;
  });
  if (type == kTypes.end()) reject(fmt::format("unknown dtype {}", json["dtype"].dump()));
  entry.type = type->type;
  const Json& offsets = json["data_offsets"];
  if (!json["shape"].is_array() || !offsets.is_array() || offsets.size() != 2 ||
      !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
    reject("shape or data_offsets is not a list of sizes");
  }
  uint64_t bytes = at::elementSize(entry.type);
  for (const Json& size : json["shape"]) {
    if (!size.is_number_unsigned()) reject("shape is not a list of sizes");
    entry.shape.push_back(size.get<int64_t>());
    if (entry.shape.back() < 0 ||
        __builtin_mul_overflow(bytes, static_cast<uint64_t>(entry.shape.back()), &bytes)) {
      reject("shape is too large");
    }
  }
  entry.begin = offsets[0].get<uint64_t>();
  entry.end = offsets[1].get<uint64_t>();
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    reject(fmt::format("expected {} bytes for its shape, found data_offsets [{}, {}]", bytes,
                       entry.begin, entry.end));
  }
  return entry;
}

struct Header {
  std::vector<Entry> entries;  // in the order of their data
  std::map<std::string, std::string> metadata;
  uint64_t data_begin = 0;
};

// Checks that the tensors fill exactly the rest of the file, without gaps or overlap.
void check_extent(const std::string& where, const Header& header, uint64_t file_bytes) {
  uint64_t expected = 0;
  for (const Entry& entry : header.entries) {
    if (entry.begin != expected) {
      fail<CheckpointError>("{}: tensor '{}': expected its data at byte {}, found {}", where,
                            entry.name, expected, entry.begin);
    }
    expected = entry.end;
  }
  const uint64_t found = file_bytes - header.data_begin;
  if (expected != found) {
    fail<CheckpointError>("{}: expected {} bytes of tensor data, found {}; the file is {}", where,
                          expected, found, found < expected ? "truncated" : "too long");
  }
}

Header parse_header(const std::string& where, std::string_view file) {
  uint64_t header_bytes = 0;
  if (file.size() < sizeof header_bytes) {
    fail<CheckpointError>("{}: expected a safetensors file, found {} bytes", where, file.size());
  }
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes || header_bytes > file.size() - sizeof header_bytes) {
    fail<CheckpointError>(
        "{}: header of {} bytes does not fit the file of {} bytes; it is "
        "truncated or no safetensors file",
        where, header_bytes, file.size());
  }
  const Json json = try_parse_json(file.substr(sizeof header_bytes, header_bytes)).value_or(Json());
  if (!json.is_object()) fail<CheckpointError>("{}: the header is not a JSON object", where);
  Header header;
  header.data_begin = sizeof header_bytes + header_bytes;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") {
      header.entries.push_back(parse_entry(where, name, value));
      continue;
    }
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail<CheckpointError>("{}: metadata '{}' is not text", where, key);
      header.metadata[key] = text.get<std::string>();
    }
  }
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const Entry& a, const Entry& b) {
                     return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
                   });
  check_extent(where, header, file.size());
  return header;
}

// Wraps stdio so that every write is checked and a failed one names the file.
class Output {
 public:
  explicit Output(const std::filesystem::path& path) : path_(path) {
    file_ = std::fopen(path.c_str(), "wbe");
    if (file_ == nullptr) reject();
  }
  ~Output() {
    if (file_ != nullptr) std::fclose(file_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(const void* data, size_t size) {
    if (size > 0 && std::fwrite(data, 1, size, file_) != size) reject();
  }
  void close() {
    if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) reject();
    std::FILE* file = std::exchange(file_, nullptr);
    if (std::fclose(file) != 0) reject();
  }

 private:
  [[noreturn]] void reject() {
    fail<CheckpointError>("{}: cannot write: {}", path_.string(), std::strerror(errno));
  }

  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

// Reads a file. `make_tensor` makes each tensor from its entry, the address of its bytes, and the
// mapping that holds them.
SafetensorsFile read_with(const std::filesystem::path& path, const auto& make_tensor) {
  const auto file = [&] {
    try {
      return std::make_shared<const MappedFile>(path);
    } catch (const Error& error) {
      throw CheckpointError(error.what());
    }
  }();
  const std::string_view bytes = file->text();
  Header header = parse_header(path.string(), bytes);
  SafetensorsFile result;
  result.metadata = std::move(header.metadata);
  for (const Entry& entry : header.entries) {
    const char* begin = bytes.data() + header.data_begin + entry.begin;
    result.tensors.emplace_back(entry.name, make_tensor(entry, begin, file));
  }
  return result;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  NamedTensors ordered = tensors;
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    return a.second.element_size() > b.second.element_size();
  });
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : ordered) {
    const uint64_t end = offset + static_cast<uint64_t>(tensor.nbytes());
    header[name] = {{"dtype", type_name(tensor.scalar_type(), name)},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t header_bytes = text.size();
  Output output(path);
  output.write(&header_bytes, sizeof header_bytes);
  output.write(text.data(), text.size());
  for (const auto& [name, tensor] : ordered) {
    const at::Tensor bytes = tensor.detach().cpu().contiguous();
    output.write(bytes.const_data_ptr(), static_cast<size_t>(bytes.nbytes()));
  }
  output.close();
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  return read_with(path, [](const Entry& entry, const char* bytes, const auto&) {
    at::Tensor tensor = at::empty(entry.shape, entry.type);
    if (entry.end > entry.begin)
      std::memcpy(tensor.mutable_data_ptr(), bytes, entry.end - entry.begin);
    return tensor;
  });
}

SafetensorsFile map_safetensors(const std::filesystem::path& path) {
  return read_with(path, [](const Entry& entry, const char* bytes, const auto& file) {
    // Every tensor keeps the mapping alive.
    return at::from_blob(
        const_cast<char*>(bytes), entry.shape, [file](void*) {}, at::TensorOptions(entry.type));
  });
}

}  // namespace apollo
