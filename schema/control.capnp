# SPDX-License-Identifier: Apache-2.0
#
# The control plane: one Message for each SOCK_SEQPACKET datagram, descriptors beside it by SCM_RIGHTS.
# Sequences, limits and what each side must not trust: README.md in this folder.
@0xd2f1c87b6a0e4935;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("framering::wire");

const protocolVersion :UInt32 = 1;
const maxMessageBytes :UInt32 = 65536;    # a longer datagram is refused
const maxDescriptors :UInt32 = 4;         # a message with more is refused
const maxNameBytes :UInt32 = 64;          # of a stream: [A-Za-z0-9_.-], parts joined by single slashes
const maxTextBytes :UInt32 = 512;         # of any other text

struct Message {
  request @0 :UInt32;      # chosen by who asks; the answer repeats it. 0: not an answer

  union {
    refused @1 :Refused;

    # producer and broker. One connection for each stream; it is the claim to the name.
    announce @2 :Announce;            # producer: [ring]
    announced @3 :Announced;          # broker
    addReader @4 :AddReader;          # broker: [reader page]
    readerAdded @5 :ReaderAdded;      # producer: [bell page, line] or [bell page, line, eventfd]
    removeReader @6 :ReaderId;        # broker: its consumer is gone
    claimReader @7 :ReaderId;         # broker, after its restart: the consumer is still there
    readerGone @8 :ReaderId;          # producer: its line hung up, or the broker never confirmed it

    # operator, broker, producer
    changeSettings @9 :ChangeSettings;  # operator to broker, broker to producer
    settings @10 :List(Setting);        # producer to broker, broker to operator: what holds now

    # consumer and broker. One connection for each reader.
    attach @11 :Attach;               # consumer: [reader page]
    attached @12 :Attached;           # broker: [ring, bell page, line] or [..., eventfd]
    claim @13 :Claim;                 # consumer, after the broker's restart: [reader page, bell page]
    claimed @14 :ReaderId;            # broker
    detached @15 :Detached;           # broker: the producer is gone or has let go; attach again

    # consumer or operator
    listStreams @16 :Void;
    streams @17 :List(Stream);
    statStream @18 :Text;
    streamStat @19 :StreamStat;
  }
}

struct Refused {
  reason @0 :Reason;
  text @1 :Text;           # a sentence for people: what was wrong and what to do

  enum Reason {
    badMessage @0;
    version @1;            # the text says which side to upgrade
    notAllowed @2;
    noSuchStream @3;
    nameTaken @4;
    limit @5;              # too many streams, readers or attempts
    badDescriptor @6;      # a page or ring without its seals, of the wrong size, sparse, ...
    badSetting @7;
    producerFailed @8;     # it did not answer, or refused
    unsupported @9;
  }
}

struct Announce {
  protocol @0 :UInt32;
  layout @1 :UInt32;
  stream @2 :Text;
  generation @3 :UInt64;
  readers @4 :List(UInt64);   # those it still serves, after a broker's restart
  program @5 :Text;           # for people: name and version
}

struct Announced {
  broker @0 :UInt64;          # random, this life of the broker
}

struct ReaderId {
  id @0 :UInt64;
}

struct AddReader {
  id @0 :UInt64;              # random, chosen by the broker; knowing it is the claim to the reader
  uid @1 :UInt32;
  pid @2 :UInt32;
  bell @3 :UInt32;            # page_layout.h, Bell; already limited by the access list
  name @4 :Text;
}

struct ReaderAdded {
  id @0 :UInt64;
  bell @1 :UInt32;            # what the reader gets, perhaps a humbler one than it asked for
}

struct Setting {
  key @0 :Text;
  value @1 :Text;
  range @2 :Text;             # for people: "500..10000"; empty in a request
  unit @3 :Text;
}

struct ChangeSettings {
  stream @0 :Text;
  values @1 :List(Setting);   # none: only ask what holds now
}

struct Attach {
  protocol @0 :UInt32;
  layout @1 :UInt32;          # newest the reader understands
  stream @2 :Text;
  wait @3 :Bool;              # no such stream yet: answer when there is
  bell @4 :UInt32;            # wish
  name @5 :Text;              # for people: what the reader is
}

struct Attached {
  id @0 :UInt64;
  generation @1 :UInt64;
  bell @2 :UInt32;
  layout @3 :UInt32;          # of the ring
}

struct Claim {
  protocol @0 :UInt32;
  layout @1 :UInt32;
  stream @2 :Text;
  generation @3 :UInt64;
  id @4 :UInt64;
  name @5 :Text;
  bell @6 :UInt32;            # that it has; for statistics only
}

struct Detached {
  id @0 :UInt64;
  cause @1 :Cause;

  enum Cause {
    producerGone @0;
    letGo @1;                 # the producer dropped this reader
    replaced @2;              # a newer generation is there
  }
}

struct Stream {
  name @0 :Text;
  codec @1 :UInt32;           # fourcc
  width @2 :UInt32;           # pixels
  height @3 :UInt32;
  generation @4 :UInt64;
  state @5 :UInt32;           # ring_layout.h, SourceState
  stateSinceNs @6 :UInt64;    # CLOCK_MONOTONIC
  head @7 :UInt64;
  newestKey @8 :UInt64;
  readers @9 :UInt32;
  producerPid @10 :UInt32;
  producerUid @11 :UInt32;
  bytesPublished @12 :UInt64;
  arenaBytes @13 :UInt64;
  maxFrameBytes @14 :UInt64;
  slotCount @15 :UInt32;
  program @16 :Text;
  heartbeatNs @17 :UInt64;
}

struct StreamStat {
  stream @0 :Stream;
  framesTooLarge @1 :UInt64;
  keyRequestsWanted @2 :UInt64;
  keyRequestsGranted @3 :UInt64;
  leasesSteppedOver @4 :UInt64;
  leasesRevoked @5 :UInt64;
  bellsRung @6 :UInt64;
  bellsByRinger @7 :UInt64;
  readers @8 :List(ReaderStat);
  takenNs @9 :UInt64;         # CLOCK_MONOTONIC, when these numbers were read
}

struct ReaderStat {
  id @0 :UInt64;              # 0 unless an operator asks
  name @1 :Text;
  pid @2 :UInt32;
  uid @3 :UInt32;
  bell @4 :UInt32;
  demand @5 :UInt32;
  readTo @6 :UInt64;
  delivered @7 :UInt64;
  deliveredBytes @8 :UInt64;
  lostLapped @9 :UInt64;
  lostSkipped @10 :UInt64;
  lostUndecodable @11 :UInt64;
  leasesRevoked @12 :UInt64;
  leasesHeld @13 :UInt32;
  keyRequests @14 :UInt64;
  backlogFrames @15 :UInt32;
  backlogBytes @16 :UInt32;
  attachedNs @17 :UInt64;     # CLOCK_MONOTONIC
}
