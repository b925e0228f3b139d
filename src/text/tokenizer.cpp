#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "base/error.h"
#include "text/byte_level_bpe.h"
#include "text/tokenizer_json.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Tokenizer> make_tokenizer(BpeVocabulary vocabulary) {
  return std::make_unique<ByteLevelBpe>(std::move(vocabulary));
}

std::unique_ptr<Tokenizer> make_tokenizer(WordPieceVocabulary vocabulary) {
  return std::make_unique<WordPiece>(std::move(vocabulary));
}

std::unique_ptr<Tokenizer> load_json(const fs::path& path) {
  return std::visit([](auto vocabulary) { return make_tokenizer(std::move(vocabulary)); },
                    read_tokenizer_json(path));
}

std::unique_ptr<Tokenizer> load_folder(const fs::path& dir) {
  if (fs::exists(dir / "tokenizer.json")) return load_json(dir / "tokenizer.json");
  for (const auto& [vocab, merges] :
       {std::pair{"vocab.json", "merges.txt"}, std::pair{"encoder.json", "vocab.bpe"}}) {
    if (fs::exists(dir / vocab) && fs::exists(dir / merges)) {
      return make_tokenizer(read_vocab_and_merges(dir / vocab, dir / merges));
    }
  }
  if (fs::exists(dir / "vocab.txt")) return make_tokenizer(read_vocab_txt(dir / "vocab.txt"));
  // A run's folder stands for its latest checkpoint.
  if (const fs::path latest = dir / "checkpoints/latest"; fs::exists(latest / "tokenizer.json")) {
    return load_json(latest / "tokenizer.json");
  }
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}) {
    if (!fs::exists(dir / name)) continue;
    fail<DataError>(
        "{}: a tokenizer of SentencePiece, which is not supported; expected byte-level BPE or "
        "WordPiece (tokenizer.json)",
        (dir / name).string());
  }
  fail<DataError>(
      "{}: no tokenizer here; expected tokenizer.json, vocab.json and merges.txt, encoder.json and "
      "vocab.bpe, or vocab.txt",
      dir.string());
}

}  // namespace

bool has_tokenizer(const fs::path& folder) {
  const std::array names = {"tokenizer.json", "vocab.json", "encoder.json", "vocab.txt"};
  return std::any_of(names.begin(), names.end(),
                     [&](const char* name) { return fs::exists(folder / name); });
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& spec) {
  if (spec == "bytes") return std::make_unique<ByteLevelBpe>(make_bytes_vocabulary());
  const fs::path path = spec;
  if (fs::is_directory(path)) return load_folder(path);
  if (path.extension() == ".txt" && fs::exists(path)) return make_tokenizer(read_vocab_txt(path));
  if (fs::exists(path)) return load_json(path);
  fail<DataError>(
      "tokenizer '{}': no such file or folder; expected 'bytes', a folder with tokenizer.json, a "
      "tokenizer.json or a vocab.txt",
      spec);
}

}  // namespace apollo
