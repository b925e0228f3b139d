// apollo cache: shows what is kept of texts between runs, and removes it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/printable.h"
#include "base/units.h"
#include "cli/commands.h"
#include "data/text_cache.h"

namespace apollo {
namespace {

struct CacheArguments {
  std::string folder;
  bool clear = false;
  int64_t days = 0;
};

std::string date_of(const CacheEntry& entry) {
  const std::time_t time = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(
          std::chrono::file_clock::to_sys(entry.written)));
  std::tm local{};
  localtime_r(&time, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
  return text;
}

std::string text_of(const CacheEntry& entry) {
  if (!entry.is_dataset) return "-";
  if (entry.texts.empty()) return "unreadable";
  const std::string first = printable(entry.texts.front());
  if (entry.texts.size() == 1) return first;
  return fmt::format("{} and {} more", first, entry.texts.size() - 1);
}

std::string total_of(const std::vector<CacheEntry>& entries) {
  int64_t bytes = 0;
  for (const CacheEntry& entry : entries)
    bytes += entry.bytes;
  return fmt::format("{} {}, {}", entries.size(), entries.size() == 1 ? "entry" : "entries",
                     format_bytes(static_cast<double>(bytes)));
}

void list(const std::vector<CacheEntry>& entries, const std::string& folder) {
  if (!entries.empty()) {
    fmt::print("{:<16}  {:>10}  {:<9}  {}\n", "written", "size", "kind", "text");
    for (const CacheEntry& entry : entries) {
      fmt::print("{}  {:>10}  {:<9}  {}\n", date_of(entry),
                 format_bytes(static_cast<double>(entry.bytes)),
                 entry.is_dataset ? "dataset" : "tokenizer", text_of(entry));
    }
  }
  fmt::print("{}: {}\n", printable(folder), total_of(entries));
}

void clear(const std::vector<CacheEntry>& entries, const std::string& folder) {
  std::vector<CacheEntry> removed;
  for (const CacheEntry& entry : entries) {
    if (remove_entry(entry)) {
      removed.push_back(entry);
    } else {
      fmt::print("kept, since a process is making it: {}\n", printable(entry.path.string()));
    }
  }
  fmt::print("{}: removed {}\n", printable(folder), total_of(removed));
}

}  // namespace

void add_cache_command(CLI::App* command) {
  auto arguments = std::make_shared<CacheArguments>();
  command->description("Show or clear what is kept of texts between runs");
  command
      ->add_option("--dir", arguments->folder,
                   "cache folder, as in data.cache (default: $XDG_CACHE_HOME/apollo, else "
                   "~/.cache/apollo)")
      ->type_name("FOLDER");
  command->add_flag("--clear", arguments->clear, "remove the entries instead of listing them");
  command
      ->add_option("--older-than", arguments->days,
                   "only entries that were written more than DAYS days ago")
      ->type_name("DAYS")
      ->check(CLI::Range(int64_t{1}, int64_t{36500}));
  command->footer(
      "An entry is a text that was turned into tokens, or a tokenizer that was trained on one. A\n"
      "run that needs an entry again makes it again. A run under way keeps what it reads.\n"
      "Example:\n"
      "  apollo cache\n"
      "  apollo cache --clear --older-than 30");
  command->callback([arguments] {
    const bool is_own = arguments->folder.empty();
    const std::string folder = is_own ? user_cache_dir().string() : arguments->folder;
    if (!is_own && !std::filesystem::is_directory(folder)) {
      fail<UsageError>("--dir: '{}' is not a folder", folder);
    }
    std::vector<CacheEntry> entries = cache_entries(folder);
    if (arguments->days > 0) {
      const auto latest = std::chrono::file_clock::now() - std::chrono::days(arguments->days);
      std::erase_if(entries, [&](const CacheEntry& entry) { return entry.written > latest; });
    }
    if (arguments->clear) {
      clear(entries, folder);
    } else {
      list(entries, folder);
    }
  });
}

}  // namespace apollo
