#include "parallel/heartbeat.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/log.h"

namespace apollo {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kLongestInterval = 5s;

std::string key_of(int64_t rank) {
  return fmt::format("beat/{}", rank);
}

std::vector<uint8_t> to_bytes(int64_t number) {
  const std::string digits = fmt::format("{}", number);
  return {digits.begin(), digits.end()};
}

// Another rank, as this one sees it.
struct Watched {
  int64_t rank = 0;
  std::vector<uint8_t> last = {};
  Milliseconds silent = 0ms;
};

void look_at(c10d::Store& store, Watched& other, Milliseconds passed) {
  std::vector<uint8_t> now;
  if (store.check({key_of(other.rank)})) now = store.get(key_of(other.rank));
  other.silent = now == other.last ? other.silent + passed : 0ms;
  other.last = std::move(now);
}

[[noreturn]] void end_without(const Watched& other, int64_t rank, int64_t size) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(other.silent).count();
  log_line(LogLevel::kWarning,
           fmt::format("error: rank {} of {} was not heard of for {} s (run.rank_timeout); rank {} "
                       "ends; the same command goes on from the last checkpoint",
                       other.rank, size, seconds, rank));
  std::fflush(nullptr);
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

Heartbeat::Heartbeat(c10::intrusive_ptr<c10d::Store> store, int64_t rank, int64_t size,
                     Milliseconds timeout)
    : store_(std::move(store)),
      rank_(rank),
      size_(size),
      timeout_(timeout),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Heartbeat::~Heartbeat() {
  thread_.request_stop();
  stopped_.notify_all();
}

void Heartbeat::run(const std::stop_token& stop) {
  const Milliseconds interval = std::clamp<Milliseconds>(timeout_ / 10, 50ms, kLongestInterval);
  std::vector<Watched> others;
  if (rank_ == 0) {
    for (int64_t rank = 1; rank < size_; ++rank)
      others.push_back({.rank = rank});
  } else {
    others.push_back({.rank = 0});
  }
  auto last = Clock::now();
  for (int64_t beat = 0; !stop.stop_requested(); ++beat) {
    // If this process itself was stopped (Ctrl-Z), it must not take the others for dead.
    const auto passed =
        std::min(std::chrono::duration_cast<Milliseconds>(Clock::now() - last), 2 * interval);
    last = Clock::now();
    try {
      store_->set(key_of(rank_), to_bytes(beat));
      for (Watched& other : others) {
        look_at(*store_, other, passed);
        if (other.silent >= timeout_) end_without(other, rank_, size_);
      }
    } catch (const std::exception&) {
      // The store is gone with the rank that served it. That rank's connections are gone too, so
      // the exchange that waits for them fails.
      return;
    }
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, stop, interval, [] { return false; });
  }
}

}  // namespace apollo
