// Texts of values, and the reference of all keys.
#include "config/fields.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace apollo {

std::string toml_text(const std::string& value) {
  std::string text = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\u{:04x}", byte);
    } else {
      text += c;
    }
  }
  return text + '"';
}

std::string toml_text(int64_t value) {
  return fmt::format("{}", value);
}

std::string toml_text(uint64_t value) {
  return fmt::format("{}", value);
}

std::string toml_text(double value) {
  // The shortest digits that read back as the same double; a point keeps it a float in TOML.
  const std::string text = fmt::format("{}", value);
  const bool whole = std::isfinite(value) && text.find_first_of(".e") == std::string::npos;
  return whole ? text + ".0" : text;
}

std::string toml_text(const Duration& value) {
  return toml_text(to_string(value));
}

std::string toml_text(const StageSpec& value) {
  const std::string until = value.until ? fmt::format(", until = {}", toml_text(*value.until)) : "";
  const std::string depth = value.depth ? fmt::format(", depth = {}", *value.depth) : "";
  return fmt::format("{{layers = {}{}{}}}", value.layers, depth, until);
}

const std::vector<std::string>& field_paths() {
  static const std::vector<std::string> paths = [] {
    std::vector<std::string> all;
    const RunConfig defaults;
    visit_fields([&](const Field& field, const auto&) { all.push_back(field.path()); }, defaults);
    return all;
  }();
  return paths;
}

namespace {

template <class T>
std::string choices_note(const T&) {
  return "";
}

template <NamedEnum E>
std::string choices_note(const E&) {
  return " [" + enum_choices<E>() + "]";
}

template <NamedEnum E>
std::string choices_note(const std::vector<E>&) {
  return " [" + enum_choices<E>() + "]";
}

// The keys that a first run should state, in the order of the file.
constexpr std::array<std::string_view, 10> kFirstKeys = {
    "data.train",  "data.valid_fraction", "data.tokenizer", "model.layers", "model.width",
    "model.heads", "model.context",       "train.duration", "train.lr",     "progressive.method"};

// Keys for which the method, the machine or convention sets a good value in nearly all runs.
constexpr std::array<std::string_view, 45> kExpertKeys = {
    "run.kernels",
    "run.matmul",
    "run.cuda_graphs",
    "run.rank_timeout",
    "run.shard_optimizer",
    "data.pretokenizer",
    "data.mask_whole_words",
    "data.separate_documents",
    "data.cache",
    "data.base_dir",
    "model.kv_heads",
    "model.head_dim",
    "model.inner_width",
    "model.vocab_size",
    "model.rope_theta",
    "model.local_attention",
    "model.global_attn_every_n_layers",
    "model.local_rope_theta",
    "model.tie_embeddings",
    "model.norm_epsilon",
    "model.init_std",
    "train.micro_batch_by_depth",
    "train.lr_final",
    "train.decay",
    "train.betas",
    "train.epsilon",
    "train.recompute",
    "progressive.layer_map",
    "progressive.new_layers",
    "progressive.trains",
    "progressive.depth_sampler",
    "progressive.depth_draw",
    "progressive.stratify",
    "progressive.rehearse_from",
    "progressive.optimizer_state",
    "progressive.lr_depth_power",
    "progressive.rewarm",
    "progressive.source_map",
    "progressive.source_steps",
    "progressive.charge_source",
    "eval.batch_size",
    "eval.max_cost",
    "eval.max_tokens",
    "eval.sample_tokens",
    "checkpoint.at",
};

template <size_t N>
bool is_among(const std::array<std::string_view, N>& keys, const Field& field) {
  return std::find(keys.begin(), keys.end(), field.path()) != keys.end();
}

// Returns `help` as comments beside `assignment`, in lines of at most 100 columns.
std::string commented(const std::string& assignment, const std::string& help) {
  constexpr size_t kColumn = 34;
  constexpr size_t kWidth = 100;
  std::string text;
  std::string line = fmt::format("{:<{}} #", assignment, kColumn);
  size_t begin = 0;
  while (begin < help.size()) {
    const size_t end = std::min(help.find(' ', begin), help.size());
    const std::string word = help.substr(begin, end - begin);
    if (line.back() != '#' && line.size() + 1 + word.size() > kWidth) {
      text += line + "\n";
      line = std::string(kColumn + 1, ' ') + "#";
    }
    line += " " + word;
    begin = end + 1;
  }
  return text + line + "\n";
}

template <class Chosen>
std::string reference_of(Chosen is_chosen) {
  std::string text;
  std::string section;
  const RunConfig defaults;
  visit_fields(
      [&](const Field& field, const auto& value) {
        if (!is_chosen(field)) return;
        if (section != field.section) text += fmt::format("\n[{}]\n", field.section);
        section = field.section;
        const std::string mark = is_among(kExpertKeys, field) ? "(expert) " : "";
        text += commented(fmt::format("{} = {}", field.key, toml_text(value)),
                          mark + field.help + choices_note(value));
      },
      defaults);
  return text;
}

}  // namespace

std::string config_reference() {
  return "# The keys that a first run needs, with their defaults:\n" +
         reference_of([](const Field& field) { return is_among(kFirstKeys, field); }) +
         "\n# All keys. Hardly anyone has to set those marked (expert).\n" +
         reference_of([](const Field&) { return true; });
}

}  // namespace apollo
