// Recordings for tests: the device's own, or, if it has none, work that is stored and run again.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "ops/device_graph.h"
#include "support/test_device.h"

namespace apollo {

class RepeatedWork final : public DeviceGraph {
 public:
  explicit RepeatedWork(std::function<void()> work) : work_(std::move(work)) {}
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

class RepeatingRecorder final : public DeviceGraphRecorder {
 public:
  std::unique_ptr<DeviceGraph> record(const std::function<void()>& work) override {
    return std::make_unique<RepeatedWork>(work);
  }
};

inline std::unique_ptr<DeviceGraphRecorder> make_test_recorder() {
  auto recorder = make_device_graph_recorder(test_device());
  return recorder != nullptr ? std::move(recorder) : std::make_unique<RepeatingRecorder>();
}

}  // namespace apollo
