#include "train/tensorboard.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/printable.h"

namespace apollo {
namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = value >> 1 ^ (value & 1 ? 0x82F63B78u : 0u);
    table[i] = value;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

// TFRecord stores checksums rotated and offset, so that a checksum of data that contains checksums
// stays strong.
uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u;
}

// The few wire types of protocol buffers that an Event needs.
class Message {
 public:
  void put_varint(int field, uint64_t value) {
    put_tag(field, 0);
    put_raw_varint(value);
  }
  void put_double(int field, double value) {
    put_tag(field, 1);
    put_raw(value);
  }
  void put_float(int field, float value) {
    put_tag(field, 5);
    put_raw(value);
  }
  void put_bytes(int field, std::string_view value) {
    put_tag(field, 2);
    put_raw_varint(value.size());
    data_ += value;
  }
  const std::string& data() const { return data_; }

 private:
  void put_tag(int field, int wire_type) {
    put_raw_varint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire_type));
  }
  void put_raw_varint(uint64_t value) {
    while (value >= 0x80) {
      data_ += static_cast<char>(value | 0x80);
      value >>= 7;
    }
    data_ += static_cast<char>(value);
  }
  template <class T>
  void put_raw(T value) {
    data_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  std::string data_;
};

// Lines that Markdown takes as they are, and control characters written out.
std::string as_code(std::string_view text) {
  std::string code = "    ";
  for (const char c : printable_lines(text)) {
    code += c;
    if (c == '\n') code += "    ";
  }
  return code;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Fields of Event: 1 wall_time, 2 step, 3 file_version, 5 summary, 7 session_log.
Message make_event(int64_t step) {
  Message event;
  event.put_double(1, now_seconds());
  event.put_varint(2, static_cast<uint64_t>(step));
  return event;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes)
    crc = kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xFF] ^ crc >> 8;
  return ~crc;
}

TensorboardWriter::TensorboardWriter(const std::filesystem::path& dir, int64_t first_step) {
  // TensorBoard reads the files of a folder in the order of their names: time, then step.
  path_ = dir / fmt::format("events.out.tfevents.{:010}.{:010}.{}.apollo",
                            static_cast<int64_t>(now_seconds()), first_step, ::getpid());
  file_ = std::fopen(path_.c_str(), "wbe");
  if (file_ == nullptr) fail<Error>("{}: cannot write: {}", path_.string(), std::strerror(errno));
  Message version;
  version.put_double(1, now_seconds());
  version.put_bytes(3, "brain.Event:2");
  write_event(version.data());
  Message start;
  start.put_varint(1, /*SessionLog::START=*/1);
  Message event = make_event(first_step);
  event.put_bytes(7, start.data());
  write_event(event.data());
}

TensorboardWriter::~TensorboardWriter() {
  std::fclose(file_);
}

void TensorboardWriter::scalar(std::string_view tag, int64_t step, double value) {
  Message scalar_value;
  scalar_value.put_bytes(1, tag);
  scalar_value.put_float(2, static_cast<float>(value));
  write_summary(step, scalar_value.data());
}

// A tensor of one string, marked as the text plugin's. Fields of Summary.Value: 1 tag, 8 tensor, 9
// metadata (its 1 plugin_data, whose 1 is the name); of TensorProto: 1 dtype, 2 shape (its 2 a
// dimension, whose 1 is the size), 8 string_val.
void TensorboardWriter::text(std::string_view tag, int64_t step, std::string_view value) {
  Message plugin;
  plugin.put_bytes(1, "text");
  Message metadata;
  metadata.put_bytes(1, plugin.data());
  Message dimension;
  dimension.put_varint(1, 1);
  Message shape;
  shape.put_bytes(2, dimension.data());
  Message tensor;
  tensor.put_varint(1, /*DT_STRING=*/7);
  tensor.put_bytes(2, shape.data());
  tensor.put_bytes(8, as_code(value));
  Message text_value;
  text_value.put_bytes(1, tag);
  text_value.put_bytes(8, tensor.data());
  text_value.put_bytes(9, metadata.data());
  write_summary(step, text_value.data());
}

void TensorboardWriter::write_summary(int64_t step, std::string_view summary_value) {
  Message summary;
  summary.put_bytes(1, summary_value);
  Message event = make_event(step);
  event.put_bytes(5, summary.data());
  write_event(event.data());
}

void TensorboardWriter::flush() {
  if (std::fflush(file_) != 0) {
    fail<Error>("{}: cannot write: {}", path_.string(), std::strerror(errno));
  }
}

void TensorboardWriter::write_event(std::string_view event) {
  const uint64_t length = event.size();
  const std::string_view length_bytes(reinterpret_cast<const char*>(&length), sizeof length);
  std::string record(length_bytes);
  const auto append = [&](uint32_t crc) {
    record.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  };
  append(masked_crc(length_bytes));
  record += event;
  append(masked_crc(event));
  if (std::fwrite(record.data(), 1, record.size(), file_) != record.size()) {
    fail<Error>("{}: cannot write: {}", path_.string(), std::strerror(errno));
  }
}

}  // namespace apollo
