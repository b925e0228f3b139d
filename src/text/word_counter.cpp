#include "text/word_counter.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "base/stop_signal.h"
#include "text/bpe_vocabulary.h"
#include "text/utf8.h"

namespace apollo {
namespace {

constexpr size_t kNumShards = 16;
constexpr size_t kMaxLocalWords = 1 << 16;

// Pieces on their way from the reader to the counters, so few that they take no memory to speak of.
class PieceQueue {
 public:
  explicit PieceQueue(size_t capacity) : capacity_(capacity) {}

  // False where the queue was closed: nobody will take the piece.
  bool push(std::string piece) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [&] { return pieces_.size() < capacity_ || closed_; });
    if (closed_) return false;
    pieces_.push_back(std::move(piece));
    not_empty_.notify_one();
    return true;
  }

  bool pop(std::string& piece) {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return !pieces_.empty() || closed_; });
    if (pieces_.empty()) return false;
    piece = std::move(pieces_.front());
    pieces_.pop_front();
    not_full_.notify_one();
    return true;
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    not_empty_.notify_all();
    not_full_.notify_all();
  }

 private:
  size_t capacity_;
  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::deque<std::string> pieces_;
  bool closed_ = false;
};

// The counts of all threads, in shards by hash, so that threads seldom wait for each other.
class SharedCounts {
 public:
  void take(WordTable& local) {
    for (size_t s = 0; s < kNumShards; ++s) {
      const std::lock_guard lock(shards_[s].mutex);
      for (size_t i = 0; i < local.size(); ++i) {
        if (shard_of(local.hash(i)) != s) continue;
        shards_[s].words.add(local.word(i), local.hash(i), local.count(i));
      }
    }
    local.clear();
  }

  WordTable merged() {
    WordTable all;
    for (Shard& shard : shards_) {
      for (size_t i = 0; i < shard.words.size(); ++i) {
        all.add(shard.words.word(i), shard.words.hash(i), shard.words.count(i));
      }
      shard.words.release();
    }
    return all;
  }

 private:
  struct Shard {
    std::mutex mutex;
    WordTable words;
  };
  static size_t shard_of(uint32_t hash) { return hash >> 28; }  // tables use the low bits

  std::array<Shard, kNumShards> shards_;
};

void count_piece(std::string_view text, const WordSplitter& split, WordTable& words) {
  std::string repaired;
  text = as_valid_utf8(text, repaired);
  while (true) {
    const size_t end = text.find(kEndOfText);
    split(text.substr(0, end), words);
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + kEndOfText.size());
  }
}

void count_from(PieceQueue& queue, const WordSplitter& split, SharedCounts& counts) {
  WordTable words;
  std::string piece;
  while (queue.pop(piece)) {
    count_piece(piece, split, words);
    if (words.size() > kMaxLocalWords) counts.take(words);
  }
  counts.take(words);
}

// Threads that count while it lives; finish() hands on what one of them threw.
class Counters {
 public:
  Counters(size_t num_threads, const WordSplitter& split, PieceQueue& queue, SharedCounts& counts)
      : queue_(queue) {
    const auto work = [this, &split, &counts] {
      try {
        count_from(queue_, split, counts);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        error_ = std::current_exception();
        queue_.close();
      }
    };
    try {
      for (size_t i = 0; i < num_threads; ++i)
        threads_.emplace_back(work);
    } catch (...) {  // the system gives no more; those that run must end before they are joined
      queue_.close();
      throw;
    }
  }
  ~Counters() { join(); }
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  void finish() {
    join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void join() {
    queue_.close();
    threads_.clear();  // joins
  }

  PieceQueue& queue_;
  std::mutex mutex_;
  std::exception_ptr error_;
  std::vector<std::jthread> threads_;
};

}  // namespace

WordTable count_words(const TextSource& source, int64_t num_threads, bool show_progress,
                      const WordSplitter& split) {
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const size_t count = num_threads > 0 ? static_cast<size_t>(num_threads) : cores;
  PieceQueue queue(2 * count);
  SharedCounts counts;
  std::optional<Progress> progress;
  if (show_progress) progress.emplace("counting words", 0, "B");
  Counters counters(count, split, queue, counts);
  double num_bytes = 0;
  std::string piece;
  while (source(piece)) {
    throw_if_stopped();
    num_bytes += static_cast<double>(piece.size());
    if (!queue.push(std::move(piece))) break;
    piece.clear();
    if (progress) progress->update(num_bytes);
  }
  counters.finish();
  if (progress) progress->finish();
  return counts.merged();
}

}  // namespace apollo
