#include "cli/text_run.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/units.h"
#include "progressive/first_run.h"
#include "progressive/resolve.h"
#include "train/speed.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// A model's speed depends on its size, and the size on the speed; both settle at the second time.
constexpr int kMeasurements = 2;
constexpr double kSecondsOfMeasuring = 1.5;
// Most machines reach this on one core. It selects the first model that is measured.
constexpr double kModestFlopsPerSecond = 2e10;

std::string name_of(const fs::path& text) {
  const fs::path plain = text.has_filename() ? text : text.parent_path();
  std::string name = plain.stem().string();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '-') c = '-';
  }
  return name.empty() ? "text" : name;
}

double bytes_of(const fs::path& text) {
  if (!fs::is_directory(text)) return static_cast<double>(fs::file_size(text));
  double bytes = 0.0;
  for (const auto& entry : fs::recursive_directory_iterator(text)) {
    if (entry.is_regular_file()) bytes += static_cast<double>(entry.file_size());
  }
  return bytes;
}

void check_same_text(const fs::path& config, const fs::path& text) {
  const ResolvedConfig before = resolve_run_config(config);
  const auto& train = before.config.data.train;
  if (train.size() == 1 &&
      fs::weakly_canonical(before.base_dir / train[0]) == fs::weakly_canonical(text)) {
    return;
  }
  fail<UsageError>(
      "{}: this config is for another text than {}; hint: name another run folder with --out, or "
      "train that config: apollo train {}",
      config.string(), text.string(), config.string());
}

// The run and the number of threads with which it gets furthest.
struct MeasuredRun {
  FirstRun run;
  int64_t threads = 1;
};

MeasuredRun measured_run(const fs::path& draft, const FirstText& text, double seconds) {
  const int64_t vocab_size = first_vocab_size(text.bytes);
  const auto guessed_tokens = std::max<int64_t>(1, static_cast<int64_t>(text.bytes / 4));
  MeasuredRun best{
      .run = choose_first_run(guessed_tokens, vocab_size, kModestFlopsPerSecond, seconds)};
  for (int i = 0; i < kMeasurements; ++i) {
    const FirstRun measured = best.run;
    double fastest = 0.0;
    // Small models may be slower on several threads than on one.
    for (const int64_t threads : std::set<int64_t>{1, num_physical_cores()}) {
      write_file_atomic(draft, first_run_toml(measured, text, threads));
      const Speed speed = measure_speed(resolve_run_config(draft), kSecondsOfMeasuring);
      log_info("this machine trains {} layers of width {} on {} threads at {}/s", measured.layers,
               measured.width, threads, format_flops(speed.flops_per_second));
      if (speed.flops_per_second <= fastest) continue;
      fastest = speed.flops_per_second;
      best = {.run = choose_first_run(speed.train_tokens, vocab_size, fastest, seconds),
              .threads = threads};
    }
    if (best.run.layers == measured.layers && best.run.width == measured.width) break;
  }
  return best;
}

}  // namespace

bool is_text(const fs::path& argument) {
  return argument.extension() != ".toml" && fs::exists(argument);
}

TextRun plan_text_run(const fs::path& text, const fs::path& out, double minutes) {
  if (fs::exists(text / "run.toml")) {
    fail<UsageError>(
        "{}: this is a run folder, not a text; hint: the command that began the run goes on with "
        "it",
        text.string());
  }
  const std::string name = name_of(text);
  TextRun planned{.config = {}, .run_dir = out.empty() ? fs::path("runs") / name : out};
  planned.config = planned.run_dir.lexically_normal();
  if (!planned.config.has_filename()) planned.config = planned.config.parent_path();
  planned.config += ".toml";
  if (fs::exists(planned.config)) {
    check_same_text(planned.config, text);
    log_info("config: {}, written before", planned.config.string());
    return planned;
  }
  const FirstText described{.name = name,
                            .path = fs::absolute(text).lexically_normal().string(),
                            .bytes = bytes_of(text)};
  if (planned.config.has_parent_path()) fs::create_directories(planned.config.parent_path());
  fs::path draft = planned.config;
  draft.replace_filename("." + planned.config.filename().string());
  log_info("no config: reading {} and measuring how fast this machine trains", text.string());
  MeasuredRun best;
  try {
    best = measured_run(draft, described, 60.0 * minutes);
  } catch (...) {
    fs::remove(draft);
    throw;
  }
  fs::remove(draft);
  write_file_atomic(planned.config, first_run_toml(best.run, described, best.threads));
  log_info(
      "in {:g} minutes this text and this machine are good for {} layers of width {}: {} "
      "parameters, {} tokens; all values stand in {}",
      minutes, best.run.layers, best.run.width,
      format_count(static_cast<double>(best.run.parameters)), format_count(best.run.tokens),
      planned.config.string());
  return planned;
}

}  // namespace apollo
