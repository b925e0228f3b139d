#include "config/parse_toml.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/error.h"
#include "base/printable.h"
#include "config/toml_reader.h"

namespace apollo {
namespace {

constexpr int kMostParts = 20;

// Scans text outside of strings and comments.
class DotCounter {
 public:
  explicit DotCounter(std::string_view text) : text_(text) {}

  // Returns where a key with too many parts is; npos if there is none.
  size_t find() {
    int dots = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      const bool ends_key = std::string_view("\n=,{}[]").find(c) != std::string_view::npos;
      if (ends_key) dots = 0;
      if (c == '.' && ++dots >= kMostParts) return at_;
      ++at_;
    }
    return std::string_view::npos;
  }

 private:
  // A one-line string ends at the latest with its line; the parser reports what is wrong with it.
  void skip_string(char quote) {
    const std::string long_quote(3, quote);
    const bool is_long = text_.substr(at_).starts_with(long_quote);
    at_ += is_long ? 3 : 1;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        at_ += 2;
      } else if (is_long && text_.substr(at_).starts_with(long_quote)) {
        at_ += 3;
        return;
      } else if (!is_long && (text_[at_] == quote || text_[at_] == '\n')) {
        ++at_;
        return;
      } else {
        ++at_;
      }
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

void require_toml_file(const std::filesystem::path& path) {
  const auto refuse = [&](const char* message) {
    throw ConfigError({{printable(path.string()), message, ""}});
  };
  if (!std::filesystem::exists(path)) refuse("there is no such file");
  if (!std::filesystem::is_regular_file(path)) refuse("expected a file, found something else");
  if (!is_utf8(std::filesystem::absolute(path).string())) {
    refuse("the path is not UTF-8, and so could not be written into files that name it");
  }
}

toml::table parse_toml(const std::string& text, const std::string& file) {
  const size_t place = DotCounter(text).find();
  if (place != std::string::npos) {
    const auto line = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(place), '\n');
    const size_t line_start = text.rfind('\n', place);
    throw ConfigError({{fmt::format("{}:{}:{}", file, line + 1,
                                    place - (line_start == std::string::npos ? -1 : line_start)),
                        fmt::format("a key of more than {} parts", kMostParts), ""}});
  }
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    throw ConfigError({{position(file, error.source()),
                        printable(std::string_view(error.description()).substr(0, 300)), ""}});
  }
}

}  // namespace apollo
