// Tokenizers: texts to numpy arrays of ids and back.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "python/light_module.h"
#include "text/bpe_trainer.h"
#include "text/encode_batch.h"
#include "text/tokenizer.h"
#include "text/wordpiece_trainer.h"

namespace apollo::python {
namespace {

template <class T>
using Row = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
using Ids = nb::ndarray<const TokenId, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Returns a numpy array that owns the content of `values`.
template <class T>
Row<T> to_numpy(std::vector<T> values) {
  if (values.empty()) values.reserve(1);  // numpy needs an address
  auto* kept = new std::vector<T>(std::move(values));
  const nb::capsule owner(kept,
                          [](void* held) noexcept { delete static_cast<std::vector<T>*>(held); });
  return Row<T>(kept->data(), {kept->size()}, owner);
}

// Returns the UTF-8 that a str keeps of itself, which lives as long as the str.
std::string_view utf8_of(nb::handle text) {
  Py_ssize_t size = 0;
  const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (bytes == nullptr) throw nb::python_error();
  return {bytes, static_cast<size_t>(size)};
}

Row<TokenId> encode(const Tokenizer& tokenizer, nb::str text, bool special_tokens) {
  const std::string_view utf8 = utf8_of(text);
  std::vector<TokenId> ids;
  {
    const ShortCall call;
    tokenizer.encode(utf8, ids, special_tokens);
  }
  return to_numpy(std::move(ids));
}

// `texts` is a tuple, so that nobody changes it meanwhile.
std::pair<Row<TokenId>, Row<int64_t>> encode_texts(const Tokenizer& tokenizer, nb::tuple texts,
                                                   bool special_tokens, int64_t threads) {
  std::vector<std::string_view> views;
  views.reserve(texts.size());
  for (const nb::handle text : texts) {
    if (!PyUnicode_Check(text.ptr())) {
      throw nb::type_error(fmt::format("texts[{}] must be a str (got {})", views.size(),
                                       Py_TYPE(text.ptr())->tp_name)
                               .c_str());
    }
    views.push_back(utf8_of(text));
  }
  EncodedBatch batch;
  {
    const LightCall call;
    batch = encode_batch(tokenizer, views, special_tokens, threads);
  }
  return {to_numpy(std::move(batch.ids)), to_numpy(std::move(batch.ends))};
}

std::string decode(const Tokenizer& tokenizer, const Ids& ids, bool special_tokens) {
  const std::vector<TokenId> copy(ids.data(), ids.data() + ids.size());
  const ShortCall call;
  return tokenizer.decode(copy, /*skip_special=*/!special_tokens);
}

nb::dict special_tokens(const Tokenizer& tokenizer) {
  nb::dict found;
  for (const TokenRoleName& role : kTokenRoleNames) {
    const std::optional<TokenId> id = tokenizer.roles().*role.id;
    if (id) found[nb::str(role.key.data(), role.key.size())] = *id;
  }
  return found;
}

void save(const Tokenizer& tokenizer, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail<Error>("{}: cannot make the folder: {}", folder, error.message());
  tokenizer.save(folder);
}

std::unique_ptr<Tokenizer> train(const std::string& kind, nb::callable next, int64_t vocab_size,
                                 int64_t min_frequency, bool lowercase, int64_t threads,
                                 bool progress) {
  const TextSource source = [&](std::string& piece) {
    const nb::gil_scoped_acquire acquired;
    const nb::object text = next();
    if (text.is_none()) return false;
    piece = utf8_of(text);
    return true;
  };
  const LightCall call;
  if (kind == "bpe") {
    return train_bpe(source, {.vocab_size = vocab_size,
                              .min_frequency = min_frequency,
                              .num_threads = threads,
                              .show_progress = progress});
  }
  if (kind != "wordpiece") {
    fail<UsageError>("kind must be one of 'bpe', 'wordpiece' (got '{}')", kind);
  }
  WordPieceTrainerOptions options;
  options.vocab_size = vocab_size;
  options.min_frequency = min_frequency;
  options.num_threads = threads;
  options.lowercase = lowercase;
  options.show_progress = progress;
  return train_wordpiece(source, options);
}

}  // namespace

void bind_tokenizer(nb::module_& module) {
  nb::class_<Tokenizer>(module, "Tokenizer")
      .def("encode", &encode)
      .def("encode_batch", &encode_texts)
      .def("decode", &decode)
      .def("token_bytes",
           [](const Tokenizer& tokenizer, TokenId id) {
             if (!tokenizer.is_token(id)) {
               fail<DataError>("expected the id of a token, found {}", id);
             }
             const std::string text = tokenizer.token_text(id);
             return nb::bytes(text.data(), text.size());
           })
      .def("special_tokens", &special_tokens)
      .def("vocab_size", &Tokenizer::vocab_size)
      .def("hash", &Tokenizer::hash)
      .def("save", &save);
  module.def("load_tokenizer", &load_tokenizer, nb::call_guard<ShortCall>());
  module.def("train_tokenizer", &train);
}

}  // namespace apollo::python
