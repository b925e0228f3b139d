#include "infer/grow_folder.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "config/enum_names.h"
#include "infer/model_folder.h"
#include "model/growth.h"
#include "model/hf_folder.h"
#include "model/hf_tokenizer.h"
#include "progressive/growth_effect.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// What `transformers` stores next to a model for its tokenizer and for generation.
constexpr const char* kCompanions[] = {"tokenizer.json",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "added_tokens.json",
                                       "vocab.json",
                                       "merges.txt",
                                       "encoder.json",
                                       "vocab.bpe",
                                       "vocab.txt",
                                       "chat_template.jinja",
                                       "chat_template.json",
                                       "generation_config.json"};

// Returns `to` without a trailing slash, which would make it a name inside itself.
fs::path free_folder(const fs::path& to) {
  if (fs::exists(to) && !(fs::is_directory(to) && fs::is_empty(to))) {
    fail<UsageError>("{}: is there already and not empty; expected a new folder", to.string());
  }
  return to.has_filename() ? to : to.parent_path();
}

// A model as its folder has it.
struct Source {
  fs::path folder;
  std::unique_ptr<LanguageModel> model;
  ModelSpec spec;
  int64_t num_layers = 0;
  FolderRest rest;
};

Source open_source(const fs::path& from) {
  Source source;
  source.folder = find_model_folder(from);
  source.model = load_hf_model(source.folder, at::Device(at::kCPU), {.needs_head = false});
  source.spec = source.model->spec();
  source.num_layers = source.model->num_layers();
  source.rest = read_folder_rest(source.folder);
  return source;
}

// Writes a model of `spec` whose layer i is layer map[i] of `source`.
void write_model(const Source& source, const ModelSpec& spec, const LayerMap& map,
                 const fs::path& to) {
  const ParameterSet& old = source.model->parameters();
  const auto model = make_model(spec, static_cast<int64_t>(map.size()), source.model->device());
  ParameterSet& grown = model->parameters();
  fill_grown(old.values(), old.layout(), grown.values(), grown.layout(), map);
  write_folder_atomic(to, [&](const fs::path& fresh) {
    save_derived_model(*model, source.rest, {source.spec, source.num_layers}, fresh);
    for (const char* name : kCompanions) {
      const fs::path file = source.folder / name;
      if (fs::exists(file)) write_file_atomic(fresh / name, read_file(file));
    }
    state_max_length(fresh, spec.shape.context);
  });
}

std::unique_ptr<LanguageModel> widen(const LanguageModel& source, const WiderFolder& wider) {
  ModelSpec spec = source.spec();
  ModelShape& shape = spec.shape;
  const int64_t head_size = shape.head_dim();
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

// Warns in the log if growth changes the function of the model.
void tell_of_change(const Source& source, LayerMapKind kind,
                    const std::optional<WiderFolder>& wider, int64_t layers) {
  const ModelShape& shape = source.spec.shape;
  if (wider && (wider->rule == WidthRule::kAki || wider->width % shape.width != 0)) {
    log_warning("the function changes with the width: {}",
                wider->rule == WidthRule::kAki
                    ? "aki takes neurons from the layer above"
                    : fmt::format("{} does not divide {}", shape.width, wider->width));
  }
  if (layers > shape.layers) {
    log_warning(
        "the function changes: a model of {} layers becomes one of {}, which has to be trained on",
        shape.layers, layers);
  } else if (!growth_keeps_function(kind, source.num_layers, layers, shape.layers)) {
    log_warning(
        "the function changes: at its {} layers the model ran {} shared ones, which {} copied by "
        "'{}' do not repeat (hint: a multiple of {} layers does, by interpolate or stack)",
        shape.layers, source.num_layers, layers, enum_name(kind), source.num_layers);
  }
}

}  // namespace

void grow_folder(const fs::path& from, const fs::path& to, int64_t layers,
                 std::optional<LayerMapKind> kind, std::optional<WiderFolder> wider) {
  const fs::path target = free_folder(to);
  Source source = open_source(from);
  if (wider) source.model = widen(*source.model, *wider);
  ModelSpec spec = source.model->spec();
  spec.layer_map = kind.value_or(spec.layer_map);
  spec.shape.layers = std::max(layers, spec.shape.layers);
  const LayerMap map = growth_map(spec.layer_map, source.num_layers, layers);
  tell_of_change(source, spec.layer_map, wider, layers);
  write_model(source, spec, map, target);
}

void export_folder(const fs::path& from, const fs::path& to, int64_t depth) {
  const fs::path target = free_folder(to);
  const Source source = open_source(from);
  const LayerMap map = pass_blocks(*source.model, depth);
  ModelSpec spec = source.spec;
  spec.shape.layers = static_cast<int64_t>(map.size());
  write_model(source, spec, map, target);
}

}  // namespace apollo
