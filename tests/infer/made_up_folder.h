// Model folders for the tests of infer/: a small random model with the "bytes" tokenizer.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "infer/model_folder.h"
#include "model/hf_folder.h"
#include "model/made_up_model.h"
#include "support/temp_dir.h"

namespace apollo {

inline ModelSpec bytes_spec(int64_t final_layers, LayerMapKind kind = LayerMapKind::kInterpolate) {
  ModelSpec spec = small_spec(final_layers, kind);
  spec.shape.vocab_size = load_tokenizer("bytes")->vocab_size();
  return spec;
}

// Writes a model of `num_layers` layers, with its tokenizer, into the new folder `dir`.
inline void write_bytes_model(const std::filesystem::path& dir, const ModelSpec& spec,
                              int64_t num_layers) {
  std::filesystem::create_directories(dir);
  const auto tokenizer = load_tokenizer("bytes");
  save_hf_model(*random_model(spec, num_layers), dir, config_tokens(tokenizer.get()));
  tokenizer->save(dir);
}

// Returns the message of the exception of type E that `call` throws, with `folder` replaced by DIR.
template <class E, class Call>
std::string error_of(const std::filesystem::path& folder, Call call) {
  try {
    call();
  } catch (const E& error) {
    std::string message = error.what();
    const size_t at = message.find(folder.string());
    return at == std::string::npos ? message : message.replace(at, folder.string().size(), "DIR");
  }
  return "no error";
}

template <class E, class Call>
std::string error_of(Call call) {
  return error_of<E>("DIR", call);
}

}  // namespace apollo
