#include "parallel/gloo_workers.h"

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <chrono>
#include <cstdlib>

#include "base/error.h"
#include "parallel/heartbeat.h"
#include "parallel/meeting.h"
#include "parallel/own_address.h"

namespace apollo {
namespace {

using namespace std::chrono_literals;

// The time limit of one exchange; a rank that saves or prepares data keeps the others waiting.
constexpr auto kExchangeTime = 30min;

// GLOO_SOCKET_IFNAME names the network card, as it does for PyTorch. Without it, the card is the
// one through which the meeting's address is reached.
std::shared_ptr<gloo::transport::Device> network_device(const Launch& launch) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME")) {
    return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  }
  if (launch.local_size == launch.size) {
    return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  }
  // A machine's own name often resolves to its loopback address, which other machines cannot reach.
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
    // From here on the group has its own connections, and only the heartbeat uses the store.
    heartbeat_ = std::make_unique<Heartbeat>(store, launch.rank, launch.size, timeout);
  }

 protected:
  void all_to_all(const at::Tensor& received_NC, const at::Tensor& sent_NC) override {
    at::Tensor received = received_NC;
    at::Tensor sent = sent_NC;
    std::vector<int64_t> equal_parts;
    wait(group_->alltoall_base(received, sent, equal_parts, equal_parts));
  }

  void all_gather(const at::Tensor& all_NC, const at::Tensor& own_C) override {
    at::Tensor all = all_NC.view({-1});
    at::Tensor own = own_C;
    wait(group_->_allgather_base(all, own));
  }

  void all_reduce(const at::Tensor& flat) override {
    std::vector<at::Tensor> tensors = {flat};
    wait(group_->allreduce(tensors));
  }

 private:
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

std::unique_ptr<Workers> join_by_gloo(const Launch& launch,
                                      const std::filesystem::path& meeting_folder,
                                      std::chrono::milliseconds timeout) {
  try {
    return std::make_unique<GlooWorkers>(launch, meet(launch, meeting_folder), timeout);
  } catch (const c10::Error& error) {
    fail<Error>("rank {} of {} could not join the others: {}", launch.rank, launch.size,
                error.what_without_backtrace());
  } catch (const std::exception& error) {
    fail<Error>("rank {} of {} could not join the others: {}", launch.rank, launch.size,
                error.what());
  }
}

}  // namespace apollo
