#include "parallel/meeting.h"

#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cctype>
#include <chrono>
#include <string>

namespace apollo {
namespace {

using namespace std::chrono_literals;

// The time within which the ranks must have come together.
constexpr auto kMeetingTime = 120s;

}  // namespace

c10::intrusive_ptr<c10d::Store> meet(const Launch& launch,
                                     const std::filesystem::path& meeting_folder) {
  c10::intrusive_ptr<c10d::Store> store;
  if (!launch.address.empty()) {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(launch.port);
    options.isServer = launch.rank == 0 && !launch.launcher_serves;
    options.numWorkers = static_cast<size_t>(launch.size);
    options.timeout = kMeetingTime;
    store = c10::make_intrusive<c10d::TCPStore>(launch.address, options);
  } else {
    // The job's name comes from a launcher, so no character of it may lead to another folder.
    std::string name = ".meeting-" + launch.job;
    for (char& c : name) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-') c = '_';
    }
    std::filesystem::create_directories(meeting_folder);
    store = c10::make_intrusive<c10d::FileStore>((meeting_folder / name).string(),
                                                 static_cast<int>(launch.size));
  }
  store->setTimeout(kMeetingTime);
  return c10::make_intrusive<c10d::PrefixStore>("apollo/" + launch.job, store);
}

}  // namespace apollo
