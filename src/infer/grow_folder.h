// Growth and unrolling from folder to folder, without training. Any GPT-2 or BERT in the format of
// Hugging Face will do. The new folder appears whole or not at all, with the tokenizer's files of
// the old, its other heads, and all of its config.json that does not describe the layers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "config/run_config.h"
#include "model/width_growth.h"

namespace apollo {

// Growth in width before that in depth. Heads keep their size, so their number grows as the width
// does, and the MLP's inside in proportion.
struct WiderFolder {
  int64_t width = 0;
  WidthRule rule = WidthRule::kFpi;
};

// Writes the model of `from` with `layers` unique layers to `to`. `kind` is the map of growth and,
// from now on, of sharing; by default the one that the folder names. The final model is as deep as
// it was, or `layers` where that is more. Throws UsageError where the model has more layers already
// or is wider, where its heads do not divide the new width, or where `to` is there and not empty.
void grow_folder(const std::filesystem::path& from, const std::filesystem::path& to, int64_t layers,
                 std::optional<LayerMapKind> kind, std::optional<WiderFolder> wider = {});

// Writes the model of `from` to `to` with a layer of its own for each block of a pass of `depth`
// (0: of the final model): a plain model that shares nothing and gives the same logits. Throws
// UsageError where the depth is less than the unique layers or `to` is there and not empty.
void export_folder(const std::filesystem::path& from, const std::filesystem::path& to,
                   int64_t depth);

}  // namespace apollo
