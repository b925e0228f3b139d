// The readers that need no LibTorch: tokenizers, text, datasets, configs, logs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "arch/hf_config.h"
#include "base/file.h"
#include "config/fields.h"
#include "config/toml_io.h"
#include "data/helpers.h"
#include "data/prepare.h"
#include "data/text_reader.h"
#include "data/token_dataset.h"
#include "fuzz.h"
#include "report/metrics_reader.h"
#include "runlog/saved_state.h"
#include "suite/suite_file.h"
#include "text/bpe_trainer.h"
#include "text/tokenizer.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

const Strings kJsonWords = {
    "null", "true", "{}", "[]", "\"\"", "{\"a\":", "[[[[", "\\u0000", "\\ud800", "1e308", "-0"};

std::string sample_text() {
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += fmt::format("The {} cats sat on a mat.\nIt's caf\u00e9 no. {}.\n", i, i * i);
  return text;
}

TextSource source_of(std::string text) {
  return [text = std::move(text), is_read = false](std::string& piece) mutable {
    piece = text;
    return !std::exchange(is_read, true);
  };
}

Strings tokenizers(const fs::path& dir) {
  Strings files;
  const auto add = [&](const Tokenizer& tokenizer) {
    tokenizer.save(dir);
    files.push_back(read_file(dir / "tokenizer.json"));
  };
  for (const PreTokenizer kind :
       {PreTokenizer::kGpt2, PreTokenizer::kLlama3, PreTokenizer::kQwen}) {
    BpeTrainerOptions options;
    options.vocab_size = 270;
    options.show_progress = false;
    options.pre_tokenizer = kind;
    options.masked = kind == PreTokenizer::kGpt2;
    add(*train_bpe(source_of(sample_text()), options));
  }
  WordPieceVocabulary vocabulary;
  vocabulary.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "."};
  vocabulary.added = make_special_tokens("corpus", vocabulary.tokens);
  add(WordPiece(std::move(vocabulary)));
  return files;
}

void use_tokenizer(const fs::path& path) {
  const auto tokenizer = load_tokenizer(path.string());
  std::vector<TokenId> ids;
  tokenizer->encode("The cats' caf\u00e9 <|endoftext|>[MASK]\n 123 \u4e2d", ids);
  tokenizer->decode(ids, /*skip_special=*/true);
  tokenizer->hash();
}

void read_tokenizer(const fs::path& dir) {
  use_tokenizer(dir / "tokenizer.json");
}

Strings tokenizer_configs(const fs::path&) {
  return {
      R"({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": false, "eos_token": "</s>",
 "pad_token": {"content": "<pad>", "lstrip": true}, "image_token": "<img>",
 "additional_special_tokens": ["<a>", {"content": "<b>"}]})",
      R"({"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "<s>", "sep_token": "</s>",
 "extra_special_tokens": {"x_token": "<x>"}, "added_tokens_decoder": {"270": {"content": "<y>",
 "special": true, "normalized": false, "lstrip": false, "rstrip": false, "single_word": false}}})",
      R"({"tokenizer_class": "RobertaTokenizer", "mask_token": "<mask>"})"};
}

void read_tokenizer_options(const fs::path& dir) {
  static const std::string tokenizer = [&] {
    const fs::path sound = dir / "sound";
    fs::create_directories(sound);
    BpeTrainerOptions options;
    options.vocab_size = 270;
    options.show_progress = false;
    train_bpe(source_of(sample_text()), options)->save(sound);
    return read_file(sound / "tokenizer.json");
  }();
  write(dir / "tokenizer.json", tokenizer);
  use_tokenizer(dir);
}

Strings vocabularies(const fs::path&) {
  return {"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\n##s\n.\n"};
}

void read_vocabulary(const fs::path& dir) {
  use_tokenizer(dir / "vocab.txt");
}

