#include "parallel/gloo_workers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdlib>

#include "base/error.h"
#include "parallel/heartbeat.h"
#include "parallel/own_address.h"
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

// GLOO_SOCKET_IFNAME names the network card, as it does for PyTorch; else it is the one by which
// the address of the meeting is reached.
std::shared_ptr<gloo::transport::Device> network_device(const Launch& launch) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME")) {
    return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  }
  if (launch.local_size == launch.size) {
    return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  }
  // A machine's own name often leads to its loopback address, where no other machine finds it.
  if (!launch.address.empty()) {
    if (const auto own = own_address_towards(launch.address, launch.port)) {
      return c10d::ProcessGroupGloo::createDeviceForHostname(*own);
    }
  }
  return c10d::ProcessGroupGloo::createDefaultDevice();
}

class GlooWorkers final : public Workers {
 public:
  GlooWorkers(const Launch& launch, const c10::intrusive_ptr<c10d::Store>& store,
              std::chrono::milliseconds timeout)
      : Workers(launch.rank, launch.size) {
    auto options = c10d::ProcessGroupGloo::Options::create(
        std::chrono::duration_cast<std::chrono::milliseconds>(kExchangeTime));
    options->devices.push_back(network_device(launch));
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(launch.rank),
                                                         static_cast<int>(launch.size), options);
    // From here on the group has its own connections, and the store is the heartbeat's.
    heartbeat_ = std::make_unique<Heartbeat>(store, launch.rank, launch.size, timeout);
  }

  // Each rank receives a slice of every rank's tensor, adds these by the tree and hands the sum to
  // all: the volume of a ring, and an order that the network does not choose.
  void sum(const at::Tensor& flat) override {
    const int64_t slice = (flat.numel() + size() - 1) / size();
    at::Tensor sent = at::zeros({size() * slice}, flat.options());
    sent.slice(0, 0, flat.numel()).copy_(flat.flatten());
    at::Tensor received = at::empty_like(sent);
    std::vector<int64_t> equal_parts;
    wait(group_->alltoall_base(received, sent, equal_parts, equal_parts));
    std::vector<at::Tensor> parts = received.view({size(), slice}).unbind(0);
    add_by_tree(parts);
    at::Tensor own = parts.front();
    wait(group_->_allgather_base(sent, own));
    flat.flatten().copy_(sent.slice(0, 0, flat.numel()));
  }

  // A few numbers travel with their count, as nearly always; more of them in a second exchange.
  std::vector<double> gather(std::span<const double> own) override {
    std::array<double, kFewNumbers + 1> mine{static_cast<double>(own.size())};
    std::copy_n(own.begin(), std::min(own.size(), kFewNumbers), mine.begin() + 1);
    const std::vector<double> first = exchange(mine);
    double most = 0.0;
    for (size_t at = 0; at < first.size(); at += mine.size())
      most = std::max(most, first[at]);
    const bool few = most <= static_cast<double>(kFewNumbers);
    std::vector<double> all_of_mine(own.begin(), own.end());
    all_of_mine.resize(static_cast<size_t>(most));
    const std::vector<double> all = few ? first : exchange(all_of_mine);
    const size_t stride = few ? mine.size() : all_of_mine.size();
    std::vector<double> numbers;
    for (size_t rank = 0; rank < static_cast<size_t>(size()); ++rank) {
      const double* begin = all.data() + rank * stride + (few ? 1 : 0);
      numbers.insert(numbers.end(), begin, begin + static_cast<size_t>(first[rank * mine.size()]));
    }
    return numbers;
  }

 private:
  static constexpr size_t kFewNumbers = 31;

  // As many numbers from every rank as from this one.
  std::vector<double> exchange(std::span<const double> own) {
    at::Tensor mine = at::empty({static_cast<int64_t>(own.size())}, at::kDouble);
    std::copy(own.begin(), own.end(), mine.mutable_data_ptr<double>());
    at::Tensor all = at::empty({size() * mine.numel()}, at::kDouble);
    wait(group_->_allgather_base(all, mine));
    const double* begin = all.const_data_ptr<double>();
    return {begin, begin + all.numel()};
  }

  void wait(const c10::intrusive_ptr<c10d::Work>& work) const {
    try {
      work->wait();
    } catch (const std::exception& error) {
      const std::string_view reason = error.what();
      fail<Error>("rank {} of {} lost the others, one of which has probably ended: {}", rank(),
                  size(), reason.substr(0, reason.find('\n')));
    }
  }

  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  std::unique_ptr<Heartbeat> heartbeat_;
};

}  // namespace

std::unique_ptr<Workers> join_by_gloo(const Launch& launch, const fs::path& meeting_folder,
                                      std::chrono::milliseconds timeout) {
  try {
    return std::make_unique<GlooWorkers>(launch, open_store(launch, meeting_folder), timeout);
  } catch (const c10::Error& error) {
    fail<Error>("rank {} of {} could not join the others: {}", launch.rank, launch.size,
                error.what_without_backtrace());
  } catch (const std::exception& error) {
    fail<Error>("rank {} of {} could not join the others: {}", launch.rank, launch.size,
                error.what());
  }
}

}  // namespace apollo
