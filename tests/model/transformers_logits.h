// Computes the logits of a model folder with `transformers`.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "model/safetensors.h"
#include "support/python_original.h"

namespace apollo {

// Also checks that the folder is what `transformers` expects: no missing and no unexpected weights.
// The script's description of the model goes to `description`.
inline at::Tensor transformers_logits(const std::filesystem::path& folder,
                                      const at::Tensor& inputs_BT,
                                      std::string* description = nullptr) {
  const TempDir temp;
  const std::filesystem::path inputs = temp / "inputs.safetensors";
  const std::filesystem::path logits = temp / "logits.safetensors";
  write_safetensors(inputs, {{"inputs", inputs_BT.cpu()}});
  const std::string printed = run_python(
      "tests/model/hf_reference.py",
      "logits '" + folder.string() + "' '" + inputs.string() + "' '" + logits.string() + "'");
  if (description != nullptr) *description = printed;
  return read_safetensors(logits).tensors.at(0).second;
}

// The same for several folders, in float64 and in their order.
inline std::vector<at::Tensor> transformers_logits64(
    const std::vector<std::filesystem::path>& folders, const at::Tensor& inputs_BT) {
  const TempDir temp;
  write_safetensors(temp / "inputs", {{"inputs", inputs_BT.cpu()}});
  std::string arguments =
      "logits64 '" + (temp / "inputs").string() + "' '" + (temp / "logits").string() + "'";
  for (const std::filesystem::path& folder : folders)
    arguments += " '" + folder.string() + "'";
  run_python("tests/model/hf_reference.py", arguments);
  std::vector<at::Tensor> logits(folders.size());
  for (auto& [name, tensor] : read_safetensors(temp / "logits").tensors)
    logits.at(std::stoul(name)) = tensor;
  return logits;
}

}  // namespace apollo
