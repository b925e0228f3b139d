#include "suite/planned_data.h"

#include <fmt/format.h>

#include "base/error.h"
#include "config/fields.h"
#include "data/prepare.h"

namespace apollo {

DataSummary DataSummaries::of(const ResolvedConfig& resolved) {
  if (options_.tokens > 0) {
    const int64_t asked = resolved.config.model.vocab_size;
    const int64_t vocab_size = asked > 0 ? asked : options_.vocab_size;
    if (vocab_size < 1) fail<UsageError>("--tokens needs --vocab-size, or model.vocab_size");
    return {static_cast<int64_t>(options_.tokens), vocab_size, {}, {}, {}};
  }
  std::string key = fmt::format("{} {}", resolved.config.model.vocab_size,
                                enum_name(resolved.config.model.architecture));
  visit_data_fields([&](const Field&, const auto& value) { key += " " + toml_text(value); },
                    resolved.config);
  const auto [found, is_new] = known_.try_emplace(key);
  if (is_new) {
    const RunData data = open_run_data(resolved.config, resolved.base_dir);
    found->second = {data.train->size(), data.vocab_size, data.train->info().content_hash,
                     data.valid ? data.valid->info().content_hash : "",
                     data.tokenizer ? data.tokenizer->hash() : ""};
  }
  return found->second;
}

}  // namespace apollo
