// SPDX-License-Identifier: Apache-2.0
//
// A live desktop as the picture, on an X server of the test's own. Skipped without Xvfb.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>

#include "vendor_client.h"

namespace kvm_standin {
namespace {

// An X server on a display number of its own choice.
class XServer {
 public:
  XServer() {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      const std::string fd = std::to_string(ends[1]);
      execlp("Xvfb", "Xvfb", "-displayfd", fd.c_str(), "-screen", "0", "800x600x24", "-br",
             static_cast<char*>(nullptr));
      _exit(127);
    }
    close(ends[1]);
    for (char digit = 0; read(ends[0], &digit, 1) == 1 && digit != '\n';) number_ += digit;
    close(ends[0]);
  }
  ~XServer() { stop(); }
  XServer(const XServer&) = delete;
  XServer& operator=(const XServer&) = delete;

  std::string display() const { return number_.empty() ? "" : ":" + number_; }
  void stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  std::string number_;
};

class StandinDesktop : public testing::Test {
 protected:
  void SetUp() override {
    if (server_.display().empty()) GTEST_SKIP() << "no Xvfb";
    setenv("KVM_STANDIN_DISPLAY", server_.display().c_str(), 1);
    setenv("KVM_STANDIN_FPS", "100", 1);
  }
  void TearDown() override {
    vendor().init();
    vendor().try_deinit(true);
    unsetenv("KVM_STANDIN_DISPLAY");
    unsetenv("KVM_STANDIN_BARCODE");
    unsetenv("KVM_STANDIN_FPS");
  }

  XServer server_;
};

TEST_F(StandinDesktop, is_scaled_to_the_channel_and_carries_the_barcode) {
  start(640, 480);
  Decoder decoder("mjpeg");
  for (uint32_t number = 1; number <= 5; ++number) {
    const auto picture = decoder.decode(next_jpeg(60));
    ASSERT_TRUE(picture && picture->barcode);
    EXPECT_EQ(picture->barcode->number, number);
    EXPECT_EQ(picture->width, 640);
    EXPECT_LT(picture->luma.back(), 8) << "the server's root window is black";
  }
}

TEST_F(StandinDesktop, can_do_without_the_barcode) {
  setenv("KVM_STANDIN_BARCODE", "0", 1);
  start(640, 480);
  const auto picture = Decoder("mjpeg").decode(next_jpeg(60));
  ASSERT_TRUE(picture);
  EXPECT_FALSE(picture->barcode);
  EXPECT_LT(picture->luma.front(), 8);
}

TEST_F(StandinDesktop, that_goes_away_is_a_lost_signal) {
  start(640, 480);
  EXPECT_FALSE(next_jpeg(60).empty());
  server_.stop();
  Frame frame;
  EXPECT_EQ(pop_frame(frame), kNoImage);
}

}  // namespace
}  // namespace kvm_standin
