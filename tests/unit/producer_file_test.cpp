// SPDX-License-Identifier: Apache-2.0
//
// Films from ffmpeg, through the file source and the ring, to a reader; compared with what ffprobe
// says of the same films.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "control_fixture.h"
#include "output.h"
#include "sources/file.h"
#include "sources/nal.h"
#include "stop_signal.h"

namespace framering::test {
namespace {

// What a command prints. Fails the test when the command fails.
std::string run(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

class ProducerFile : public ::testing::Test {
 protected:
  // A film of test pictures; `encoder` is ffmpeg's options for it.
  std::string film(const std::string& name, const std::string& encoder,
                   const std::string& filter = "testsrc2=s=192x128:r=50:d=1") {
    std::string path = dir.path() + "/" + name;
    run("ffmpeg -v error -y -f lavfi -i " + filter + " " + encoder + " " + path);
    return path;
  }

  struct Stamp {
    double pts, dts;  // seconds
  };
  static std::vector<Stamp> probed(const std::string& path) {
    std::istringstream lines(
        run("ffprobe -v error -select_streams v -show_entries "
            "packet=pts_time,dts_time -of csv=p=0 " +
            path));
    std::vector<Stamp> stamps;
    for (std::string line; std::getline(lines, line);) {
      const std::size_t comma = line.find(',');
      stamps.push_back({std::atof(line.c_str()), std::atof(line.c_str() + comma + 1)});
    }
    return stamps;
  }

  struct Copy {
    FrameMeta meta;
    std::vector<std::byte> bytes;
    std::uint64_t published_ns;
  };
  struct Played {
    std::vector<Copy> frames;
    double tick = 0;  // seconds
    std::uint32_t codec = 0;
  };

  // Plays until `count` frames came through the ring.
  Played play(const Options& options, std::size_t count) {
    const BrokerThread broker(broker_options(dir.path()));
    StopSignal stop;
    FileSource source(options, stop);
    std::vector<Output> outputs;
    for (WriterOptions& stream : source.streams()) {
      framering::apply(options, stream);
      outputs.emplace_back(stream);
    }
    ReaderOptions wish;
    wish.stream = options.stream;
    wish.socket_dir = dir.path();
    wish.policy = Policy::every;
    wish.start = Start::oldest;
    StreamReader reader(wish);
    Frame frame;
    EXPECT_TRUE(eventually([&] {
      (void)reader.next(frame, 10ms);
      return reader.link() == Link::attached;
    }));
    Played played;
    bool ended = false;
    for (int idle = 0; played.frames.size() < count && idle < 500;) {
      if (!ended) ended = source.step(outputs) == Source::Step::ended;
      if (reader.next(frame, ended ? 10ms : 0ms) != ReadResult::frame) {
        idle = ended ? idle + 1 : idle;
        continue;
      }
      EXPECT_EQ(frame.lost_before, 0u);
      played.frames.push_back(
          {frame.meta, {frame.bytes.begin(), frame.bytes.end()}, frame.published_ns});
    }
    played.tick = static_cast<double>(reader.time_base_num()) / reader.time_base_den();
    played.codec = reader.codec();
    return played;
  }

  Options options_for(const std::string& path) {
    Options options;
    options.source = SourceKind::file;
    options.input = path;
    options.stream = "film";
    options.socket_dir = dir.path();
    return options;
  }

  TempDir dir;
};

TEST_F(ProducerFile, BFramesKeepTheirOrderAndBothTimeStamps) {
  for (const char* name : {"b.mp4", "b.mkv"}) {
    const std::string path = film(name, "-c:v libx264 -bf 3 -g 25 -pix_fmt yuv420p");
    const std::vector<Stamp> expected = probed(path);
    const Played played = play(options_for(path), expected.size());
    ASSERT_EQ(played.frames.size(), expected.size()) << name;
    int reordered = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const FrameMeta& meta = played.frames[i].meta;
      EXPECT_NEAR(static_cast<double>(meta.pts) * played.tick, expected[i].pts, 0.002) << name << i;
      if (i > 0) {
        EXPECT_GT(meta.dts, played.frames[i - 1].meta.dts) << name << i;
      }
      EXPECT_LE(meta.dts, meta.pts) << name << i;
      reordered += i > 0 && meta.pts < played.frames[i - 1].meta.pts ? 1 : 0;
    }
    EXPECT_GT(reordered, 5) << "the sample has no B-frames";
  }
}

TEST_F(ProducerFile, EachKeyFrameBringsItsParameterSets) {
  const std::string path = film("k.mp4", "-c:v libx264 -g 10 -pix_fmt yuv420p");
  const Played played = play(options_for(path), 30);
  ASSERT_EQ(played.frames.size(), 30u);
  EXPECT_EQ(played.codec, kCodecH264);
  int keys = 0;
  for (const Copy& frame : played.frames) {
    ParameterSets sets;
    const PictureFacts facts = inspect_access_unit(NalCodec::h264, frame.bytes, sets);
    EXPECT_EQ(facts.key, (frame.meta.flags & kFrameKey) != 0);
    EXPECT_EQ(frame.meta.width, 192u);
    if (!facts.key) continue;
    ++keys;
    EXPECT_TRUE(sets.has_sps);
    EXPECT_NE(frame.meta.flags & kFrameHasParameters, 0u);
    EXPECT_NE(frame.meta.parameter_set, 0u);
  }
  EXPECT_GE(keys, 3);
}

TEST_F(ProducerFile, VariableFrameRateIsPacedByItsTimeStamps) {
  // 10 frames 20 ms apart, then a pause of 400 ms, then 10 more.
  const std::string path = film("v.mkv",
                                "-c:v libx264 -bf 0 -pix_fmt yuv420p -fps_mode vfr -frames:v 20 "
                                "-vf \"setpts='if(lt(N,10),N*0.02,N*0.02+0.4)/TB'\"");
  Played played;
  const auto due_ms = [&](std::size_t i) {
    return static_cast<double>(played.frames[i].meta.captured_ns -
                               played.frames[0].meta.captured_ns) /
           1e6;
  };
  // A player that was held up goes on from there: a busy machine does so now and then.
  for (int attempt = 0; attempt < 5; ++attempt) {
    played = play(options_for(path), 20);
    ASSERT_EQ(played.frames.size(), 20u);
    if (std::abs(due_ms(19) - 780) < 5) break;
  }
  EXPECT_NEAR(due_ms(9), 180, 5);
  EXPECT_NEAR(due_ms(10), 600, 5);
  EXPECT_NEAR(due_ms(19), 780, 5);
  for (const Copy& frame : played.frames) EXPECT_GE(frame.published_ns, frame.meta.captured_ns);
}

TEST_F(ProducerFile, ALoopGoesOnInTimeAndSaysWhereTheSeamIs) {
  for (const char* name : {"l.mp4", "l.mkv", "l.h264"}) {
    const std::string path = film(name, "-c:v libx264 -bf 2 -g 25 -frames:v 25 -pix_fmt yuv420p");
    Options options = options_for(path);
    options.loop = true;
    const Played played = play(options, 80);
    ASSERT_EQ(played.frames.size(), 80u) << name;
    for (std::size_t i = 1; i < played.frames.size(); ++i) {
      const FrameMeta& meta = played.frames[i].meta;
      const double step =
          static_cast<double>(meta.dts - played.frames[i - 1].meta.dts) * played.tick;
      EXPECT_NEAR(step, 0.02, 0.021) << name << " frame " << i;
      EXPECT_GT(step, 0) << name << " frame " << i;
      EXPECT_EQ((meta.flags & kFrameDiscontinuity) != 0, i % 25 == 0) << name << " frame " << i;
    }
  }
}

TEST_F(ProducerFile, ElementaryStreamsArePlayedAtTheRateThatWasAskedFor) {
  const std::map<std::string, std::pair<std::string, std::uint32_t>> films = {
      {"e.h264", {"-c:v libx264 -bf 0 -pix_fmt yuv420p", kCodecH264}},
      {"e.h265", {"-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p", kCodecH265}},
      {"e.mjpeg", {"-c:v mjpeg -pix_fmt yuvj420p -f mjpeg", kCodecMjpeg}}};
  for (const auto& [name, how] : films) {
    Options options = options_for(film(name, how.first));
    options.fps = 100;
    const Played played = play(options, 50);
    ASSERT_EQ(played.frames.size(), 50u) << name;
    EXPECT_EQ(played.codec, how.second);
    const auto& frames = played.frames;
    EXPECT_NEAR(static_cast<double>(frames[49].meta.dts - frames[0].meta.dts) * played.tick, 0.49,
                0.001);
    EXPECT_NE(frames[0].meta.flags & kFrameKey, 0u);
  }
}

TEST_F(ProducerFile, WhatIsNoFilmIsRefusedByName) {
  StopSignal stop;
  const std::string text = dir.path() + "/notes.txt";
  std::ofstream(text) << "no film at all\n";
  const std::string sound = dir.path() + "/sound.mkv";
  run("ffmpeg -v error -y -f lavfi -i sine=d=0.2 " + sound);
  for (const std::string& path : {text, sound, dir.path() + "/nothing.mp4"}) {
    try {
      FileSource source(options_for(path), stop);
      ADD_FAILURE() << path << " was taken";
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace framering::test
