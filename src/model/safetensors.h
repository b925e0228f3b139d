// Reads and writes the safetensors file format: the length of a JSON header as 8 little-endian
// bytes, the header (name -> dtype, shape, data_offsets), then the tensors' bytes without gaps.
// Reading accepts F64, F32, F16, BF16, integers of every size and BOOL, and checks the whole header
// before it touches a tensor. Every error is a CheckpointError that names the file and the tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace apollo {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Writes and syncs `path`. Tensors may be on any device. They are written contiguously, ordered by
// decreasing alignment as the format asks. `metadata` becomes "__metadata__".
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

struct SafetensorsFile {
  NamedTensors tensors;  // in the order of the file
  std::map<std::string, std::string> metadata;
};

// Reads a whole file. The tensors are on the CPU and own their memory.
SafetensorsFile read_safetensors(const std::filesystem::path& path);
// The same, but the tensors are the file's own pages, so that data which nobody reads takes no
// memory. Nobody may write to them.
SafetensorsFile map_safetensors(const std::filesystem::path& path);

}  // namespace apollo
