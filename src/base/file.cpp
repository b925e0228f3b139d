#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_errno(const fs::path& path, std::string_view what) {
  fail<Error>("{}: {}: {}", path.string(), what, std::strerror(errno));
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

fs::path beside(const fs::path& path, std::string_view suffix) {
  return path.parent_path() / fmt::format(".{}.{}", path.filename().string(), suffix);
}

// Returns a name beside `path` that no other process and no other thread uses.
fs::path own_name_beside(const fs::path& path) {
  static std::atomic<int64_t> count = 0;
  return beside(path, fmt::format("{}-{}.new", ::getpid(), count++));
}

int open_to_read(const fs::path& path) {
  // O_NONBLOCK, because opening a pipe that has no writer would wait for ever.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail_errno(path, "cannot open");
  struct stat status {};
  const bool is_known = ::fstat(descriptor, &status) == 0;
  if (is_known && S_ISREG(status.st_mode)) return descriptor;
  ::close(descriptor);
  fail<Error>("{}: expected a file, found {}", path.string(),
              is_known && S_ISDIR(status.st_mode) ? "a folder" : "a pipe or device");
}

// A folder that write_folder_atomic() fills. A lock tells a folder in use from one that a killed
// process left behind, so it gets its name only once it is locked.
class FreshFolder {
 public:
  explicit FreshFolder(const fs::path& path) : path_(own_name_beside(path)) {
    const fs::path unlocked = path_.string() + ".unlocked";
    std::error_code error;
    fs::create_directories(unlocked, error);
    if (error) fail<Error>("{}: cannot make folder: {}", path.string(), error.message());
    descriptor_ = ::open(unlocked.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor_ >= 0) ::flock(descriptor_, LOCK_EX | LOCK_NB);
    fs::rename(unlocked, path_, error);
    if (error) fail<Error>("{}: cannot make folder: {}", path.string(), error.message());
  }
  ~FreshFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  FreshFolder(const FreshFolder&) = delete;
  FreshFolder& operator=(const FreshFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int descriptor_ = -1;
};

// Removes what killed processes have left beside `path`.
void remove_left_behind(const fs::path& path) {
  const std::string prefix = beside(path, "").filename().string();
  std::error_code error;
  std::vector<fs::path> left;
  for (const auto& entry :
       fs::directory_iterator(path.has_parent_path() ? path.parent_path() : ".", error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".new") && entry.is_directory(error)) {
      left.push_back(entry.path());
    }
  }
  for (const fs::path& folder : left) {
    const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const bool is_in_use =
        descriptor.get() < 0 || ::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0;
    if (!is_in_use) fs::remove_all(folder, error);
  }
}

void sync_path(const fs::path& path, int flags) {
  const Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC));
  if (descriptor.get() < 0) fail_errno(path, "cannot open to sync");
  if (::fsync(descriptor.get()) != 0) fail_errno(path, "cannot sync");
}

void sync_folder(const fs::path& path) {
  sync_path(path.empty() ? fs::path(".") : path, O_RDONLY | O_DIRECTORY);
}

// Returns the end of a chain of symbolic links, whether it exists or not.
fs::path behind_links(fs::path path) {
  constexpr int kMaxLinks = 40;
  std::error_code error;
  for (int i = 0; i < kMaxLinks && fs::is_symlink(fs::symlink_status(path, error)); i++)
    path = (path.parent_path() / fs::read_symlink(path)).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

void rename_or_fail(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_errno(to, "cannot rename into place");
}

// A folder cannot be renamed over one that is not empty. So the two are exchanged, and a kill never
// finds the place empty. Some network file systems cannot exchange; there is a moment without a
// folder.
void put_in_place(const fs::path& fresh, const fs::path& path) {
  if (!fs::exists(path)) {
    if (::rename(fresh.c_str(), path.c_str()) == 0) return;
    const bool is_there_now = errno == ENOTEMPTY || errno == EEXIST;
    if (!is_there_now) fail_errno(path, "cannot rename into place");
  }
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno != EINVAL && errno != ENOSYS) fail_errno(path, "cannot rename into place");
  const fs::path old = own_name_beside(path);
  std::error_code ignored;
  rename_or_fail(path, old);
  rename_or_fail(fresh, path);
  fs::remove_all(old, ignored);
}

}  // namespace

std::string read_file(const fs::path& path) {
  const MappedFile file(path);
  return std::string(file.text());
}

