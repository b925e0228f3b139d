// Work of a GPU that is recorded once and repeated with one launch (CUDA graphs). A pass through a
// small model takes longer to launch, operator by operator, than to compute; repeated as a whole,
// it takes what it computes.
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
  // Queues the recorded work again, on the tensors with which it was recorded. What it draws at
  // random is drawn anew, from the state of the device's generator now.
  virtual void replay() = 0;
};

// Records graphs that share one pool of memory. They may be replayed in any order, one after the
// other: nothing that the work allocates may be needed when it is over.
class DeviceGraphRecorder {
 public:
  virtual ~DeviceGraphRecorder() = default;
  // `work` is run to be recorded; nothing of it is computed. It may be kept as long as the graph.
  // Throws c10::OutOfMemoryError where memory is lacking; the device is then as it was. After any
  // other c10::Error, since `work` waits for the device, say, the device is not to be used again.
  virtual std::unique_ptr<DeviceGraph> record(const std::function<void()>& work) = 0;
};

// Null where nothing can be recorded on this device.
std::unique_ptr<DeviceGraphRecorder> make_device_graph_recorder(c10::Device device);

}  // namespace apollo
