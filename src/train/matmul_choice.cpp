#include "train/matmul_choice.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"
#include "base/log.h"
#include "base/machine.h"
#include "ops/matmul.h"
#include "ops/onednn.h"

namespace apollo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 3;
constexpr double kLeastGain = 1.05;
at::Tensor filled(int64_t rows, int64_t columns) {
  return at::full({rows, columns}, 0.5, at::TensorOptions(at::kFloat));
}

// Times the forward product and the gradients of input and weight.
double seconds_of(const MeasuredProduct& product) {
  const at::Tensor x = filled(product.rows, product.inner);
  const at::Tensor weight = filled(product.inner, product.outer);
  const auto start = Clock::now();
  const at::Tensor y = matrix_product(x, weight);
  matrix_product(y, weight.t());
  matrix_product(x.t(), y);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string key_of(const std::vector<MeasuredProduct>& products) {
  std::string key = fmt::format("{}; LibTorch {}; oneDNN {};", processor_name(),
                                APOLLO_TORCH_VERSION, onednn()->version);
  for (const MeasuredProduct& product : products) {
    key +=
        fmt::format(" {}x{}x{}x{:g}", product.rows, product.inner, product.outer, product.weight);
  }
  return key;
}

// A damaged or missing cache counts as empty.
Json read_cache(const std::filesystem::path& path) {
  try {
    if (std::filesystem::exists(path)) {
      Json json = read_json(path);
      if (json.is_object()) return json;
    }
  } catch (const std::exception&) {
  }
  return Json::object();
}

void write_cache(const std::filesystem::path& path, const Json& cache) {
  try {
    std::filesystem::create_directories(path.parent_path());
    write_file_atomic(path, cache.dump(2) + "\n");
  } catch (const std::exception& error) {
    log_warning("the library of matrix products is measured again next time: {}", error.what());
  }
}

}  // namespace

MatmulTimes time_products(const std::vector<MeasuredProduct>& products) {
  const at::NoGradGuard no_grad;
  MatmulTimes times;
  std::vector<double> best_libtorch(products.size(), 0.0);
  std::vector<double> best_onednn(products.size(), 0.0);
  // The first round only sets the libraries up.
  for (int round = 0; round <= kRounds; ++round) {
    for (const MatmulLibrary library : {MatmulLibrary::kLibTorch, MatmulLibrary::kOneDnn}) {
      const MatmulScope scope(library);
      auto& best = library == MatmulLibrary::kLibTorch ? best_libtorch : best_onednn;
      for (size_t i = 0; i < products.size(); ++i) {
        const double seconds = seconds_of(products[i]);
        best[i] = round <= 1 ? seconds : std::min(best[i], seconds);
      }
    }
  }
  for (size_t i = 0; i < products.size(); ++i) {
    times.libtorch += products[i].weight * best_libtorch[i];
    times.onednn += products[i].weight * best_onednn[i];
  }
  return times;
}

MatmulLibrary faster_library(const MatmulTimes& times) {
  return times.libtorch > kLeastGain * times.onednn ? MatmulLibrary::kOneDnn
                                                    : MatmulLibrary::kLibTorch;
}

std::optional<MatmulTimes> known_times(const std::vector<MeasuredProduct>& products,
                                       const std::filesystem::path& cache) {
  if (onednn() == nullptr || products.empty()) return std::nullopt;
  const std::string key = key_of(products);
  const Json known = read_cache(cache).value(key, Json::object());
  const auto number = [&](const char* name) {
    return known.is_object() && known.contains(name) && known[name].is_number()
               ? known[name].get<double>()
               : 0.0;
  };
  MatmulTimes times{number("libtorch"), number("onednn")};
  if (times.libtorch > 0.0 && times.onednn > 0.0) return times;
  times = time_products(products);
  Json all = read_cache(cache);
  all[key] = {{"libtorch", times.libtorch}, {"onednn", times.onednn}};
  write_cache(cache, all);
  return times;
}

bool measures_library(const RunConfig& config, at::Device device) {
  return config.run.matmul == MatmulLibrary::kAuto && config.run.kernels == Kernels::kFused &&
         config.train.precision == Precision::kFp32 && device.is_cpu();
}

MatmulLibrary choose_library(const RunConfig& config, const ModelShape& shape, at::Device device) {
  if (!measures_library(config, device)) return config.run.matmul;
  const auto times =
      known_times(measured_products(config, shape), user_cache_dir() / "matmul.json");
  if (!times) return MatmulLibrary::kLibTorch;
  log_info(
      "matrix products of this run by oneDNN take {:.2f} of the time that they take by LibTorch's "
      "BLAS, as measured on this processor",
      times->onednn / times->libtorch);
  return faster_library(*times);
}

MatmulLibrary library_of_state(const std::string& name) {
  if (!name.starts_with("oneDNN ")) return MatmulLibrary::kLibTorch;
  const OneDnn* library = onednn();
  if (library == nullptr) {
    log_warning(
        "the run's matrix products were by {}, which is not installed here: from here on its bits "
        "are not those of a run that never stopped; hint: apt-get install libdnnl-dev",
        name);
    return MatmulLibrary::kLibTorch;
  }
  if (name != "oneDNN " + library->version) {
    log_warning(
        "the run's matrix products were by {}, and oneDNN {} is installed here: its bits may "
        "differ "
        "from those of a run that never stopped",
        name, library->version);
  }
  return MatmulLibrary::kOneDnn;
}

}  // namespace apollo
