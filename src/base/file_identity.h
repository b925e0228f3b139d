// Hashes of large files without reading them again and again.
//
// The system gives a file another time of change (ctime, which no program can set) whenever its
// content may have changed. So a file is read as a whole once for each identity: device, inode,
// size, ctime. The hash is remembered in a folder; later a few MiB spread over the file are looked
// at, which finds a disk that fails.
#pragma once

#include <filesystem>
#include <string>

namespace apollo {

// Hash of the content as hash_file() gives it. Where the memory folder `memory` cannot be read or
// written, the file is read as a whole. Throws Error where the file cannot be read.
std::string remembered_hash(const std::filesystem::path& path, const std::filesystem::path& memory);

// Throws Error where somebody else may write to the folder: it is neither the user's nor root's, or
// all users or another group may write to it.
void require_own_folder(const std::filesystem::path& dir);

}  // namespace apollo
