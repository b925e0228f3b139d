// This thread reads and passes on; workers encode. The queue of promised results keeps the order.
// It is bounded, which limits memory.
#include "data/encode_pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "base/stop_signal.h"
#include "base/units.h"

namespace apollo {
namespace {

// Small documents are grouped, so that a job is worth the hand-over.
constexpr size_t kJobBytes = 512 << 10;

struct Piece {
  size_t text_begin = 0;
  size_t text_size = 0;
  int64_t invalid_sequences = 0;
  int64_t source = 0;
  bool begins_document = true;
  bool end_of_document = false;
  size_t ids_end = 0;  // once encoded
};

struct Job {
  std::string text;
  std::vector<Piece> pieces;
  std::vector<TokenId> ids;  // once encoded
};

Job encode(Job job, const Tokenizer& tokenizer) {
  const std::optional<TokenId> begin_of_text = tokenizer.begin_of_text();
  const std::optional<TokenId> end_of_text = tokenizer.end_of_text();
  for (Piece& piece : job.pieces) {
    const auto text = std::string_view(job.text).substr(piece.text_begin, piece.text_size);
    if (piece.begins_document && begin_of_text) job.ids.push_back(*begin_of_text);
    tokenizer.encode_piece(text, piece.begins_document, job.ids);
    if (piece.end_of_document && end_of_text) job.ids.push_back(*end_of_text);
    piece.ids_end = job.ids.size();
  }
  return job;
}

class Encoders {
 public:
  Encoders(int64_t num_threads, const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
    for (int64_t i = 0; i < num_threads; i++) {
      threads_.emplace_back([this](std::stop_token stop) { run(stop); });
    }
  }

  std::future<Job> submit(Job job) {
    std::packaged_task<Job()> task([job = std::move(job), &tokenizer = tokenizer_]() mutable {
      return encode(std::move(job), tokenizer);
    });
    std::future<Job> result = task.get_future();
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    available_.notify_one();
    return result;
  }

 private:
  void run(std::stop_token stop) {
    for (;;) {
      std::packaged_task<Job()> task;
      {
        std::unique_lock lock(mutex_);
        if (!available_.wait(lock, stop, [this] { return !tasks_.empty(); })) return;
        if (stop.stop_requested()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  const Tokenizer& tokenizer_;
  std::mutex mutex_;
  std::condition_variable_any available_;
  std::deque<std::packaged_task<Job()>> tasks_;
  std::vector<std::jthread> threads_;  // last, so that threads end before what they use
};

// Returns a job with the next pieces, about kJobBytes together; without pieces at the end.
// `begins_document`: whether the next piece begins one.
Job read_job(TextPieces& pieces, bool& begins_document) {
  Job job;
  std::string text;
  bool end_of_document = false;
  while (job.text.size() < kJobBytes) {
    const int64_t invalid_before = pieces.num_invalid_sequences();
    if (!pieces.next(text, end_of_document)) break;
    job.pieces.push_back({.text_begin = job.text.size(),
                          .text_size = text.size(),
                          .invalid_sequences = pieces.num_invalid_sequences() - invalid_before,
                          .source = pieces.source_index(),
                          .begins_document = begins_document,
                          .end_of_document = end_of_document});
    job.text += text;
    begins_document = end_of_document;
  }
  return job;
}

}  // namespace

void encode_pieces(TextPieces& text, const Tokenizer& tokenizer, int64_t num_threads,
                   bool show_progress, const std::function<void(const EncodedPiece&)>& sink) {
  if (num_threads <= 0) num_threads = std::max(1u, std::thread::hardware_concurrency());
  std::optional<Progress> progress;
  if (show_progress) {
    progress.emplace("prepare", static_cast<double>(text.total_bytes()), "B");
  }
  Encoders encoders(num_threads, tokenizer);
  std::deque<std::future<Job>> pending;
  int64_t num_tokens = 0;
  bool begins_document = true;

  const auto hand_on = [&] {
    const Job job = pending.front().get();
    pending.pop_front();
    size_t begin = 0;
    for (const Piece& piece : job.pieces) {
      const auto ids = std::span(job.ids).subspan(begin, piece.ids_end - begin);
      sink({ids, static_cast<int64_t>(piece.text_size), piece.invalid_sequences, piece.source,
            piece.end_of_document});
      begin = piece.ids_end;
    }
    num_tokens += static_cast<int64_t>(job.ids.size());
    if (progress) {
      progress->update(static_cast<double>(text.bytes_read()),
                       format_count(static_cast<double>(num_tokens)) + " tokens");
    }
  };

  for (;;) {
    throw_if_stopped();
    Job job = read_job(text, begins_document);
    if (job.pieces.empty()) break;
    pending.push_back(encoders.submit(std::move(job)));
    if (pending.size() >= static_cast<size_t>(2 * num_threads)) hand_on();
  }
  while (!pending.empty()) {
    throw_if_stopped();
    hand_on();
  }
}

}  // namespace apollo
