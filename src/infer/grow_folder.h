// Grows or unrolls the model of a folder into another folder, without training. It takes any
// Hugging Face folder of a known architecture. The new folder appears whole or not at all. It gets
// the old one's tokenizer files, its other heads, and everything of its config.json that does not
// describe the layers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "config/run_config.h"
#include "model/width_growth.h"

namespace apollo {

// Growth in width, which precedes growth in depth. Heads keep their size, so their number grows
// with the width; the MLP's inner width grows in proportion.
struct WiderFolder {
  int64_t width = 0;
  WidthRule rule = WidthRule::kFpi;
};

// Writes the model of `from` with `layers` unique layers to `to`. `kind` is the map of growth and,
// from now on, of sharing; by default it is the one that the folder names. The final model keeps
// its depth, or gets `layers` if that is more. Throws UsageError if the model already has more
// layers or is wider, if its heads do not divide the new width, or if `to` exists and is not empty.
void grow_folder(const std::filesystem::path& from, const std::filesystem::path& to, int64_t layers,
                 std::optional<LayerMapKind> kind, std::optional<WiderFolder> wider = {});

// Writes the model of `from` to `to` with a separate layer for each block of a pass of `depth` (0:
// the depth of the final model). The result is a plain model that shares nothing and gives the same
// logits. Throws UsageError if the depth is less than the unique layers, or if `to` exists and is
// not empty.
void export_folder(const std::filesystem::path& from, const std::filesystem::path& to,
                   int64_t depth);

}  // namespace apollo
