// SPDX-License-Identifier: Apache-2.0
//
// The golden messages of vectors.txt as C++ reads them: every kind, every field that the schema
// has. consumers/go/internal/control/vectors_test.go does the same in Go.
#include <capnp/dynamic.h>
#include <capnp/serialize.h>

#include "control.capnp.h"
#include "vectors.h"

namespace framering {

namespace {

using test::Line;
using test::unhex;
using test::Values;
using test::vectors;

// Every field below `value`, under its path: "attached.id", "streams[1].name".
void flatten(const ::capnp::DynamicValue::Reader& value, const std::string& path, Values& fields) {
  switch (value.getType()) {
    case ::capnp::DynamicValue::VOID:
      break;
    case ::capnp::DynamicValue::BOOL:
      fields[path] = value.as<bool>() ? "1" : "0";
      break;
    case ::capnp::DynamicValue::UINT:
      fields[path] = std::to_string(value.as<std::uint64_t>());
      break;
    case ::capnp::DynamicValue::ENUM:
      fields[path] = std::to_string(value.as<::capnp::DynamicEnum>().getRaw());
      break;
    case ::capnp::DynamicValue::TEXT: {
      std::string text = value.as<::capnp::Text>().cStr();
      std::replace(text.begin(), text.end(), ' ', '_');
      fields[path] = text.empty() ? "\"\"" : text;
      break;
    }
    case ::capnp::DynamicValue::LIST: {
      std::size_t index = 0;
      for (const auto element : value.as<::capnp::DynamicList>()) {
        flatten(element, path + "[" + std::to_string(index++) + "]", fields);
      }
      break;
    }
    case ::capnp::DynamicValue::STRUCT: {
      const auto message = value.as<::capnp::DynamicStruct>();
      for (const auto field : message.getSchema().getFields()) {
        const bool in_union = field.getProto().getDiscriminantValue() != 0xFFFF;
        KJ_IF_MAYBE (which, message.which()) {
          if (in_union && *which != field) continue;
        }
        const std::string name = field.getProto().getName().cStr();
        flatten(message.get(field), path.empty() ? name : path + "." + name, fields);
      }
      break;
    }
    default:
      ADD_FAILURE() << path << " is of a type that no message has";
  }
}

// Its kind is the first word; "field" lines follow.
struct Golden {
  std::string kind;
  std::string hex;
  Values fields;
};

std::vector<Golden> golden_messages() {
  std::vector<Golden> messages;
  for (const Line& line : vectors()) {
    if (line[0] == "message") messages.push_back({line.at(1), line.at(2), {}});
    if (line[0] == "field") messages.at(messages.size() - 1).fields[line.at(1)] = line.at(2);
  }
  return messages;
}

}  // namespace

TEST(Vectors, golden_messages_are_read_as_they_say) {
  std::set<std::string> kinds;
  for (const Golden& golden : golden_messages()) {
    const std::vector<std::byte> bytes = unhex(golden.hex);
    std::vector<::capnp::word> words(bytes.size() / sizeof(::capnp::word));
    ASSERT_EQ(words.size() * sizeof(::capnp::word), bytes.size()) << golden.kind;
    std::memcpy(words.data(), bytes.data(), bytes.size());
    ::capnp::FlatArrayMessageReader reader(kj::arrayPtr(words.data(), words.size()));
    const auto message = ::capnp::toDynamic(reader.getRoot<wire::Message>());
    KJ_IF_MAYBE (which, message.which()) {
      EXPECT_EQ(golden.kind, which->getProto().getName().cStr());
    }
    Values read;
    flatten(message, "", read);
    EXPECT_EQ(read, golden.fields) << golden.kind;
    kinds.insert(golden.kind);
  }
  EXPECT_EQ(kinds.size(), ::capnp::Schema::from<wire::Message>().getUnionFields().size())
      << "a kind of message has no vector";
}

}  // namespace framering
