// SPDX-License-Identifier: Apache-2.0
//
// The golden bytes of vectors.txt as C++ reads them. consumers/go/vectors_test.go does the same in
// Go.
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "control.capnp.h"
#include "ring/ring_view.h"

namespace framering {

namespace {

// A line of the file: its words.
using Line = std::vector<std::string>;
using Values = std::map<std::string, std::string>;

std::vector<Line> vectors() {
  std::ifstream file(FRAMERING_VECTORS);
  std::vector<Line> lines;
  for (std::string text; std::getline(file, text);) {
    std::istringstream words(text);
    Line line;
    for (std::string word; words >> word;) line.push_back(word);
    if (!line.empty() && line[0][0] != '#') lines.push_back(line);
  }
  EXPECT_FALSE(lines.empty()) << FRAMERING_VECTORS;
  return lines;
}

std::vector<std::byte> unhex(const std::string& text) {
  std::vector<std::byte> bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

void expect_all(const std::vector<Line>& lines, const std::string& kind, const Values& read) {
  for (const Line& line : lines) {
    // Not every number has an accessor; what has one is compared.
    if (line[0] == kind && read.count(line[1]) != 0) {
      EXPECT_EQ(read.at(line[1]), line[2]) << kind << " " << line[1];
    }
  }
}

std::string text_of(::capnp::Text::Reader text) {
  std::string result(text.cStr(), text.size());
  for (char& letter : result) letter = letter == ' ' ? '_' : letter;
  return result;
}

Values fields(wire::Message::Reader message) {
  const auto text = [](auto number) { return std::to_string(number); };
  Values read{{"request", text(message.getRequest())}};
  switch (message.which()) {
    case wire::Message::REFUSED: {
      const auto refused = message.getRefused();
      read["reason"] = text(static_cast<unsigned>(refused.getReason()));
      read["text"] = text_of(refused.getText());
      break;
    }
    case wire::Message::ATTACHED: {
      const auto attached = message.getAttached();
      read["id"] = text(attached.getId());
      read["generation"] = text(attached.getGeneration());
      read["bell"] = text(attached.getBell());
      read["layout"] = text(attached.getLayout());
      break;
    }
    case wire::Message::ATTACH: {
      const auto attach = message.getAttach();
      read["protocol"] = text(attach.getProtocol());
      read["layout"] = text(attach.getLayout());
      read["stream"] = text_of(attach.getStream());
      read["wait"] = attach.getWait() ? "1" : "0";
      read["bell"] = text(attach.getBell());
      read["name"] = text_of(attach.getName());
      break;
    }
    case wire::Message::DETACHED: {
      const auto detached = message.getDetached();
      read["id"] = text(detached.getId());
      read["cause"] = text(static_cast<unsigned>(detached.getCause()));
      break;
    }
    default:
      ADD_FAILURE() << "message " << static_cast<unsigned>(message.which());
  }
  return read;
}

}  // namespace

TEST(Vectors, the_golden_ring_is_read_as_it_says) {
  const std::vector<Line> lines = vectors();
  std::size_t length = 0;
  for (const Line& line : lines) {
    if (line[0] == "length") length = std::stoul(line[1]);
  }
  struct Page {
    alignas(4096) std::array<std::byte, 4096> bytes{};
  };
  const auto pages = std::make_unique<Page[]>((length + sizeof(Page) - 1) / sizeof(Page));
  std::byte* const memory = pages[0].bytes.data();
  std::vector<std::byte> payload;
  for (const Line& line : lines) {
    if (line[0] == "bytes") {
      const std::vector<std::byte> bytes = unhex(line[2]);
      ASSERT_LE(std::stoul(line[1]) + bytes.size(), length);
      std::memcpy(memory + std::stoul(line[1]), bytes.data(), bytes.size());
    }
    if (line[0] == "payload") payload = unhex(line[1]);
  }

  RingView ring;
  ASSERT_EQ(ring.open(memory, length), RingFault::none);
  FrameRecord record;
  ASSERT_EQ(ring.head(), 3u);
  ASSERT_EQ(ring.read_slot(3, record), SlotState::whole);
  const auto text = [](auto number) { return std::to_string(number); };
  expect_all(lines, "header",
             {{"generation", text(ring.generation())},
              {"arena_bytes", text(ring.arena_bytes())},
              {"slot_count", text(ring.slot_count())},
              {"codec", text(ring.codec())},
              {"inter_coded", ring.inter_coded() ? "1" : "0"},
              {"time_base_num", text(ring.time_base_num())},
              {"time_base_den", text(ring.time_base_den())},
              {"max_frame_bytes", text(ring.max_frame_bytes())},
              {"lease_cells", text(ring.lease_cells())}});
  const FrameMeta& meta = record.meta;
  expect_all(lines, "frame3",
             {{"published_ns", text(record.published_ns)},
              {"size", text(record.size)},
              {"pts", text(meta.pts)},
              {"dts", text(meta.dts)},
              {"captured_ns", text(meta.captured_ns)},
              {"encoded_ns", text(meta.encoded_ns)},
              {"parameter_set", text(meta.parameter_set)},
              {"flags", text(meta.flags)},
              {"codec", text(meta.codec)},
              {"width", text(meta.width)},
              {"height", text(meta.height)},
              {"stride_2", text(meta.stride[2])},
              {"plane_offset_3", text(meta.plane_offset[3])},
              {"primaries", text(meta.colour_primaries)}});
  const std::span<const std::byte> bytes = ring.bytes_of(record);
  EXPECT_EQ(std::vector<std::byte>(bytes.begin(), bytes.end()), payload);
  std::array<std::byte, kMaxParameterSetBytes> set{};
  ASSERT_EQ(ring.read_parameter_set(1, set), 4u);
  EXPECT_EQ(std::memcmp(set.data(), "SPS!", 4), 0);
}

TEST(Vectors, golden_messages_are_read_as_they_say) {
  Values read;
  std::size_t messages = 0;
  for (const Line& line : vectors()) {
    if (line[0] == "message") {
      const std::vector<std::byte> bytes = unhex(line[2]);
      std::vector<::capnp::word> words(bytes.size() / sizeof(::capnp::word));
      std::memcpy(words.data(), bytes.data(), bytes.size());
      ::capnp::FlatArrayMessageReader reader(kj::arrayPtr(words.data(), words.size()));
      read = fields(reader.getRoot<wire::Message>());
      ++messages;
    } else if (line[0] == "field") {
      EXPECT_EQ(read[line[1]], line[2]) << line[1];
    }
  }
  EXPECT_EQ(messages, 4u);
}

}  // namespace framering