void write_file_atomic(const fs::path& target, std::string_view content) {
  if (target == "-") {
    if (std::fwrite(content.data(), 1, content.size(), stdout) != content.size()) {
      fail_errno("stdout", "cannot write");
    }
    return;
  }
  const fs::path path = behind_links(target);
  const fs::path fresh = own_name_beside(path);
  {
    const Descriptor descriptor(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (descriptor.get() < 0) fail_errno(path, "cannot write");
    while (!content.empty()) {
      const ssize_t written = ::write(descriptor.get(), content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const int error = errno;
        ::unlink(fresh.c_str());
        errno = error;
        fail_errno(path, "cannot write");
      }
      content.remove_prefix(static_cast<size_t>(written));
    }
    if (::fsync(descriptor.get()) != 0) {
      const int error = errno;
      ::unlink(fresh.c_str());
      errno = error;
      fail_errno(path, "cannot sync");
    }
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(fresh.c_str());
    errno = error;
    fail_errno(path, "cannot rename into place");
  }
  sync_folder(path.parent_path());
}

void write_folder_atomic(const fs::path& target, const std::function<void(const fs::path&)>& fill) {
  if (target == "-") fail<UsageError>("'-' is stdout, which takes no folder; expected a name");
  // "folder/" means "folder"; the fresh folder must not be put inside it.
  const fs::path path = behind_links(target.has_filename() ? target : target.parent_path());
  remove_left_behind(path);
  const FreshFolder fresh(path);  // after an exchange the old folder has this name
  fill(fresh.path());
  for (const auto& entry : fs::recursive_directory_iterator(fresh.path())) {
    if (entry.is_directory()) {
      sync_folder(entry.path());
    } else {
      sync_file(entry.path());
    }
  }
  sync_folder(fresh.path());
  put_in_place(fresh.path(), path);
  sync_folder(path.parent_path());
}

void replace_link(const fs::path& link, const fs::path& target) {
  const fs::path fresh = own_name_beside(link);
  if (::symlink(target.c_str(), fresh.c_str()) != 0) fail_errno(link, "cannot make link");
  rename_or_fail(fresh, link);
  sync_folder(link.parent_path());
}

void sync_file(const fs::path& path) {
  sync_path(path, O_RDONLY);
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor descriptor(open_to_read(path));
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) fail_errno(path, "cannot read size");
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (data == MAP_FAILED) fail_errno(path, "cannot map");
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

RandomAccessFile::RandomAccessFile(const fs::path& path)
    : path_(path), descriptor_(open_to_read(path)) {
  struct stat status {};
  ::fstat(descriptor_, &status);
  size_ = static_cast<int64_t>(status.st_size);
}

RandomAccessFile::~RandomAccessFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

RandomAccessFile::RandomAccessFile(RandomAccessFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(std::exchange(other.size_, 0)) {}

RandomAccessFile& RandomAccessFile::operator=(RandomAccessFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

void RandomAccessFile::read(int64_t offset, std::span<char> out) const {
  while (!out.empty()) {
    const ssize_t count = ::pread(descriptor_, out.data(), out.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno(path_, "cannot read");
    if (count == 0) {
      struct stat status {};
      ::fstat(descriptor_, &status);
      fail<Error>(
          "{}: the file was cut short while it is in use: {} bytes when it was opened, now {} "
          "(hint: put it back as it was; a run goes on from its last checkpoint)",
          path_.string(), size_, static_cast<int64_t>(status.st_size));
    }
    offset += count;
    out = out.subspan(static_cast<size_t>(count));
  }
}

FileLock::FileLock(const fs::path& path) {
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor_ < 0 && errno == ELOOP) {
    fail<Error>("{}: expected a lock file, found a symbolic link (hint: remove it)", path.string());
  }
  if (descriptor_ < 0) fail_errno(path, "cannot open lock");
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    const ssize_t size = ::pread(descriptor_, holder, sizeof holder - 1, 0);
    ::close(descriptor_);
    fail<Error>("{}: in use by another process (process id {})", path.parent_path().string(),
                size > 0 ? std::string(holder) : "unknown");
  }
  const std::string self = std::to_string(::getpid());
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, self.data(), self.size(), 0) != static_cast<ssize_t>(self.size())) {
    const int error = errno;
    ::close(descriptor_);
    errno = error;
    fail_errno(path, "cannot write lock");
  }
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

fs::path user_cache_dir() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return fs::path(cache) / "apollo";
  }
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr && *home != '\0' ? home : ".") / ".cache" / "apollo";
}

}  // namespace apollo
