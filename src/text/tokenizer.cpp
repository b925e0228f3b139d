#include "text/tokenizer.h"

#include "base/error.h"
#include "text/byte_level_bpe.h"
#include "text/tokenizer_json.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

BpeVocabulary read_folder(const fs::path& dir) {
  if (fs::exists(dir / "tokenizer.json")) return read_tokenizer_json(dir / "tokenizer.json");
  for (const auto& [vocab, merges] :
       {std::pair{"vocab.json", "merges.txt"}, std::pair{"encoder.json", "vocab.bpe"}}) {
    if (fs::exists(dir / vocab) && fs::exists(dir / merges)) {
      return read_vocab_and_merges(dir / vocab, dir / merges);
    }
  }
  fail<DataError>(
      "{}: no tokenizer here; expected tokenizer.json, vocab.json and merges.txt, or encoder.json "
      "and vocab.bpe",
      dir.string());
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& spec) {
  if (spec == "bytes") return std::make_unique<ByteLevelBpe>(make_bytes_vocabulary());
  const fs::path path = spec;
  if (fs::is_directory(path)) return std::make_unique<ByteLevelBpe>(read_folder(path));
  if (fs::exists(path)) return std::make_unique<ByteLevelBpe>(read_tokenizer_json(path));
  fail<DataError>(
      "tokenizer '{}': no such file or folder; expected 'bytes', a folder with tokenizer.json, or "
      "a tokenizer.json",
      spec);
}

}  // namespace apollo
