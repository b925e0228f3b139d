// TensorBoard event files: TFRecords (length, masked CRC-32C, data) of `Event` protocol buffers
// with summaries that are scalars or text. The format is in tensorflow/core/lib/io/record_writer.h
// and tensorflow/core/util/event.proto. It is written here because no maintained C++ library does
// it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string_view>

namespace apollo {

class TensorboardWriter {
 public:
  // Creates a new file events.out.tfevents.* in `dir`. TensorBoard drops what earlier files of the
  // folder contain from `first_step` on, because those steps run again.
  TensorboardWriter(const std::filesystem::path& dir, int64_t first_step);
  ~TensorboardWriter();
  TensorboardWriter(const TensorboardWriter&) = delete;
  TensorboardWriter& operator=(const TensorboardWriter&) = delete;

  void scalar(std::string_view tag, int64_t step, double value);
  // Shown as it is, line by line: TensorBoard takes text for Markdown.
  void text(std::string_view tag, int64_t step, std::string_view value);
  void flush();

 private:
  void write_summary(int64_t step, std::string_view summary_value);
  void write_event(std::string_view event);

  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

// CRC-32C (Castagnoli) of `bytes`.
uint32_t crc32c(std::string_view bytes);

}  // namespace apollo
