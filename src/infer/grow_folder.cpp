#include "infer/grow_folder.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"
#include "infer/model_folder.h"
#include "model/growth.h"
#include "model/hf_folder.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// What `transformers` keeps beside a model for its tokenizer and for generation.
constexpr const char* kCompanions[] = {"tokenizer.json",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "added_tokens.json",
                                       "vocab.json",
                                       "merges.txt",
                                       "encoder.json",
                                       "vocab.bpe",
                                       "generation_config.json"};

// `to` without a trailing slash, which would make it a name inside itself.
fs::path free_folder(const fs::path& to) {
  if (fs::exists(to) && !(fs::is_directory(to) && fs::is_empty(to))) {
    fail<UsageError>("{}: is there already and not empty; expected a new folder", to.string());
  }
  return to.has_filename() ? to : to.parent_path();
}

std::optional<TokenId> end_of_text(const fs::path& config) {
  const Json json = read_json(config);
  const auto found = json.find("eos_token_id");
  if (found == json.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<TokenId>();
}

// The model of `source` with layer map[i] as its layer i, as a model of `spec`.
void write_model(const LanguageModel& source, const ModelSpec& spec, const LayerMap& map,
                 const fs::path& from, const fs::path& to) {
  const auto model = make_model(spec, static_cast<int64_t>(map.size()), source.device());
  model->parameters().values().copy_(grow_buffer(source.parameters().values(),
                                                 source.parameters().layout(),
                                                 model->parameters().layout(), map));
  const std::optional<TokenId> end = end_of_text(from / "config.json");
  write_folder_atomic(to, [&](const fs::path& fresh) {
    save_hf_model(*model, fresh, end);
    for (const char* name : kCompanions) {
      if (fs::exists(from / name)) write_file_atomic(fresh / name, read_file(from / name));
    }
  });
}

std::unique_ptr<LanguageModel> widen(const LanguageModel& source, const WiderFolder& wider) {
  ModelSpec spec = source.spec();
  ModelShape& shape = spec.shape;
  const int64_t head_size = shape.width / shape.heads;
  if (wider.width < shape.width || wider.width % head_size != 0) {
    fail<UsageError>(
        "width {} does not follow from the model's {}: expected a larger multiple of {}, the size "
        "of its heads, which are copied whole",
        wider.width, shape.width, head_size);
  }
  const int64_t inner = (shape.inner_width() * wider.width + shape.width - 1) / shape.width;
  shape.width = wider.width;
  shape.heads = wider.width / head_size;
  shape.set_inner_width(inner);
  return widen_model(source, spec, wider.rule, /*seed=*/0);
}

}  // namespace

void grow_folder(const fs::path& from, const fs::path& to, int64_t layers,
                 std::optional<LayerMapKind> kind, std::optional<WiderFolder> wider) {
  const fs::path target = free_folder(to);
  const fs::path folder = find_model_folder(from);
  auto source = load_hf_model(folder, at::Device(at::kCPU));
  if (wider) source = widen(*source, *wider);
  ModelSpec spec = source->spec();
  spec.layer_map = kind.value_or(spec.layer_map);
  spec.shape.layers = std::max(layers, spec.shape.layers);
  const LayerMap map = growth_map(spec.layer_map, source->num_layers(), layers);
  write_model(*source, spec, map, folder, target);
}

void export_folder(const fs::path& from, const fs::path& to, int64_t depth) {
  const fs::path target = free_folder(to);
  const fs::path folder = find_model_folder(from);
  const auto source = load_hf_model(folder, at::Device(at::kCPU));
  const LayerMap map = pass_blocks(*source, depth);
  ModelSpec spec = source->spec();
  spec.shape.layers = static_cast<int64_t>(map.size());
  write_model(*source, spec, map, folder, target);
}

}  // namespace apollo
