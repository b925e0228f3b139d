// Work of a GPU that is recorded once and repeated with one launch (CUDA graphs). Launching a pass
// through a small model operator by operator takes longer than computing it. Repeated as a whole,
// it takes only the time of the computation.
//
// Recording needs the headers of the CUDA runtime when the program is built (FindLibTorch.cmake);
// without them, and on the CPU, nothing can be recorded.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace apollo {

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  // Queues the recorded work again, on the tensors with which it was recorded. Random numbers are
  // drawn anew from the current state of the device's generator.
  virtual void replay() = 0;
};

// Records graphs that share one memory pool. They may be replayed in any order, one after the
// other, so nothing that the work allocates may be needed after it.
class DeviceGraphRecorder {
 public:
  virtual ~DeviceGraphRecorder() = default;
  // Runs `work` to record it; nothing is computed. `work` may be kept as long as the graph. Throws
  // c10::OutOfMemoryError if memory is lacking; the device is then as before. After any other
  // c10::Error, for example because `work` waits for the device, the device must not be used again.
  virtual std::unique_ptr<DeviceGraph> record(const std::function<void()>& work) = 0;
};

// Returns null if nothing can be recorded on this device.
std::unique_ptr<DeviceGraphRecorder> make_device_graph_recorder(c10::Device device);

}  // namespace apollo
