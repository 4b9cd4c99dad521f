#include "supernet/atomic_file.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "supernet/input_file.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using testing::FileSizeLimit;
using testing::Read;
using testing::TempFolder;
using testing::Write;

TEST(AtomicFile, CreatesAndReplaces) {
  TempFolder folder;
  const std::string path = folder / "table.json";
  ASSERT_TRUE(AtomicWriteFile(path, "first").ok());
  EXPECT_EQ(Read(path), "first");
  const std::array<std::string_view, 3> parts = {"a", "", "bc"};
  ASSERT_TRUE(AtomicWriteFile(path, parts).ok());
  EXPECT_EQ(Read(path), "abc");
  ASSERT_TRUE(AtomicWriteFile(path, "").ok());
  EXPECT_EQ(Read(path), "");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, RelativePathWithoutFolder) {
  TempFolder folder;
  const auto old = std::filesystem::current_path();
  std::filesystem::current_path(folder.str());
  const absl::Status status = AtomicWriteFile("plain.txt", "x");
  std::filesystem::current_path(old);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Read(folder / "plain.txt"), "x");
}

TEST(AtomicFile, FullDiskLeavesTheOldFile) {
  TempFolder folder;
  const std::string path = folder / "checkpoint";
  ASSERT_TRUE(AtomicWriteFile(path, "old").ok());
  absl::Status status;
  {
    FileSizeLimit limit(1000);
    status = AtomicWriteFile(path, std::string(5000, 'x'));
  }
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(path), std::string::npos) << status;
  EXPECT_EQ(Read(path), "old");
  EXPECT_EQ(folder.entries(), 1) << "the temporary file is still there";
}

TEST(AtomicFile, FullFileSystemLeavesTheOldFile) {
  TempFolder folder;
  const std::string mounted = folder / "tiny";
  std::filesystem::create_directory(mounted);
  if (mount("tmpfs", mounted.c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "needs the right to mount a tmpfs";
  const std::string path = mounted + "/checkpoint";
  const absl::Status first = AtomicWriteFile(path, "old");
  const absl::Status second = AtomicWriteFile(path, std::string(1 << 20, 'x'));
  const std::string contents = Read(path);
  const auto entries =
      std::distance(std::filesystem::directory_iterator(mounted), std::filesystem::directory_iterator());
  umount(mounted.c_str());
  EXPECT_TRUE(first.ok()) << first;
  EXPECT_EQ(second.code(), absl::StatusCode::kResourceExhausted) << second;
  EXPECT_EQ(contents, "old");
  EXPECT_EQ(entries, 1);
}

TEST(AtomicFile, KeepsPermissionsAndFollowsLinks) {
  TempFolder folder;
  const std::string path = folder / "real", link = folder / "latest";
  Write(path, "old");
  chmod(path.c_str(), 0640);
  std::filesystem::create_symlink("real", link);
  ASSERT_TRUE(AtomicWriteFile(link, "new").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(Read(path), "new");
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST(AtomicFile, RefusesWhatIsNoRegularFile) {
  TempFolder folder;
  for (const std::string& path : {std::string("/dev/null"), std::string("/dev/full"), folder.str()}) {
    const absl::Status status = AtomicWriteFile(path, "x");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_NE(status.message().find("not a regular file"), std::string::npos) << status;
  }
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  EXPECT_EQ(AtomicWriteFile(folder / "missing/x", "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(AtomicWriteFile("", "x").code(), absl::StatusCode::kInvalidArgument);
}

TEST(AtomicFile, ConcurrentWritersLeaveOneWholeFile) {
  TempFolder folder;
  const std::string path = folder / "shared";
  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i)
        EXPECT_TRUE(AtomicWriteFile(path, std::string(10000, static_cast<char>('a' + t))).ok());
    });
  }
  for (std::thread& t : writers) t.join();
  const std::string contents = Read(path);
  EXPECT_EQ(contents, std::string(10000, contents[0]));
  EXPECT_EQ(folder.entries(), 1);
}

TEST(InputFile, ReadsAndRefuses) {
  TempFolder folder;
  Write(folder / "f", "0123456789");
  absl::StatusOr<InputFile> file = InputFile::Open(folder / "f");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size(), 10);
  std::array<uint8_t, 8> bytes;
  ASSERT_TRUE(file->ReadFully(bytes, "head").ok());
  const absl::Status status = file->ReadFully(bytes, "tail");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("tail: file ends after 2 bytes of it, expected 8"), std::string::npos) << status;

  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(InputFile::Open(folder / "pipe").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(InputFile::Open(folder.str()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(InputFile::Open(folder / "missing").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace mathnas::supernet
