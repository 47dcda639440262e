// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "archive.h"
#include "index_line.h"

namespace framering::recorder {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNoon_ms = 1'740'830'400'250;

class ArchiveTest : public ::testing::Test {
 protected:
  ArchiveTest() {
    std::string pattern = (fs::temp_directory_path() / "framering-archive-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~ArchiveTest() override { fs::remove_all(folder_); }

  // A complete file of so many bytes.
  static void make(Archive& archive, std::int64_t began_ms, std::size_t bytes) {
    int error = 0;
    const Fd file = archive.create(Container::mp4, began_ms, error);
    ASSERT_TRUE(file.valid()) << error;
    ASSERT_EQ(::write(file.get(), std::string(bytes, 'x').data(), bytes),
              static_cast<ssize_t>(bytes));
    Summary summary;
    summary.began_ms = began_ms;
    ASSERT_EQ(archive.add(summary, bytes), 0);
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::ifstream index(folder_ / "index.jsonl");
    std::vector<std::string> found;
    for (std::string line; std::getline(index, line);) found.push_back(line);
    return found;
  }
  [[nodiscard]] std::set<std::string> files() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().extension() != ".jsonl") found.insert(entry.path().filename().string());
    }
    return found;
  }
  [[nodiscard]] std::string path() const { return (folder_ / "").string(); }

  fs::path folder_;
};

TEST_F(ArchiveTest, names_files_by_stream_and_wall_clock_and_deletes_the_oldest_first) {
  Archive archive(path(), "hdmi/h264");
  ASSERT_EQ(archive.open(), 0);
  for (int i = 0; i < 3; ++i) make(archive, kNoon_ms + 1000 * i, 10);
  EXPECT_EQ(archive.bytes(), 30u);
  int error = 0;
  ASSERT_TRUE(archive.drop_oldest(error));
  EXPECT_EQ(files(), (std::set<std::string>{"hdmi-h264_20250301T120001.250.mp4",
                                            "hdmi-h264_20250301T120002.250.mp4"}));
  EXPECT_EQ(archive.oldest_ms(), kNoon_ms + 1000);
}

TEST_F(ArchiveTest, gives_a_name_only_once_when_the_clock_is_set_back_and_keeps_the_order) {
  Archive archive(path(), "s");
  ASSERT_EQ(archive.open(), 0);
  make(archive, kNoon_ms, 1);
  std::int64_t again_ms = kNoon_ms;
  int error = 0;
  ASSERT_TRUE(archive.create(Container::mp4, again_ms, error).valid());
  EXPECT_EQ(again_ms, kNoon_ms + 1);
  make(archive, kNoon_ms - 3'600'000, 1);  // made last, though its name is the first
  ASSERT_TRUE(archive.drop_oldest(error));
  EXPECT_EQ(archive.oldest_ms(), kNoon_ms - 3'600'000);
}

TEST_F(ArchiveTest, puts_into_the_index_what_a_crash_kept_out_and_drops_a_torn_line) {
  {
    Archive archive(path(), "s");
    ASSERT_EQ(archive.open(), 0);
    make(archive, kNoon_ms, 5);
    std::int64_t later_ms = kNoon_ms + 1000;
    int error = 0;
    const Fd open_file = archive.create(Container::ts, later_ms, error);
    ASSERT_EQ(::write(open_file.get(), "abc", 3), 3);
  }
  std::ofstream(folder_ / "index.jsonl", std::ios::app) << R"({"file":"torn)";
  Archive archive(path(), "s");
  ASSERT_EQ(archive.open(), 0);
  EXPECT_EQ(archive.files(), 2u);
  EXPECT_EQ(archive.bytes(), 8u);
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_EQ(file_of_line(lines()[1], "s"), "s_20250301T120001.250.ts");
  EXPECT_NE(lines()[1].find(R"("recovered":true)"), std::string::npos);
  Archive once_more(path(), "s");
  ASSERT_EQ(once_more.open(), 0);
  EXPECT_EQ(lines().size(), 2u) << "only once";
}

TEST_F(ArchiveTest, does_not_take_a_file_that_another_recorder_writes_for_a_crashed_one) {
  Archive one(path(), "s");
  ASSERT_EQ(one.open(), 0);
  std::int64_t began_ms = kNoon_ms;
  int error = 0;
  const Fd being_written = one.create(Container::mp4, began_ms, error);
  ASSERT_TRUE(being_written.valid());
  Archive other(path(), "s");
  ASSERT_EQ(other.open(), 0);
  EXPECT_EQ(other.files(), 0u);
}

TEST_F(ArchiveTest, leaves_alone_what_is_not_its_own) {
  Archive other(path(), "other");
  ASSERT_EQ(other.open(), 0);
  make(other, kNoon_ms, 1);
  std::ofstream(folder_ / "s_holiday.mp4") << "mine";
  std::ofstream(folder_ / "s_20250301T120000.250.txt") << "mine";
  fs::create_directory(folder_ / "s_20250301T120000.250.mp4");
  Archive archive(path(), "s");
  ASSERT_EQ(archive.open(), 0);
  EXPECT_EQ(archive.files(), 0u);
  int error = 0;
  EXPECT_FALSE(archive.drop_oldest(error));
  EXPECT_EQ(files().size(), 4u);
  EXPECT_EQ(lines().size(), 1u);
}

TEST_F(ArchiveTest, does_not_take_the_files_of_a_stream_that_makes_the_same_names) {
  Archive other(path(), "a-b");
  ASSERT_EQ(other.open(), 0);
  make(other, kNoon_ms, 1);
  Archive archive(path(), "a/b");
  ASSERT_EQ(archive.open(), 0);
  EXPECT_EQ(archive.files(), 0u);
  make(archive, kNoon_ms + 1, 1);
  int error = 0;
  ASSERT_TRUE(archive.drop_oldest(error));
  EXPECT_EQ(files(), std::set<std::string>{"a-b_20250301T120000.250.mp4"});
  Archive again(path(), "a-b");
  ASSERT_EQ(again.open(), 0);
  EXPECT_EQ(again.files(), 1u);
  EXPECT_EQ(lines().size(), 2u) << "nothing was recovered";
}

TEST_F(ArchiveTest, keeps_the_index_as_small_as_what_is_there) {
  Archive other(path(), "other");
  ASSERT_EQ(other.open(), 0);
  make(other, kNoon_ms, 1);
  Archive archive(path(), "s");
  ASSERT_EQ(archive.open(), 0);
  int error = 0;
  for (int i = 0; i < 1000; ++i) {
    make(archive, kNoon_ms + i, 1);
    if (archive.files() > 10) {
      ASSERT_TRUE(archive.drop_oldest(error));
    }
    ASSERT_LT(lines().size(), 100u);
  }
  Archive again(path(), "s");
  ASSERT_EQ(again.open(), 0);
  EXPECT_EQ(again.files(), 10u);
  EXPECT_EQ(again.oldest_ms(), kNoon_ms + 990);
  EXPECT_EQ(file_of_line(lines().front(), "other"), "other_20250301T120000.250.mp4");
}

}  // namespace
}  // namespace framering::recorder
