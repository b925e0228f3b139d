// The safetensors file format, read and written: 8 bytes little-endian length of a JSON header,
// the header (name -> dtype, shape, data_offsets), then the tensors' bytes without gaps.
// Reading accepts F64, F32, F16, BF16, integers of every size and BOOL, and checks the whole
// header before it touches a tensor; every fault is a CheckpointError that names file and tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace apollo {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Writes and syncs `path`. Tensors may be on any device; they are written contiguous, in order of
// decreasing alignment need, as the format asks. `metadata` becomes "__metadata__".
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

struct SafetensorsFile {
  NamedTensors tensors;  // in the order of the file
  std::map<std::string, std::string> metadata;
};

// A whole file. The tensors are on the CPU and own their memory.
SafetensorsFile read_safetensors(const std::filesystem::path& path);
// The same, but the tensors, which nobody may write to, are the file's own pages: what is not
// looked at takes no memory.
SafetensorsFile map_safetensors(const std::filesystem::path& path);

}  // namespace apollo
