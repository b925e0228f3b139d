#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include "base/error.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

void write_text(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::set<std::string> names_in(const fs::path& dir) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

using Names = std::set<std::string>;

TEST(WriteFileAtomic, ReplacesTheFileAndLeavesNothingElse) {
  const TempDir dir;
  write_file_atomic(dir / "a", "one");
  write_file_atomic(dir / "a", std::string_view("t\0o", 3));
  EXPECT_EQ(read_file(dir / "a"), std::string("t\0o", 3));
  write_file_atomic(dir / "a", "");
  EXPECT_EQ(read_file(dir / "a"), "");
  EXPECT_EQ(names_in(dir.path()), Names{"a"});
  EXPECT_EQ(thrown_text<Error>([&] { write_file_atomic(dir / "no/a", "x"); }),
            (dir / "no/a").string() + ": cannot write: No such file or directory");
}

// A process that may not write beyond 1000 bytes simulates a full disk.
TEST(WriteFileAtomic, KeepsTheOldFileWhereTheNewOneDoesNotFit) {
  const TempDir dir;
  write_file_atomic(dir / "a", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string text =
        thrown_text<Error>([&] { write_file_atomic(dir / "a", std::string(5000, 'x')); });
    ::_exit(text == (dir / "a").string() + ": cannot write: File too large" ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(dir / "a"), "old");
  EXPECT_EQ(names_in(dir.path()), Names{"a"});
}

TEST(WriteFolderAtomic, AppearsWhole) {
  const TempDir dir;
  write_folder_atomic(dir / "new", [&](const fs::path& fresh) {
    EXPECT_FALSE(fs::exists(dir / "new"));
    fs::create_directories(fresh / "sub");
    write_text(fresh / "a", "1");
    write_text(fresh / "sub/b", "2");
  });
  EXPECT_EQ(read_file(dir / "new/a"), "1");
  EXPECT_EQ(read_file(dir / "new/sub/b"), "2");
  EXPECT_EQ(names_in(dir.path()), Names{"new"});
}

TEST(WriteFolderAtomic, ReplacesAnOldFolderAndWhatAKillLeftBehind) {
  const TempDir dir;
  const auto fill = [](const char* name) {
    return [name](const fs::path& fresh) {
      EXPECT_TRUE(fs::is_empty(fresh));
      write_text(fresh / name, name);
    };
  };
  write_folder_atomic(dir / "f", fill("first"));
  fs::create_directories(dir / ".f.new");
  write_text(dir / ".f.new/torn", "");
  write_folder_atomic(dir / "f", fill("second"));
  EXPECT_EQ(names_in(dir / "f"), Names{"second"});
  EXPECT_EQ(names_in(dir.path()), Names{"f"});
}

TEST(WriteFolderAtomic, LeavesTheOldFolderWhereFillingFails) {
  const TempDir dir;
  write_folder_atomic(dir / "f", [](const fs::path& fresh) { write_text(fresh / "a", "old"); });
  EXPECT_EQ(thrown_text<DataError>([&] {
              write_folder_atomic(dir / "f", [](const fs::path& fresh) {
                write_text(fresh / "a", "half");
                fail<DataError>("no more text");
              });
            }),
            "no more text");
  EXPECT_EQ(read_file(dir / "f/a"), "old");
  EXPECT_EQ(names_in(dir.path()), Names{"f"});
}

TEST(WriteFolderAtomic, ThePlaceIsNeverEmptyWhileAFolderIsReplaced) {
  const TempDir dir;
  const auto fill = [](const fs::path& fresh) { write_text(fresh / "a", "x"); };
  write_folder_atomic(dir / "f", fill);
  const pid_t child = ::fork();
  if (child == 0) {
    for (int i = 0; i < 200; ++i)
      write_folder_atomic(dir / "f", fill);
    ::_exit(0);
  }
  int status = 0;
  int64_t misses = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (::access((dir / "f").c_str(), F_OK) != 0) ++misses;
  }
  EXPECT_EQ(misses, 0) << "a kill at such a moment would lose the folder";
}

// The last one wins, and the folder is complete.
TEST(WriteFolderAtomic, TwoProcessesDoNotDisturbEachOther) {
  const TempDir dir;
  std::vector<pid_t> children;
  for (const char* name : {"1", "2", "3"}) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    try {
      for (int i = 0; i < 60; ++i) {
        write_folder_atomic(dir / "f", [&](const fs::path& fresh) {
          write_text(fresh / "a", name);
          write_text(fresh / "b", name);
        });
        write_file_atomic(dir / "file", std::string(10000, *name));
      }
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(1);
    }
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(read_file(dir / "f/a"), read_file(dir / "f/b"));
  const std::string file = read_file(dir / "file");
  EXPECT_EQ(file, std::string(10000, file[0]));
  EXPECT_EQ(names_in(dir.path()), (Names{"f", "file"}));
}

TEST(WriteFolderAtomic, RemovesWhatAKilledProcessLeftAndNothingElse) {
  const TempDir dir;
  fs::create_directories(dir / ".f.1-0.new");
  write_text(dir / ".f.1-0.new/a", "half");
  fs::create_directories(dir / ".other.1-0.new");
  write_folder_atomic(dir / "f", [&](const fs::path& fresh) {
    EXPECT_FALSE(fs::exists(dir / ".f.1-0.new"));
    write_folder_atomic(dir / "f", [](const fs::path& inner) { write_text(inner / "a", "in"); });
    EXPECT_TRUE(fs::exists(fresh)) << "it is in use";
    write_text(fresh / "a", "out");
  });
  EXPECT_EQ(read_file(dir / "f/a"), "out");
  EXPECT_EQ(names_in(dir.path()), (Names{".other.1-0.new", "f"}));
}

TEST(ReplaceLink, PointsToTheNewTarget) {
  const TempDir dir;
  fs::create_directories(dir / "one");
  fs::create_directories(dir / "two");
  replace_link(dir / "latest", "one");
  replace_link(dir / "latest", "two");
  EXPECT_EQ(fs::read_symlink(dir / "latest"), "two");
  EXPECT_EQ(names_in(dir.path()), (Names{"latest", "one", "two"}));
}

TEST(MappedFile, HoldsTheWholeFile) {
  const TempDir dir;
  write_text(dir / "a", "abc");
  MappedFile file(dir / "a");
  EXPECT_EQ(file.text(), "abc");
  const MappedFile moved(std::move(file));
  EXPECT_EQ(moved.text(), "abc");
  write_text(dir / "empty", "");
  EXPECT_TRUE(MappedFile(dir / "empty").bytes().empty());
}

TEST(MappedFile, SaysWhyItCannotOpen) {
  const TempDir dir;
  EXPECT_EQ(thrown_text<Error>([&] { MappedFile(dir / "absent"); }),
            (dir / "absent").string() + ": cannot open: No such file or directory");
  EXPECT_EQ(thrown_text<Error>([&] { MappedFile{dir.path()}; }),
            dir.path().string() + ": expected a file, found a folder");
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(thrown_text<Error>([&] { MappedFile{dir / "pipe"}; }),
            (dir / "pipe").string() + ": expected a file, found a pipe or device");
  EXPECT_EQ(thrown_text<Error>([&] { RandomAccessFile{dir / "pipe"}; }),
            (dir / "pipe").string() + ": expected a file, found a pipe or device");
}

TEST(FileLock, IsHeldByOneProcessAndReleasedByItsDeath) {
  const TempDir dir;
  const fs::path path = dir / ".lock";
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const FileLock lock(path);
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    for (;;)
      ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(thrown_text<Error>([&] { FileLock{path}; }),
            dir.path().string() + ": in use by another process (process id " +
                std::to_string(child) + ")");
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  {
    const FileLock lock(path);
    EXPECT_EQ(read_file(path), std::to_string(::getpid()));
  }
  EXPECT_NO_THROW(FileLock{path});
}

TEST(FileLock, FollowsNoLink) {
  const TempDir dir;
  write_text(dir / "precious", "text");
  fs::create_symlink("precious", dir / ".lock");
  EXPECT_EQ(
      thrown_text<Error>([&] { FileLock{dir / ".lock"}; }),
      (dir / ".lock").string() + ": expected a lock file, found a symbolic link (hint: remove it)");
  EXPECT_EQ(read_file(dir / "precious"), "text");
}

TEST(UserCacheDir, FollowsTheEnvironment) {
  const char* before = std::getenv("XDG_CACHE_HOME");
  const std::string saved = before != nullptr ? before : "";
  ::setenv("XDG_CACHE_HOME", "/somewhere", 1);
  EXPECT_EQ(user_cache_dir(), "/somewhere/apollo");
  ::setenv("XDG_CACHE_HOME", "", 1);
  EXPECT_EQ(user_cache_dir(), fs::path(std::getenv("HOME")) / ".cache/apollo");
  before != nullptr ? ::setenv("XDG_CACHE_HOME", saved.c_str(), 1) : ::unsetenv("XDG_CACHE_HOME");
}

}  // namespace
TEST(File, FollowsALinkThatIsWrittenTo) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "disk");
  std::filesystem::create_symlink("disk/there", dir / "link");  // to what is not there yet
  for (int i = 0; i < 2; i++) {
    write_folder_atomic(dir / "link", [&](const std::filesystem::path& fresh) {
      write_file_atomic(fresh / "a", std::to_string(i));
    });
    EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
    EXPECT_EQ(read_file(dir / "disk" / "there" / "a"), std::to_string(i));
  }
  std::filesystem::create_symlink("disk/file", dir / "to-file");
  write_file_atomic(dir / "to-file", "x");
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "to-file"));
  EXPECT_EQ(read_file(dir / "disk" / "file"), "x");
}

}  // namespace apollo
