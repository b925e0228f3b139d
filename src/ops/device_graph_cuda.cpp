// Guards and streams are those of any device, so that linking this file does not need the CUDA
// runtime's library.
#include <ATen/DeviceAccelerator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "ops/device_graph.h"

namespace apollo {
namespace {

// Memory that graphs share. LibTorch frees it with the last graph and then forgets its id.
struct Pool {
  c10::MempoolId_t id;
};

class CudaGraph final : public DeviceGraph {
 public:
  // Without a pool from other graphs, it makes one of its own.
  CudaGraph(const std::shared_ptr<Pool>& pool, const std::function<void()>& work) : pool_(pool) {
    graph_.capture_begin(pool != nullptr ? pool->id : c10::MempoolId_t{0, 0});
    try {
      work();
    } catch (...) {
      // This ends the recording; the reason for the failure is what `work` threw.
      try {
        graph_.capture_end();
      } catch (const c10::Error&) {  // NOLINT(bugprone-empty-catch)
      }
      throw;
    }
    graph_.capture_end();
    if (pool_ == nullptr) pool_ = std::make_shared<Pool>(Pool{graph_.pool()});
  }

  void replay() override { graph_.replay(); }
  const std::shared_ptr<Pool>& pool() const { return pool_; }

 private:
  at::cuda::CUDAGraph graph_;
  std::shared_ptr<Pool> pool_;
};

class CudaGraphRecorder final : public DeviceGraphRecorder {
 public:
  explicit CudaGraphRecorder(c10::Device device) : device_(device) {}

  std::unique_ptr<DeviceGraph> record(const std::function<void()>& work) override {
    const c10::DeviceGuard device_guard(device_);
    // The recording has memory of its own, so what earlier passes left in the cache must not occupy
    // it.
    at::accelerator::synchronizeDevice(device_.index());
    at::accelerator::emptyCache();
    const c10::StreamGuard stream_guard(
        c10::impl::VirtualGuardImpl(device_.type()).getStreamFromGlobalPool(device_));
    auto recorded = std::make_unique<CudaGraph>(pool_.lock(), work);
    pool_ = recorded->pool();
    return recorded;
  }

 private:
  c10::Device device_;
  std::weak_ptr<Pool> pool_;  // owned by the graphs that still exist
};

}  // namespace

std::unique_ptr<DeviceGraphRecorder> make_device_graph_recorder(c10::Device device) {
  if (!device.is_cuda()) return nullptr;
  return std::make_unique<CudaGraphRecorder>(device);
}

}  // namespace apollo
