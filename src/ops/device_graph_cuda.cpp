// Guards and streams are those of any device, so that nothing here needs the CUDA runtime's library
// when the program is linked.
#include <ATen/DeviceAccelerator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "ops/device_graph.h"

namespace apollo {
namespace {

// Memory that graphs share; LibTorch frees it with the last of them, and then forgets its id.
struct Pool {
  c10::MempoolId_t id;
};

class CudaGraph final : public DeviceGraph {
 public:
  // Without a pool of others: with one of its own.
  CudaGraph(const std::shared_ptr<Pool>& pool, const std::function<void()>& work) : pool_(pool) {
    graph_.capture_begin(pool != nullptr ? pool->id : c10::MempoolId_t{0, 0});
    try {
      work();
    } catch (...) {
      // Ends the recording; why it failed is what `work` threw.
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
    // The recording's memory is its own: what earlier passes left cached must not keep it away.
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
  std::weak_ptr<Pool> pool_;  // of the graphs that are left
};

}  // namespace

std::unique_ptr<DeviceGraphRecorder> make_device_graph_recorder(c10::Device device) {
  if (!device.is_cuda()) return nullptr;
  return std::make_unique<CudaGraphRecorder>(device);
}

}  // namespace apollo
