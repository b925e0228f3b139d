#include "progressive/last_rate.h"

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"
#include "base/log.h"
#include "base/machine.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

Json read_rates(const fs::path& file) {
  try {
    Json rates = fs::exists(file) ? read_json(file) : Json::object();
    if (rates.is_object()) return rates;
  } catch (const std::exception& error) {
    log_detail("{}: {}", file.string(), error.what());
  }
  return Json::object();
}

std::optional<LastRate> parse_rate(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const Json rate = json.value("flops_per_second", Json());
  const Json device = json.value("device", Json());
  const Json threads = json.value("threads", Json());
  const bool is_one =
      rate.is_number() && device.is_string() && threads.is_number_integer() && threads >= 0;
  if (!is_one || !std::isfinite(rate.get<double>()) || rate <= 0.0) return std::nullopt;
  return LastRate{rate.get<double>(), device.get<std::string>(), threads.get<int64_t>()};
}

// "cuda" asks for any GPU.
bool may_run_on(const std::string& asked, const std::string& device) {
  return asked == "auto" || asked == device || device.starts_with(asked + ":");
}

}  // namespace

fs::path last_rate_file() {
  return user_cache_dir() / "rate.json";
}

void keep_rate(const LastRate& rate, const fs::path& file) {
  try {
    Json rates = read_rates(file);
    rates[processor_name()] = {{"flops_per_second", rate.flops_per_second},
                               {"device", rate.device},
                               {"threads", rate.threads}};
    fs::create_directories(file.parent_path());
    write_file_atomic(file, rates.dump(2) + "\n");
  } catch (const std::exception& error) {
    log_detail("the rate of this machine is not kept: {}", error.what());
  }
}

std::optional<LastRate> find_last_rate(const RunConfig& config, const fs::path& file) {
  const std::optional<LastRate> rate = parse_rate(read_rates(file).value(processor_name(), Json()));
  if (!rate || !may_run_on(config.run.device, rate->device)) return std::nullopt;
  return rate;
}

}  // namespace apollo
