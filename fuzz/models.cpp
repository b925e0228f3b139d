// The readers that need LibTorch: weights and tables.
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include "base/file.h"
#include "finetune/table_reader.h"
#include "fuzz.h"
#include "model/safetensors.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

Strings weights(const fs::path& dir) {
  const fs::path path = dir / "a.safetensors";
  write_safetensors(path,
                    {{"h.0.weight", at::zeros({3, 4})},
                     {"ids", at::arange(5)},
                     {"half", at::zeros({2, 1}, at::kBFloat16)},
                     {"none", at::zeros({0, 7})}},
                    {{"format", "pt"}});
  return {read_file(path)};
}

void read_weights(const fs::path& dir) {
  read_safetensors(dir / "a.safetensors");
}

Strings separated(char separator) {
  const std::string s(1, separator);
  return {"label" + s + "text\n1" + s + "good film\n0" + s + "\"bad\nfilm\"\n",
          "label" + s + "text\r\n\"1\"" + s + "\"a \"\"b\"\"\"\r\n\r\n"};
}

void read_rows(const fs::path& file, TableFormat format) {
  const std::vector<WantedColumn> wanted = {{"task.label", {"label", std::nullopt}},
                                            {"task.text", {"text", std::nullopt}}};
  read_table(file, format, /*header=*/true, wanted);
}

}  // namespace

std::span<const FuzzTarget> fuzz_targets() {
  static const std::vector<FuzzTarget> targets = {
      {"safetensors",
       "a.safetensors",
       weights,
       read_weights,
       {"\"shape\":[", "\"data_offsets\":[0,", "\"F32\"", "\"BF16\"", "\"I64\"", "{}", "[["}},
      {"tsv",
       "a.tsv",
       [](const fs::path&) { return separated('\t'); },
       [](const fs::path& dir) { read_rows(dir / "a.tsv", TableFormat::kTsv); },
       {"\t", "\r\n"}},
      {"csv",
       "a.csv",
       [](const fs::path&) { return separated(','); },
       [](const fs::path& dir) { read_rows(dir / "a.csv", TableFormat::kCsv); },
       {"\"", ",", "\r\n", "\"\""}},
      {"table_jsonl",
       "a.jsonl",
       [](const fs::path&) {
         return Strings{
             "{\"label\": 1, \"text\": \"good\"}\n{\"label\": \"a\", \"text\": \"b\"}\n"};
       },
       [](const fs::path& dir) { read_rows(dir / "a.jsonl", TableFormat::kJsonl); },
       {"null", "{}", "[[", "1e999", "\\u0000"}},
  };
  return targets;
}

}  // namespace apollo
