// Checks whether the other ranks are still there. A rank that was killed closes its connections,
// which the others notice at once. One that hangs, or whose machine is gone, keeps them waiting.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace apollo {

// Increments a number of its own in the store, from a separate thread, so that it goes on while
// this process saves a checkpoint or prepares data. Rank 0 watches everybody's number, and the
// others watch rank 0's. If a number stands still for `timeout`, counting only time in which this
// process itself was running, this process ends with exit code 1 and an error that names the rank.
// It has to end, because its other threads may wait for that rank and cannot be interrupted.
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
  std::jthread thread_;  // last, so that everything else exists when it starts
};

}  // namespace apollo
