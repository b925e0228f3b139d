// Models from folders: their weights and what they can compute; growth from folder to folder.
#include "python/torch_caster.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <utility>
#include <vector>

#include "base/enum_names.h"
#include "cli/evaluate_data.h"
#include "config/enum_names.h"
#include "infer/generate.h"
#include "infer/grow_folder.h"
#include "infer/model_folder.h"
#include "infer/score.h"
#include "model/hf_folder.h"
#include "python/engine_module.h"
#include "python/thread_scope.h"
#include "text/utf8.h"

namespace apollo::python {
namespace {

// A model with the number of threads that its calls use, the same as in the command.
struct Model {
  std::string named;  // the folder, as it was given
  LoadedModel loaded;
  int64_t threads = 0;
};

std::unique_ptr<Model> load(const std::string& folder, const std::string& device, int64_t threads) {
  const EngineCall call;
  const ThreadScope scope(threads);
  return std::make_unique<Model>(
      Model{folder, load_model_folder(folder, find_device(device)), threads});
}

nb::dict describe(const Model& model) {
  const ModelShape& shape = model.loaded.model->spec().shape;
  nb::dict found;
  found["folder"] = model.loaded.folder.string();
  found["architecture"] = std::string(enum_name(shape.architecture));
  found["layers"] = model.loaded.model->num_layers();
  found["depth"] = shape.layers;
  found["width"] = shape.width;
  found["heads"] = shape.heads;
  found["context"] = shape.context;
  found["vocab_size"] = shape.vocab_size;
  found["device"] = model.loaded.model->device().str();
  return found;
}

// Returns views of the model's own memory, by Hugging Face's names.
nb::dict state_dict(const Model& model) {
  nb::dict found;
  for (const auto& [name, tensor] : hf_tensors(weights_of(*model.loaded.model)))
    found[name.c_str()] = nb::cast(tensor);
  return found;
}

// Returns the tokens of each text and their log-probabilities.
nb::list score(const Model& model, const std::vector<std::string>& texts, int64_t depth,
               int64_t batch_size) {
  std::vector<TextScore> scores;
  {
    const EngineCall call;
    const ThreadScope scope(model.threads);
    const Predictor predictor(model.loaded, depth, batch_size);
    scores = score_texts(predictor, texts);
  }
  const Tokenizer& tokenizer = *model.loaded.tokenizer;
  nb::list found;
  for (const TextScore& text : scores) {
    nb::list tokens;
    for (const TokenId id : text.tokens) {
      std::string repaired;
      repair_utf8(tokenizer.token_text(id), repaired);
      tokens.append(nb::cast(repaired));
    }
    found.append(nb::make_tuple(tokens, nb::cast(text.logprobs)));
  }
  return found;
}

std::string generate(const Model& model, const std::string& prompt, int64_t max_tokens,
                     double temperature, int64_t top_k, uint64_t seed, int64_t depth) {
  const EngineCall call;
  const ThreadScope scope(model.threads);
  const GenerateOptions options{.max_tokens = max_tokens,
                                .temperature = temperature,
                                .top_k = top_k,
                                .seed = seed,
                                .depth = depth};
  check_options(options);
  std::string text;
  generate_text(model.loaded, prompt, options, [&](std::string_view piece) { text += piece; });
  return text;
}

std::string evaluate(const Model& model, const std::string& data, int64_t depth, int64_t batch_size,
                     int64_t max_tokens, std::optional<double> masked_fraction, bool whole_words,
                     bool separate_documents, bool progress) {
  const EngineCall call;
  const ThreadScope scope(model.threads);
  return to_json(evaluate_data(model.loaded, model.named, data,
                               {.depth = depth,
                                .batch_size = batch_size,
                                .max_tokens = max_tokens,
                                .masked_fraction = masked_fraction,
                                .mask_whole_words = whole_words,
                                .separate_documents = separate_documents,
                                .show_progress = progress}))
      .dump();
}

void grow(const std::string& from, const std::string& to, int64_t layers, const std::string& map) {
  const EngineCall call;
  std::optional<LayerMapKind> kind;
  if (!map.empty()) kind = parse_enum<LayerMapKind>(map, "map");
  grow_folder(from, to, layers, kind);
}

}  // namespace

void bind_model(nb::module_& module) {
  nb::class_<Model>(module, "Model")
      .def("describe", &describe)
      .def("state_dict", &state_dict)
      .def("score", &score)
      .def("generate", &generate)
      .def("evaluate", &evaluate, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(),
           nb::arg(), nb::arg(), nb::arg());
  module.def("load_model", &load);
  module.def("grow_folder", &grow);
  module.def("export_folder", [](const std::string& from, const std::string& to, int64_t depth) {
    const EngineCall call;
    export_folder(from, to, depth);
  });
}

}  // namespace apollo::python
