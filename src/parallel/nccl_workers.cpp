#include "parallel/nccl_workers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "parallel/heartbeat.h"
#include "parallel/meeting.h"

namespace apollo {
namespace {

constexpr const char* kIdKey = "nccl-id";

void check(ncclResult_t result, const Launch& launch, std::string_view what) {
  if (result == ncclSuccess) return;
  const char* last = ncclGetLastError(nullptr);
  fail<Error>("rank {} of {}: NCCL cannot {}: {} ({})", launch.rank, launch.size, what,
              ncclGetErrorString(result), last != nullptr ? last : "no more is known");
}

// Returns rank 0's id, which the others read from the store.
ncclUniqueId shared_id(const Launch& launch, c10d::Store& store) {
  ncclUniqueId id;
  if (launch.rank == 0) {
    check(ncclGetUniqueId(&id), launch, "make an id");
    std::vector<uint8_t> bytes(sizeof(id));
    std::memcpy(bytes.data(), &id, sizeof(id));
    store.set(kIdKey, bytes);
    return id;
  }
  const std::vector<uint8_t> bytes = store.get(kIdKey);
  if (bytes.size() != sizeof(id)) {
    fail<Error>(
        "rank {} of {}: expected an id of NCCL of {} bytes, found {}; hint: the same "
        "version of NCCL for all ranks",
        launch.rank, launch.size, sizeof(id), bytes.size());
  }
  std::memcpy(&id, bytes.data(), sizeof(id));
  return id;
}

// All exchanges run on the current stream of the device, after the work that fills their tensors
// and before the work that reads them.
class NcclWorkers final : public Workers {
 public:
  NcclWorkers(const Launch& launch, at::Device device, const c10::intrusive_ptr<c10d::Store>& store,
              std::chrono::milliseconds timeout)
      : Workers(launch.rank, launch.size), launch_(launch), device_(device) {
    const c10::DeviceGuard guard(device_);
    const ncclUniqueId id = shared_id(launch_, *store);
    // NCCL waits forever for a rank that never comes, here and in every exchange; the heartbeat
    // ends that.
    heartbeat_ = std::make_unique<Heartbeat>(store, launch.rank, launch.size, timeout);
    check(ncclCommInitRank(&communicator_, static_cast<int>(launch_.size), id,
                           static_cast<int>(launch_.rank)),
          launch_, "join the other ranks");
  }
  ~NcclWorkers() override {
    const c10::DeviceGuard guard(device_);
    ncclCommDestroy(communicator_);
  }

 protected:
  void all_to_all(const at::Tensor& received_NC, const at::Tensor& sent_NC) override {
    const c10::DeviceGuard guard(device_);
    const auto count = static_cast<size_t>(sent_NC.size(1));
    check(ncclGroupStart(), launch_, "begin an exchange");
    for (int rank = 0; rank < static_cast<int>(size()); ++rank) {
      check(ncclSend(sent_NC[rank].const_data_ptr(), count, ncclFloat32, rank, communicator_,
                     stream()),
            launch_, "send");
      check(ncclRecv(received_NC[rank].mutable_data_ptr(), count, ncclFloat32, rank, communicator_,
                     stream()),
            launch_, "receive");
    }
    check(ncclGroupEnd(), launch_, "exchange gradients");
  }

  void all_gather(const at::Tensor& all_NC, const at::Tensor& own_C) override {
    const c10::DeviceGuard guard(device_);
    if (own_C.is_cpu()) {
      const at::Tensor own = own_C.to(device_);
      const at::Tensor all = at::empty(all_NC.sizes(), own.options());
      gather_on_device(all, own, ncclFloat64);
      all_NC.copy_(all);
      return;
    }
    gather_on_device(all_NC, own_C, ncclFloat32);
  }

  void all_reduce(const at::Tensor& flat) override {
    const c10::DeviceGuard guard(device_);
    check(ncclAllReduce(flat.const_data_ptr(), flat.mutable_data_ptr(),
                        static_cast<size_t>(flat.numel()), ncclFloat32, ncclSum, communicator_,
                        stream()),
          launch_, "add gradients");
  }

 private:
  void gather_on_device(const at::Tensor& all_NC, const at::Tensor& own_C, ncclDataType_t type) {
    check(ncclAllGather(own_C.const_data_ptr(), all_NC.mutable_data_ptr(),
                        static_cast<size_t>(own_C.numel()), type, communicator_, stream()),
          launch_, "gather");
  }

  cudaStream_t stream() const { return c10::cuda::getCurrentCUDAStream(device_.index()).stream(); }

  Launch launch_;
  at::Device device_;
  std::unique_ptr<Heartbeat> heartbeat_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace

std::unique_ptr<Workers> join_by_nccl(const Launch& launch, at::Device device,
                                      const std::filesystem::path& meeting_folder,
                                      std::chrono::milliseconds timeout) {
  try {
    return std::make_unique<NcclWorkers>(launch, device, meet(launch, meeting_folder), timeout);
  } catch (const c10::Error& error) {
    fail<Error>("rank {} of {} could not join the others: {}", launch.rank, launch.size,
                error.what_without_backtrace());
  }
}

}  // namespace apollo
