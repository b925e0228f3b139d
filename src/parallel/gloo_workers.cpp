#include "parallel/gloo_workers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>

#include "base/error.h"
#include "parallel/tree_sum.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Within which the ranks must have come together.
constexpr auto kMeetingTime = 120s;
// Of one exchange; a rank that saves or prepares data keeps the others waiting.
constexpr auto kExchangeTime = 30min;

c10::intrusive_ptr<c10d::Store> open_store(const Launch& launch, const fs::path& meeting_folder) {
  c10::intrusive_ptr<c10d::Store> store;
  if (!launch.address.empty()) {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(launch.port);
    options.isServer = launch.rank == 0 && !launch.launcher_serves;
    options.numWorkers = static_cast<size_t>(launch.size);
    options.timeout = kMeetingTime;
    store = c10::make_intrusive<c10d::TCPStore>(launch.address, options);
  } else {
    // Names of jobs come from launchers; none of their characters may lead elsewhere.
    std::string name = ".meeting-" + launch.job;
    for (char& c : name) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-') c = '_';
    }
    fs::create_directories(meeting_folder);
    store = c10::make_intrusive<c10d::FileStore>((meeting_folder / name).string(),
                                                 static_cast<int>(launch.size));
  }
  store->setTimeout(kMeetingTime);
  return c10::make_intrusive<c10d::PrefixStore>("apollo/" + launch.job, store);
}

// GLOO_SOCKET_IFNAME names the network card, as it does for PyTorch.
std::shared_ptr<gloo::transport::Device> network_device(const Launch& launch) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME")) {
    return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  }
  const bool one_machine = launch.local_size == launch.size;
  return one_machine ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                     : c10d::ProcessGroupGloo::createDefaultDevice();
}

class GlooWorkers final : public Workers {
 public:
  GlooWorkers(const Launch& launch, const c10::intrusive_ptr<c10d::Store>& store)
      : Workers(launch.rank, launch.size) {
    auto options = c10d::ProcessGroupGloo::Options::create(
        std::chrono::duration_cast<std::chrono::milliseconds>(kExchangeTime));
    options->devices.push_back(network_device(launch));
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(launch.rank),
                                                         static_cast<int>(launch.size), options);
  }

  // Each rank receives a slice of every rank's tensor, adds these by the tree and hands the sum to
  // all: the volume of a ring, and an order that the network does not choose.
  void sum(const at::Tensor& flat) override {
    const int64_t slice = (flat.numel() + size() - 1) / size();
    at::Tensor sent = at::zeros({size() * slice}, flat.options());
    sent.slice(0, 0, flat.numel()).copy_(flat.flatten());
    at::Tensor received = at::empty_like(sent);
    std::vector<int64_t> equal_parts;
    group_->alltoall_base(received, sent, equal_parts, equal_parts)->wait();
    std::vector<at::Tensor> parts = received.view({size(), slice}).unbind(0);
    add_by_tree(parts);
    at::Tensor own = parts.front();
    group_->_allgather_base(sent, own)->wait();
    flat.flatten().copy_(sent.slice(0, 0, flat.numel()));
  }

  std::vector<double> gather(std::span<const double> own) override {
    const std::vector<int64_t> counts = gather_counts(static_cast<int64_t>(own.size()));
    const int64_t most = *std::max_element(counts.begin(), counts.end());
    at::Tensor mine = at::zeros({most}, at::kDouble);
    std::copy(own.begin(), own.end(), mine.mutable_data_ptr<double>());
    at::Tensor all = at::empty({size() * most}, at::kDouble);
    group_->_allgather_base(all, mine)->wait();
    std::vector<double> numbers;
    for (int64_t rank = 0; rank < size(); ++rank) {
      const double* begin = all.const_data_ptr<double>() + rank * most;
      numbers.insert(numbers.end(), begin, begin + counts[static_cast<size_t>(rank)]);
    }
    return numbers;
  }

  void broadcast(const at::Tensor& tensor) override {
    std::vector<at::Tensor> tensors{tensor};
    group_->broadcast(tensors)->wait();
  }

 private:
  std::vector<int64_t> gather_counts(int64_t own) {
    at::Tensor mine = at::empty({1}, at::kLong);
    *mine.mutable_data_ptr<int64_t>() = own;
    at::Tensor all = at::empty({size()}, at::kLong);
    group_->_allgather_base(all, mine)->wait();
    const int64_t* begin = all.const_data_ptr<int64_t>();
    return {begin, begin + size()};
  }

  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

}  // namespace

std::unique_ptr<Workers> join_by_gloo(const Launch& launch, const fs::path& meeting_folder) {
  try {
    return std::make_unique<GlooWorkers>(launch, open_store(launch, meeting_folder));
  } catch (const c10::Error& error) {
    fail<Error>("rank {} of {} could not join the others: {}", launch.rank, launch.size,
                error.what_without_backtrace());
  } catch (const std::exception& error) {
    fail<Error>("rank {} of {} could not join the others: {}", launch.rank, launch.size,
                error.what());
  }
}

}  // namespace apollo
