// What ranks compute together, in real processes that are forked before LibTorch has run anything.
#include "parallel/workers.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "parallel/tree_sum.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

using namespace std::chrono_literals;

// Returns the part of rank `rank`: different numbers for every rank, of sizes that make rounding
// visible.
at::Tensor part_of(int64_t rank, int64_t size) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(rank + 1));
  return at::empty({size}, at::kFloat).normal_(0.0, 1.0 + static_cast<double>(rank), random);
}

// Returns the sum over `count` ranks, by the tree.
at::Tensor tree_sum_of(int64_t count, int64_t size) {
  std::vector<at::Tensor> parts;
  for (int64_t rank = 0; rank < count; ++rank)
    parts.push_back(part_of(rank, size));
  add_by_tree(parts);
  return parts.front();
}

// Runs `work` as every rank of `size`, each in its own process; returns whether all returned true.
bool as_ranks(int64_t size, const std::function<bool(Workers& workers)>& work) {
  const TempDir dir;
  std::vector<pid_t> ranks;
  for (int64_t rank = 0; rank < size; ++rank) {
    const pid_t child = ::fork();
    if (child == 0) {
      bool good = false;
      try {
        const Launch launch{
            .rank = rank, .size = size, .local_rank = rank, .local_size = size, .job = "test"};
        const auto workers = join_workers(launch, at::kCPU, dir / "meeting", 60s);
        good = work(*workers);
        workers->gather({});  // none leaves before the last has come
      } catch (const std::exception& error) {
        std::fprintf(stderr, "rank %ld: %s\n", static_cast<long>(rank), error.what());
      }
      ::_exit(good ? 0 : 1);
    }
    ranks.push_back(child);
  }
  bool all_good = true;
  for (const pid_t child : ranks) {
    int status = 0;
    ::waitpid(child, &status, 0);
    all_good &= status == 0;
  }
  return all_good;
}

TEST(Workers, SumByTheTreeWhateverTheirNumber) {
  for (const int64_t size : {2, 3, 4}) {
    // The number of ranks does not divide 1,001; the other length exceeds what travels at one time.
    for (const int64_t length : {int64_t{1001}, kExchangeElements + 4321}) {
      EXPECT_TRUE(as_ranks(size,
                           [&](Workers& workers) {
                             const at::Tensor own = part_of(workers.rank(), length);
                             workers.sum(own);
                             return own.equal(tree_sum_of(size, length));
                           }))
          << size << " ranks, " << length << " elements";
    }
  }
}

TEST(Workers, SumRangesThatOverlapAndAreNotAlike) {
  const int64_t length = kExchangeElements / 2;
  const std::vector<ElementRange> ranges = {{0, length}, {length / 2, length}, {7, 7}, {16, 39}};
  EXPECT_TRUE(as_ranks(4, [&](Workers& workers) {
    const at::Tensor own = part_of(workers.rank(), length);
    const ElementRange range = ranges[static_cast<size_t>(workers.rank())];
    const at::Tensor sum = at::empty({range.size()}, at::kFloat);
    workers.sum_ranges(own, ranges, sum);
    return sum.equal(tree_sum_of(4, length).slice(0, range.begin, range.end)) &&
           own.equal(part_of(workers.rank(), length));
  }));
}

TEST(Workers, GatherRangesWhereTheyAreWanted) {
  const int64_t length = kExchangeElements + 5;
  const std::vector<ElementRange> ranges = {{0, 11}, {11, 11}, {11, length}};
  EXPECT_TRUE(as_ranks(3, [&](Workers& workers) {
    const at::Tensor expected = part_of(7, length);
    const ElementRange range = ranges[static_cast<size_t>(workers.rank())];
    const at::Tensor own = expected.slice(0, range.begin, range.end);
    at::Tensor whole;
    if (!workers.leads()) whole = at::empty({length}, at::kFloat);
    workers.gather_ranges(own, ranges, whole);
    return workers.leads() || whole.equal(expected);
  }));
}

TEST(Workers, GatherInTheOrderOfTheRanks) {
  EXPECT_TRUE(as_ranks(3, [](Workers& workers) {
    // Rank r gives r + 1 numbers.
    std::vector<double> own(static_cast<size_t>(workers.rank() + 1));
    std::iota(own.begin(), own.end(), 10.0 * static_cast<double>(workers.rank()));
    const std::vector<double> expected = {0, 10, 11, 20, 21, 22};
    return workers.gather(own) == expected && workers.largest(-1.0 * workers.rank()) == 0.0;
  }));
}

TEST(Workers, GatherMoreThanTravelsAtOnce) {
  EXPECT_TRUE(as_ranks(2, [](Workers& workers) {
    // Rank 0 gives one number, rank 1 gives 100.
    std::vector<double> own(workers.leads() ? 1 : 100);
    std::iota(own.begin(), own.end(), static_cast<double>(workers.rank()));
    std::vector<double> expected(101);
    std::iota(expected.begin(), expected.end(), 0.0);
    return workers.gather(own) == expected;
  }));
}

TEST(Workers, NameTheRankThatDiffers) {
  EXPECT_TRUE(as_ranks(3, [](Workers& workers) {
    workers.expect_equal(7.0, "another seven");
    const std::string text = thrown_text<DataError>(
        [&] { workers.expect_equal(workers.rank() == 2 ? 1.0 : 0.0, "another number"); });
    return text == "rank 2 has another number than rank 0; all ranks must have the same";
  }));
}

TEST(Workers, ARankThatHangsEndsTheOthers) {
  const TempDir dir;
  std::vector<pid_t> ranks;
  for (const int64_t rank : {0, 1}) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto workers = join_workers(
          {.rank = rank, .size = 2, .local_rank = rank, .local_size = 2, .job = "test"}, at::kCPU,
          dir / "meeting", 1s);
      workers->gather({});
      if (rank == 1) ::raise(SIGSTOP);
      workers->gather({});
      ::_exit(0);
    }
    ranks.push_back(child);
  }
  int status = 0;
  ::waitpid(ranks[0], &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  ::kill(ranks[1], SIGKILL);
  ::waitpid(ranks[1], &status, 0);
}

TEST(Workers, ShareOutWithoutGapOrOverlap) {
  class Some final : public Workers {
   public:
    using Workers::Workers;

   protected:
    void all_to_all(const at::Tensor&, const at::Tensor&) override {}
    void all_gather(const at::Tensor&, const at::Tensor&) override {}
    void all_reduce(const at::Tensor&) override {}
  };
  std::vector<int> items(7);
  std::iota(items.begin(), items.end(), 0);
  for (const int64_t size : {1, 2, 4, 9}) {
    std::vector<int> all;
    for (int64_t rank = 0; rank < size; ++rank) {
      const auto part = Some(rank, size).share(std::span<const int>(items));
      EXPECT_LE(part.size(), static_cast<size_t>((7 + size - 1) / size));
      all.insert(all.end(), part.begin(), part.end());
    }
    EXPECT_EQ(all, items);
  }
}

TEST(Workers, AloneChangeNothing) {
  const auto alone = single_worker();
  const at::Tensor tensor = part_of(0, 9);
  const at::Tensor before = tensor.clone();
  alone->sum(tensor);
  EXPECT_TRUE(tensor.equal(before));
  const std::vector<double> numbers = {1.0, 2.0};
  EXPECT_EQ(alone->gather(numbers), numbers);
}

}  // namespace
}  // namespace apollo
