#include "parallel/launch.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace apollo {
namespace {

class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}

  bool has(const char* name) const { return environment_(name) != nullptr; }
  std::string text(const char* name, const char* otherwise = "") const {
    const char* value = environment_(name);
    return value != nullptr ? value : otherwise;
  }
  int64_t number(const char* name) const {
    const std::string value = text(name);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < 0) {
      fail<UsageError>("environment variable {}: expected a whole number, found '{}'", name, value);
    }
    return number;
  }
  int64_t number(const char* name, int64_t otherwise) const {
    return has(name) ? number(name) : otherwise;
  }

 private:
  const Environment& environment_;
};

Launch checked(Launch launch, const char* rank, const char* size) {
  if (launch.size < 1 || launch.rank >= launch.size) {
    fail<UsageError>("environment variables {} and {}: rank {} of {} cannot be", rank, size,
                     launch.rank, launch.size);
  }
  return launch;
}

Launch by_apollo(const Variables& variables) {
  const int64_t size = variables.number("APOLLO_RANKS");
  const int64_t rank = variables.number("APOLLO_RANK");
  return checked({.launcher = Launcher::kApollo,
                  .rank = rank,
                  .size = size,
                  .local_rank = rank,
                  .local_size = size,
                  .job = variables.text("APOLLO_JOB")},
                 "APOLLO_RANK", "APOLLO_RANKS");
}

Launch by_torchrun(const Variables& variables) {
  const int64_t size = variables.number("WORLD_SIZE");
  const int64_t rank = variables.number("RANK");
  return checked({.launcher = Launcher::kTorchrun,
                  .rank = rank,
                  .size = size,
                  .local_rank = variables.number("LOCAL_RANK", rank),
                  .local_size = variables.number("LOCAL_WORLD_SIZE", size),
                  .address = variables.text("MASTER_ADDR", "localhost"),
                  .port = variables.number("MASTER_PORT", 29500),
                  .launcher_serves = variables.text("TORCHELASTIC_USE_AGENT_STORE") == "True",
                  .job = variables.text("TORCHELASTIC_RUN_ID", "torchrun") + "." +
                         variables.text("TORCHELASTIC_RESTART_COUNT", "0")},
                 "RANK", "WORLD_SIZE");
}

Launch by_mpirun(const Variables& variables) {
  return checked({.launcher = Launcher::kMpirun,
                  .rank = variables.number("OMPI_COMM_WORLD_RANK"),
                  .size = variables.number("OMPI_COMM_WORLD_SIZE"),
                  .local_rank = variables.number("OMPI_COMM_WORLD_LOCAL_RANK", 0),
                  .local_size = variables.number("OMPI_COMM_WORLD_LOCAL_SIZE", 1),
                  .job = variables.text("PMIX_NAMESPACE", "mpirun")},
                 "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
}

// Returns the first number of a list like "4(x2),3", the tasks per machine; every task gets the
// same list from Slurm.
int64_t tasks_on_a_machine(const Variables& variables) {
  const std::string list =
      variables.text("SLURM_STEP_TASKS_PER_NODE", variables.text("SLURM_TASKS_PER_NODE").c_str());
  int64_t number = 0;
  const auto [end, error] = std::from_chars(list.data(), list.data() + list.size(), number);
  return error == std::errc() && number > 0 ? number : 1;
}

Launch by_srun(const Variables& variables) {
  const std::string step = variables.text("SLURM_STEP_ID", "0");
  return checked(
      {.launcher = Launcher::kSrun,
       .rank = variables.number("SLURM_PROCID"),
       .size = variables.number("SLURM_NTASKS"),
       .local_rank = variables.number("SLURM_LOCALID", 0),
       .local_size = variables.number("SLURM_NTASKS_PER_NODE", tasks_on_a_machine(variables)),
       .job = variables.text("SLURM_JOB_ID") + "." + step + "." +
              variables.text("SLURM_RESTART_COUNT", "0")},
      "SLURM_PROCID", "SLURM_NTASKS");
}

}  // namespace

std::optional<Launch> find_launch(const Environment& environment) {
  const Variables variables(environment);
  std::optional<Launch> launch;
  if (variables.has("APOLLO_RANKS")) {
    launch = by_apollo(variables);
  } else if (variables.has("RANK") && variables.has("WORLD_SIZE")) {
    launch = by_torchrun(variables);
  } else if (variables.has("OMPI_COMM_WORLD_SIZE")) {
    launch = by_mpirun(variables);
  } else if (variables.has("SLURM_PROCID") && variables.has("SLURM_STEP_ID")) {
    // Without a step this is a batch script, which runs only once.
    launch = by_srun(variables);
  }
  if (launch && launch->size == 1) return std::nullopt;
  return launch;
}

std::optional<Launch> find_launch() {
  return find_launch([](const char* name) -> const char* { return std::getenv(name); });
}

}  // namespace apollo
