// Hashes of large files that need not read them again each time.
//
// Whenever the content of a file may have changed, the system updates its time of change (ctime),
// which no program can set. So a file is read as a whole only once per identity: device, inode,
// size, ctime. The hash is remembered in a folder. Later only a few MiB spread over the file are
// read, which detects a failing disk.
#pragma once

#include <filesystem>
#include <string>

namespace apollo {

// Returns the hash of the content as hash_file() computes it. If the folder `memory` cannot be read
// or written, the file is read as a whole. Throws Error if the file cannot be read.
std::string remembered_hash(const std::filesystem::path& path, const std::filesystem::path& memory);

// Throws Error if somebody else may write to the folder: if it belongs to neither the user nor
// root, or if all users or another group may write to it.
void require_own_folder(const std::filesystem::path& dir);

}  // namespace apollo
