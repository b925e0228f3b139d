#include "text/encode_batch.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/stop_signal.h"

namespace apollo {
namespace {

// What a thread takes at a time: neighbours, of about so many bytes together.
constexpr size_t kShareBytes = 64 << 10;

struct Share {
  size_t first = 0;  // text
  size_t end = 0;
  std::vector<TokenId> ids;  // once encoded
};

std::vector<Share> make_shares(std::span<const std::string_view> texts) {
  std::vector<Share> shares;
  size_t bytes = kShareBytes;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (bytes >= kShareBytes) {
      shares.push_back({.first = i});
      bytes = 0;
    }
    shares.back().end = i + 1;
    // An empty text costs something too.
    bytes += texts[i].size() + 1;
  }
  return shares;
}

class BatchEncoder {
 public:
  BatchEncoder(const Tokenizer& tokenizer, std::span<const std::string_view> texts,
               bool parse_special)
      : tokenizer_(tokenizer),
        texts_(texts),
        parse_special_(parse_special),
        shares_(make_shares(texts)) {
    batch_.ends.resize(texts.size());
  }

  EncodedBatch run(int64_t num_threads) {
    const auto wanted =
        num_threads > 0 ? num_threads : std::max<int64_t>(1, std::thread::hardware_concurrency());
    {
      std::vector<std::jthread> helpers;
      for (int64_t i = 1; i < std::min(wanted, std::ssize(shares_)); ++i)
        helpers.emplace_back([this] { work(); });
      work();
    }
    if (failure_) std::rethrow_exception(failure_);
    gather();
    return std::move(batch_);
  }

 private:
  void work() {
    try {
      for (size_t i = next_++; i < shares_.size(); i = next_++) {
        throw_if_stopped();
        encode(shares_[i]);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_ = shares_.size();
    }
  }

  // Notes of each text how many ids it has; gather() adds them up.
  void encode(Share& share) {
    for (size_t i = share.first; i < share.end; ++i) {
      const size_t before = share.ids.size();
      tokenizer_.encode(texts_[i], share.ids, parse_special_);
      batch_.ends[i] = static_cast<int64_t>(share.ids.size() - before);
    }
  }

  void gather() {
    size_t total = 0;
    for (const Share& share : shares_)
      total += share.ids.size();
    batch_.ids.reserve(total);
    for (Share& share : shares_) {
      batch_.ids.insert(batch_.ids.end(), share.ids.begin(), share.ids.end());
      share.ids = {};
    }
    int64_t end = 0;
    for (int64_t& count : batch_.ends)
      count = end += count;
  }

  const Tokenizer& tokenizer_;
  std::span<const std::string_view> texts_;
  bool parse_special_;
  std::vector<Share> shares_;
  EncodedBatch batch_;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

EncodedBatch encode_batch(const Tokenizer& tokenizer, std::span<const std::string_view> texts,
                          bool parse_special, int64_t num_threads) {
  return BatchEncoder(tokenizer, texts, parse_special).run(num_threads);
}

}  // namespace apollo
