// Whether the other ranks are still there. A rank that was killed closes its connections, which the
// others notice at once; one that hangs, or whose machine is gone, keeps them waiting.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace apollo {

// Counts up a number of its own in the store, from a thread of its own, so that saving a checkpoint
// and preparing data keep it going. Rank 0 looks at everybody's number and the others look at rank
// 0's. Where one stands still for `timeout`, of the time that this process itself was running, this
// process ends with exit code 1 and an error that names the rank: its other threads may wait for
// that rank and cannot be called back.
class Heartbeat {
 public:
  Heartbeat(c10::intrusive_ptr<c10d::Store> store, int64_t rank, int64_t size,
            std::chrono::milliseconds timeout);
  ~Heartbeat();

 private:
  void run(const std::stop_token& stop);

  c10::intrusive_ptr<c10d::Store> store_;
  int64_t rank_;
  int64_t size_;
  std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;  // last: everything else is there when it begins
};

}  // namespace apollo
