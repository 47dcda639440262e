// SPDX-License-Identifier: Apache-2.0
//
// The command line and the settings: ranges, and refusals that say what to do.
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <thread>
#include <vector>

#include "options.h"
#include "settings.h"
#include "sizes.h"

namespace framering {
namespace {

Options parse(std::initializer_list<const char*> arguments) {
  std::vector<const char*> argv{"framering-producer"};
  argv.insert(argv.end(), arguments);
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

std::string refusal(std::initializer_list<const char*> arguments) {
  try {
    (void)parse(arguments);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

bool mentions(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (text.find(word) == std::string::npos) {
      ADD_FAILURE() << "\"" << word << "\" is not in: " << text;
      return false;
    }
  }
  return true;
}

TEST(ProducerOptions, TheLinesThatOthersScriptAgainstAreTaken) {
  const Options pattern = parse({"--source", "pattern", "--stream", "t", "--size", "100K", "--fps",
                                 "0", "--frames", "7", "--history", "8M", "--max-frame", "1M"});
  EXPECT_EQ(pattern.size, 102'400u);
  EXPECT_EQ(pattern.fps, 0.0);
  EXPECT_EQ(pattern.frames, 7u);
  EXPECT_EQ(pattern.history_bytes, 8u << 20);
  const Options kvm = parse({"--source", "kvm", "--library", "x.so", "--stream", "hdmi", "--width",
                             "1920", "--height", "1080", "--fps", "25", "--bitrate-kbps", "5000",
                             "--gop", "50", "--quality", "90"});
  EXPECT_EQ(kvm.width, 1920u);
  EXPECT_EQ(kvm.gop, 50u);
  EXPECT_TRUE(parse({"--source", "file", "--input", "a.mp4", "--stream", "f", "--loop"}).loop);
  EXPECT_EQ(parse({"--source", "stdin", "--format", "h265", "--stream", "s"}).format,
            PipeFormat::h265);
}

TEST(ProducerOptions, ARefusalNamesTheOptionAndItsRange) {
  mentions(refusal({"--source", "kvm", "--library", "x", "--stream", "h", "--gop", "101"}),
           {"--gop", "101", "1..100"});
  mentions(refusal({"--source", "kvm", "--library", "x", "--stream", "h", "--bitrate-kbps", "20"}),
           {"--bitrate-kbps", "500..10000 kbit/s"});
  mentions(refusal({"--source", "kvm", "--library", "x", "--stream", "h", "--quality", "50"}),
           {"--quality", "51..99"});
  mentions(refusal({"--source", "kvm", "--library", "x", "--stream", "h", "--width", "800"}),
           {"--width", "multiple of 64", "768", "832"});
  mentions(refusal({"--source", "kvm", "--library", "x", "--stream", "h", "--fps", "29.97"}),
           {"--fps", "whole number"});
  mentions(refusal({"--source", "pattern", "--stream", "t", "--size", "10"}), {"--size", "24.."});
  mentions(refusal({"--source", "pattern", "--stream", "t", "--size", "12Q"}), {"--size", "12Q"});
  mentions(refusal({"--source", "pattern", "--stream", "t", "--fps", "-1"}), {"--fps"});
  mentions(refusal({"--source", "pattern", "--stream", "t", "--slots", "100"}),
           {"--slots", "power of two", "128"});
  mentions(refusal({"--source", "pattern", "--stream", "t", "--size", "2M", "--history", "4M"}),
           {"--history", "8388608"});
  mentions(
      refusal({"--source", "pattern", "--stream", "t", "--history", "1M", "--max-frame", "512K"}),
      {"--max-frame", "--history", "2097152"});
}

TEST(ProducerOptions, WhatASourceCannotUseIsRefused) {
  mentions(refusal({"--source", "pattern", "--stream", "t", "--library", "x"}),
           {"--library", "pattern", "kvm"});
  mentions(refusal({"--source", "file", "--stream", "t"}), {"--input"});
  mentions(refusal({"--source", "kvm", "--stream", "t"}), {"--library"});
  mentions(refusal({"--source", "stdin", "--stream", "t"}), {"--format", "h264"});
  mentions(refusal({"--source", "camera", "--stream", "t"}), {"--source", "camera", "kvm"});
  mentions(refusal({"--stream", "t"}), {"--source"});
  EXPECT_THROW((void)parse({"--help"}), HelpWanted);
}

TEST(ProducerOptions, SizesTakeSuffixes) {
  EXPECT_EQ(parse_size("65536"), 65536u);
  EXPECT_EQ(parse_size("64k"), 65536u);
  EXPECT_EQ(parse_size("3G"), std::uint64_t{3} << 30);
  for (const char* bad :
       {"", "K", "1KB", "-1", "1.5M", "99999999999999999999", "18446744073709551615G"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

std::vector<Setting> kvm_like() {
  return {{"bitrate-kbps", Setting::Kind::number, "kbit/s", 500, 10000, 3000},
          {"gop", Setting::Kind::number, "frames", 1, 100, 30},
          {"size", Setting::Kind::picture_size, "pixels", pack_size(64, 64), pack_size(2560, 1600),
           pack_size(1280, 720), 64},
          {"key", Setting::Kind::action, "", 0, 0, 0}};
}

using Change = std::vector<std::pair<std::string, std::string>>;

TEST(ProducerSettings, ARefusedChangeChangesNothing) {
  SettingsBoard board(kvm_like());
  const std::string refused = board.change(Change{{"gop", "10"}, {"bitrate-kbps", "20"}});
  EXPECT_EQ(refused, "bitrate-kbps=20 is out of range: 500..10000 kbit/s");
  EXPECT_FALSE(board.take_change());
  EXPECT_EQ(board.value(1), 30u);
  mentions(board.change(Change{{"gop", "ten"}}), {"gop=ten", "1..100"});
  mentions(board.change(Change{{"gop", ""}}), {"gop=", "1..100"});
  mentions(board.change(Change{{"size", "800x600"}}), {"800x600", "multiple of 64", "768", "832"});
  mentions(board.change(Change{{"size", "1280x721"}}), {"even"});
  mentions(board.change(Change{{"size", "1280"}}), {"1280x720"});
  mentions(board.change(Change{{"size", "64x9999"}}), {"out of range"});
  mentions(board.change(Change{{"key", "later"}}), {"key=now"});
}

TEST(ProducerSettings, OnAndOffAreWords) {
  SettingsBoard board({{"hdmi", Setting::Kind::on_off, "", 0, 1, 1}});
  EXPECT_EQ(board.settings()[0].value, "on");
  EXPECT_EQ(board.settings()[0].range, "on, off");
  for (const char* bad : {"0", "1", "true", "On", ""}) {
    mentions(board.change(Change{{"hdmi", bad}}), {"hdmi=on or hdmi=off"});
  }
  EXPECT_FALSE(board.change_waits());
  EXPECT_EQ(board.change(Change{{"hdmi", "off"}}), "");
  EXPECT_TRUE(board.change_waits());
  EXPECT_TRUE(board.take_change());
  EXPECT_FALSE(board.change_waits());
  EXPECT_EQ(board.value(0), 0u);
  EXPECT_EQ(board.settings()[0].value, "off");
}

TEST(ProducerSettings, AnUnknownKeyIsAnsweredWithTheNearest) {
  SettingsBoard board(kvm_like());
  mentions(board.change(Change{{"bitrate", "1000"}}), {"did you mean bitrate-kbps"});
  mentions(board.change(Change{{"gopp", "1000"}}), {"did you mean gop"});
  SettingsBoard none{{}};
  mentions(none.change(Change{{"fps", "30"}}), {"nothing to set"});
}

TEST(ProducerSettings, ATakenChangeArrivesWholeAndOnce) {
  SettingsBoard board(kvm_like());
  std::thread operator_thread([&] {
    EXPECT_EQ(board.change(Change{{"gop", "10"}, {"size", "640x480"}, {"key", "now"}}), "");
  });
  operator_thread.join();
  EXPECT_TRUE(board.take_change());
  EXPECT_FALSE(board.take_change());
  EXPECT_EQ(board.value(1), 10u);
  EXPECT_EQ(board.value(2), pack_size(640, 480));
  EXPECT_TRUE(board.take_action(3));
  EXPECT_FALSE(board.take_action(3));
  const auto settings = board.settings();
  ASSERT_EQ(settings.size(), 4u);
  EXPECT_EQ(settings[0].range, "500..10000");
  EXPECT_EQ(settings[2].value, "640x480");
}

}  // namespace
}  // namespace framering