Strings configs(const fs::path&) {
  Strings files = {config_reference()};
  for (const auto& entry : fs::directory_iterator(fs::path(APOLLO_SOURCE_DIR) / "recipes")) {
    if (entry.path().extension() == ".toml") files.push_back(read_file(entry.path()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

void read_config(const fs::path& dir) {
  to_toml(load_run_config(dir / "run.toml"));
}

Strings suites(const fs::path&) {
  Strings files;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(APOLLO_SOURCE_DIR) / "recipes/suites")) {
    if (entry.path().extension() == ".toml") files.push_back(read_file(entry.path()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

void read_suite(const fs::path& dir) {
  read_suite_file(dir / "suite.toml");
}

void read_text(const fs::path& file) {
  TextFiles text({file}, {.piece_bytes = 64});
  std::string piece;
  bool end_of_document = false;
  while (text.next(piece, end_of_document)) {
  }
}

Strings json_lines(const fs::path&) {
  return {
      "{\"text\": \"one\", \"id\": 1}\n{\"text\": \"caf\u00e9\\n\", \"x\": [1, {\"y\": null}]}\n",
      "{\"text\": \"" + std::string(300, 'a') + " b\"}\n\n{\"text\": \"\"}\n"};
}

Strings plain_texts(const fs::path&) {
  return {sample_text(), "\xEF\xBB\xBF one\n<|endoftext|>\r\ntwo\n<|endoftext|>",
          "gr\xfc\xdf " + sample_text()};
}

Strings gzipped(const fs::path&) {
  return {gzip(sample_text()), gzip("one ") + gzip("two") + std::string(16, '\0')};
}

Strings xzipped(const fs::path&) {
  return {xz(sample_text())};
}

Strings zstd_packed(const fs::path&) {
  return {zstd(sample_text()), zstd("one ") + zstd("two")};
}

// What datasets() has in tokens.bin: "abcd" and the end of text.
void read_dataset(const fs::path& dir) {
  write(dir / "tokens.bin", std::string("a\0b\0c\0d\0\0\1", 10));
  TokenDataset dataset = TokenDataset::open(dir);
  dataset.verify();
  dataset.max_token();
  std::vector<int64_t> tokens(static_cast<size_t>(std::min<int64_t>(dataset.size(), 8)));
  dataset.copy(0, tokens);
}

Strings datasets(const fs::path& dir) {
  const fs::path text = dir / "a.txt";
  write_file_atomic(text, "abcd");
  prepare_dataset({text}, *load_tokenizer("bytes"), dir / "data", {.show_progress = false});
  return {read_file(dir / "data/dataset.json")};
}

Strings bare_tokens(const fs::path&) {
  std::string llmc(1024 + 64, '\0');
  const std::array<int32_t, 3> header = {20240520, 1, 32};
  std::memcpy(llmc.data(), header.data(), sizeof header);
  return {std::string("\1\0\2\0\3\0\4\0", 8), llmc};
}

void read_bare_tokens(const fs::path& dir) {
  const TokenDataset dataset = TokenDataset::open(dir / "a.bin", 50257);
  dataset.max_token();
}

Strings metrics(const fs::path&) {
  return {
      R"({"event":"start","time":"2026-01-01T00:00:00Z","version":"0.2.0","name":"a","method":"apollo","architecture":"gpt2","layers":2,"width":8,"heads":2,"context":8,"vocab_size":257,"parameters":100,"batch_size":1,"micro_batch_size":1,"tokens_per_step":8,"total_steps":2,"total_flops":5,"seed":1,"device":"cpu","threads":1,"precision":"fp32","kernels":"fused"}
{"event":"step","step":1,"tokens":8,"flops":1,"wall_s":0.1,"energy_j":null,"loss":5.5,"lr":0.1,"grad_norm":1.0,"stage":0,"layers":1,"depth":1,"tokens_per_s":80}
{"event":"eval","step":1,"tokens":8,"flops":1,"wall_s":0.1,"energy_j":null,"which":"full","depth":2,"loss":5.4,"ppl":200,"bpb":7,"accuracy":null,"eval_flops":1,"eval_s":0.1}
{"event":"grow","step":1,"tokens":8,"flops":1,"wall_s":0.1,"from":1,"to":2,"map":[0,0],"loss_before":5.4,"loss_after":5.4,"own_loss_before":5.4,"own_loss_after":5.4}
{"event":"end","step":2,"tokens":16,"flops":2,"wall_s":0.2,"eval_flops":1,"energy_j":null,"reason":"finished"}
)"};
}

void read_log(const fs::path& dir) {
  RunHistory run;
  read_metrics(dir / "metrics.jsonl", run);
}

Strings states(const fs::path&) {
  SavedState state;
  state.files["model.safetensors"] = "0123456789abcdef";
  return {to_json(state).dump(2)};
}

void read_state(const fs::path& dir) {
  read_saved_state(dir / "state.json");
}

Strings model_configs(const fs::path&) {
  ModelSpec spec;
  spec.shape = {Architecture::kGpt2, 12, 64, 4, 128, 257};
  Strings files = {to_hf_config(spec, 3, {}).dump(2)};
  spec.shape.architecture = Architecture::kBert;
  files.push_back(to_hf_config(spec, 12, {}).dump(2));
  spec.shape.architecture = Architecture::kModernBert;
  spec.shape.local = {.window = 8, .global_every = 3};
  spec.rope.theta = 160000.0;
  spec.local_rope.theta = 10000.0;
  files.push_back(to_hf_config(spec, 7, {}).dump(2));
  return files;
}

void read_model_config(const fs::path& dir) {
  read_hf_config(dir / "config.json");
}

}  // namespace

std::span<const FuzzTarget> fuzz_targets() {
  static const std::vector<FuzzTarget> targets = {
      {"tokenizer", "tokenizer.json", tokenizers, read_tokenizer, kJsonWords},
      {"tokenizer_config", "tokenizer_config.json", tokenizer_configs, read_tokenizer_options,
       kJsonWords},
      {"vocabulary", "vocab.txt", vocabularies, read_vocabulary, {"##", "\r\n", "[UNK]\n"}},
      {"config",
       "run.toml",
       configs,
       read_config,
       {"[[", "]]", "'''", "\"\"\"", " = ", "a.b.c.d."}},
      {"suite", "suite.toml", suites, read_suite, {"[[run]]\n", "[suite.set]\n", "'''", " = "}},
      {"jsonl", "a.jsonl", json_lines, [](const fs::path& dir) { read_text(dir / "a.jsonl"); },
       kJsonWords},
      {"text",
       "a.txt",
       plain_texts,
       [](const fs::path& dir) { read_text(dir / "a.txt"); },
       {"<|endoftext|>\n", "\xEF\xBB\xBF", "\xFF\xFE", "{\"text\": \"a\"}\n"}},
      {"gzip", "a.txt.gz", gzipped, [](const fs::path& dir) { read_text(dir / "a.txt.gz"); }, {}},
      {"xz", "a.txt.xz", xzipped, [](const fs::path& dir) { read_text(dir / "a.txt.xz"); }, {}},
      {"zstd",
       "a.txt.zst",
       zstd_packed,
       [](const fs::path& dir) { read_text(dir / "a.txt.zst"); },
       {}},
      {"dataset", "dataset.json", datasets, read_dataset, kJsonWords},
      {"tokens", "a.bin", bare_tokens, read_bare_tokens, {}},
      {"metrics", "metrics.jsonl", metrics, read_log, kJsonWords},
      {"state", "state.json", states, read_state, kJsonWords},
      {"model_config", "config.json", model_configs, read_model_config, kJsonWords},
  };
  return targets;
}

}  // namespace apollo
