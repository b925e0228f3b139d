#include "config/toml_io.h"

#include "base/printable.h"
#include "config/fields.h"
#include "config/toml_document.h"
#include "config/validate.h"

namespace apollo {

namespace {

std::filesystem::path absolute_base_dir(const ResolvedConfig& resolved) {
  const std::filesystem::path folder =
      std::filesystem::absolute(resolved.file).lexically_normal().parent_path();
  const std::filesystem::path relative = resolved.config.data.base_dir;
  return relative.empty() ? folder : (folder / relative).lexically_normal();
}

}  // namespace

ResolvedConfig read_run_config(const TomlSource& source, const std::vector<std::string>& overrides,
                               std::vector<Diagnostic>& faults) {
  ResolvedConfig resolved;
  resolved.file = source.file;
  const TomlDocument document(source, overrides, field_paths(), "train.lr=1e-3", faults);
  visit_fields(
      [&](const Field& field, auto& value) {
        const FieldOutcome outcome =
            document.read(field, value, resolved.origins, faults,
                          [](ValueReader& reader, const toml::node& node, auto& out) {
                            return reader.read(node, out);
                          });
        const bool unknown = outcome == FieldOutcome::kAbsent && !document.is_sound();
        if (unknown || outcome == FieldOutcome::kRejected) {
          resolved.unreadable.insert(field.path());
        }
      },
      resolved.config);

  resolved.base_dir = absolute_base_dir(resolved);
  resolved.config.data.base_dir = resolved.base_dir.string();
  return resolved;
}

ResolvedConfig load_run_config(const TomlSource& source,
                               const std::vector<std::string>& overrides) {
  std::vector<Diagnostic> faults;
  ResolvedConfig resolved = read_run_config(source, overrides, faults);
  const std::vector<Diagnostic> more = validate(resolved);
  faults.insert(faults.end(), more.begin(), more.end());
  throw_if_any(std::move(faults), resolved);
  return resolved;
}

std::string to_toml(const ResolvedConfig& resolved) {
  std::string text = "# The resolved config: every key, and where its value came from.\n";
  std::string section;
  visit_fields(
      [&](const Field& field, const auto& value) {
        if (section != field.section) text += fmt::format("\n[{}]\n", field.section);
        section = field.section;
        const auto origin = resolved.origins.find(field.path());
        text +=
            fmt::format("{:<36} # {}\n", fmt::format("{} = {}", field.key, toml_text(value)),
                        origin == resolved.origins.end() ? "default" : printable(origin->second));
      },
      resolved.config);
  return text;
}

}  // namespace apollo
