/* SPDX-License-Identifier: Apache-2.0
 *
 * framering: the C API. Reads and produces streams of a framering broker. C11 and C++.
 *
 * A reader:
 *
 *     framering_reader_options options = framering_reader_options_init();
 *     options.stream = "hdmi/h264";
 *     framering_reader *reader;
 *     if (framering_reader_open(&options, &reader) != 0) {
 *       fprintf(stderr, "%s\n", framering_last_error());
 *       return 1;
 *     }
 *     framering_frame frame = framering_frame_init();
 *     while (framering_reader_next(reader, &frame, FRAMERING_FOREVER) == FRAMERING_FRAME_READY)
 *       fwrite(frame.bytes, 1, frame.size, stdout);
 *     framering_reader_close(reader);
 *
 * A producer:
 *
 *     framering_writer_options options = framering_writer_options_init();
 *     options.stream = "camera/h264";
 *     options.codec = FRAMERING_CODEC_H264;
 *     options.inter_coded = 1;
 *     framering_writer *writer;
 *     if (framering_writer_open(&options, &writer) != 0) ...
 *     framering_writer_set_state(writer, FRAMERING_STATE_LIVE);
 *     framering_frame frame = framering_frame_init();
 *     frame.flags = is_idr ? FRAMERING_FRAME_KEY : 0;
 *     frame.bytes = encoded;
 *     frame.size = encoded_bytes;
 *     framering_writer_publish(writer, &frame, NULL);
 *
 * Structures begin with struct_size, which framering_..._init() sets: a program built against an
 * older header goes on working with a newer library. A field that is zero has its default. What the
 * library is given (options, strings) it copies; it keeps no pointer of its caller.
 *
 * Results: 0 is success, positive values are expected outcomes, negative ones are errors as in
 * errno.h with the sign changed: -EINVAL (an argument; framering_last_error() says which), -ENOMEM,
 * -EMSGSIZE, -EACCES, or what the system said. A null handle gives -EINVAL. Functions that return
 * nothing, and
 * ..._close, accept a null handle and do nothing.
 *
 * Threads: a handle belongs to one thread at a time, except where a function says "any thread".
 * Different handles are independent. Nothing here raises a C++ exception.
 *
 * Times are CLOCK_MONOTONIC nanoseconds, 0 = unknown. Time-outs are nanoseconds; 0 does not wait,
 * FRAMERING_FOREVER (any negative value) waits until there is something or a signal interrupts.
 */
#ifndef FRAMERING_H
#define FRAMERING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FRAMERING_FOREVER INT64_C(-1)

/* Four characters, the first in the lowest byte. Raw pictures use their DRM fourcc. */
#define FRAMERING_FOURCC(a, b, c, d) ((a) + (b)*0x100u + (c)*0x10000u + (d)*0x1000000u)
#define FRAMERING_CODEC_H264 FRAMERING_FOURCC('H', '2', '6', '4')    /* Annex B */
#define FRAMERING_CODEC_H265 FRAMERING_FOURCC('H', '2', '6', '5')    /* Annex B */
#define FRAMERING_CODEC_MJPEG FRAMERING_FOURCC('M', 'J', 'P', 'G')   /* one JPEG for each frame */
#define FRAMERING_CODEC_PATTERN FRAMERING_FOURCC('P', 'A', 'T', 'N') /* numbered, checksummed */
#define FRAMERING_CODEC_I420 FRAMERING_FOURCC('Y', 'U', '1', '2')
#define FRAMERING_CODEC_NV12 FRAMERING_FOURCC('N', 'V', '1', '2')

/* framering_frame.flags */
#define FRAMERING_FRAME_KEY (1u << 0)            /* decodable by itself (IDR, JPEG, raw) */
#define FRAMERING_FRAME_HAS_PARAMETERS (1u << 1) /* its SPS and PPS are in the bytes */
#define FRAMERING_FRAME_DISCONTINUITY (1u << 2)  /* source or encoder was restarted */
#define FRAMERING_FRAME_DROPPABLE (1u << 3)      /* nothing refers to it */

/* Of the source, as its producer says. */
enum framering_state {
  FRAMERING_STATE_STARTING = 0, /* also: the reader is not attached */
  FRAMERING_STATE_LIVE = 1,
  FRAMERING_STATE_NO_SIGNAL = 2,
  FRAMERING_STATE_UNSUPPORTED_RESOLUTION = 3,
  FRAMERING_STATE_CHANGING_RESOLUTION = 4,
  FRAMERING_STATE_ENCODER_ERROR = 5,
  FRAMERING_STATE_FRAME_TOO_LARGE = 6,
  FRAMERING_STATE_ENDED = 7,
  FRAMERING_STATE_REPLACED = 8,
  FRAMERING_STATE_IDLE = 9
};

/* One frame. A reader fills in all of it. Of a producer's, the library looks at what describes the
 * picture (pts to full_range), and framering_writer_publish at bytes and size as well. */
typedef struct framering_frame {
  uint32_t struct_size; /* framering_frame_init() sets it */
  uint32_t flags;       /* FRAMERING_FRAME_... */
  uint64_t generation;  /* this life of the producer */
  uint64_t number;      /* 1, 2, 3 ... within a generation */
  uint64_t lost_before; /* frames published since the previous one but not handed out */
  uint64_t published_ns;
  const uint8_t* bytes;   /* read-only; see the function that filled it in */
  uint64_t size;          /* bytes */
  int64_t pts;            /* presentation time, in ticks of the stream's time base */
  int64_t dts;            /* decoding time, in ticks */
  uint64_t captured_ns;   /* when the picture left the sensor or grabber */
  uint64_t encoded_ns;    /* when the encoder handed it over */
  uint64_t parameter_set; /* number of the parameter set it needs; 0 = none */
  uint32_t codec;         /* FRAMERING_CODEC_... or a DRM fourcc; 0 = the stream's */
  uint32_t width;         /* pixels; 0 = unknown */
  uint32_t height;
  uint32_t stride[4];       /* raw pictures: bytes from row to row of each plane */
  uint32_t plane_offset[4]; /* raw pictures: first byte of each plane, in the frame */
  uint8_t colour_primaries; /* ITU-T H.273 code points; 0 = unspecified */
  uint8_t transfer;
  uint8_t matrix;
  uint8_t full_range; /* 1: samples use 0..255 */
} framering_frame;
static inline framering_frame framering_frame_init(void) {
  framering_frame init;
  memset(&init, 0, sizeof init);
  init.struct_size = sizeof init;
  return init;
}

/* Version of the library that runs, such as "0.1.0". Never freed. */
const char* framering_version(void);

/* What the last call of this thread that gave a negative result had to complain about. Valid until
 * the thread's next call into this library. Never null. */
const char* framering_last_error(void);

/* ---- reading ------------------------------------------------------------------------------------
 */

typedef struct framering_reader framering_reader;

enum framering_policy {        /* what a reader does when it cannot keep up */
  FRAMERING_POLICY_LIVE = 0,   /* in order; lapped or too far behind: jumps to a key frame */
  FRAMERING_POLICY_NEWEST = 1, /* jumps to the newest frame that can be decoded by itself */
  FRAMERING_POLICY_EVERY = 2   /* in order, each loss reported with its size */
};

enum framering_start {        /* where a reader begins */
  FRAMERING_START_KEY = 0,    /* the newest key frame held */
  FRAMERING_START_OLDEST = 1, /* the oldest key frame held */
  FRAMERING_START_HEAD = 2    /* the next frame to come (of inter-coded streams: key frame) */
};

enum framering_bell {         /* how the producer wakes a reader */
  FRAMERING_BELL_FUTEX = 0,   /* for threads that wait in framering_reader_next */
  FRAMERING_BELL_EVENTFD = 1, /* for event loops of trusted readers; others get the line */
  FRAMERING_BELL_LINE = 2     /* for event loops */
};

typedef struct framering_reader_options {
  uint32_t struct_size;    /* framering_reader_options_init() sets it */
  uint32_t policy;         /* enum framering_policy */
  uint32_t start;          /* enum framering_start */
  uint32_t bell;           /* enum framering_bell */
  const char* stream;      /* required, such as "hdmi/h264" */
  const char* socket_dir;  /* null: $FRAMERING_DIR, else /run/framering */
  const char* name;        /* shown by `framering top`; null: the program's name */
  uint32_t max_lag_frames; /* live: jumps to a key frame when further behind; 0 = never */
  uint32_t paused;         /* 1: attaches without asking the producer for frames yet */
  uint32_t predictive;     /* 1: awake shortly before each frame is due, for a fraction of the
                              latency at up to 2 % of a core; only with the futex bell */
  uint32_t reserved;       /* 0 */
} framering_reader_options;
static inline framering_reader_options framering_reader_options_init(void) {
  framering_reader_options init;
  memset(&init, 0, sizeof init);
  init.struct_size = sizeof init;
  return init;
}

/* What framering_reader_next and framering_reader_lease give when nothing went wrong. */
enum framering_read_result {
  FRAMERING_FRAME_READY = 0,
  FRAMERING_TIMEOUT = 1,       /* nothing new in the time given, or a signal came */
  FRAMERING_STATE_CHANGED = 2, /* see framering_reader_state; nothing was read */
  FRAMERING_ENDED = 3          /* the producer has finished; a later call reads its successor */
};

enum framering_link {           /* how far a reader has come */
  FRAMERING_LINK_NO_BROKER = 0, /* trying to connect */
  FRAMERING_LINK_NO_STREAM = 1, /* connected; nobody produces this stream yet */
  FRAMERING_LINK_ATTACHED = 2
};

typedef struct framering_status {
  uint32_t struct_size;    /* framering_status_init() sets it */
  uint32_t link;           /* enum framering_link; unless attached, what follows is 0 up to head */
  uint32_t state;          /* enum framering_state */
  uint32_t codec;          /* FRAMERING_CODEC_... or a DRM fourcc */
  uint32_t time_base_num;  /* seconds a tick of pts and dts = num / den */
  uint32_t time_base_den;
  uint32_t history_frames; /* the ring keeps at most so many frames, */
  uint32_t reserved;       /* 0 */
  uint64_t history_bytes;  /* and so many bytes */
  uint64_t generation;
  uint64_t head;           /* newest frame published; 0 = none */
  uint64_t delivered;      /* over all generations, like the following */
  uint64_t lost_lapped;    /* overwritten before they were read */
  uint64_t lost_skipped;   /* passed over by the policy */
  uint64_t lost_undecodable; /* dropped while waiting for a key frame */
  uint64_t leases_revoked;
} framering_status;
static inline framering_status framering_status_init(void) {
  framering_status init;
  memset(&init, 0, sizeof init);
  init.struct_size = sizeof init;
  return init;
}

/* Makes a reader; it attaches by itself, now or when there is a broker and such a stream, and again
 * after a restart of either. Returns at once. -EINVAL: the stream's name or an option. */
int framering_reader_open(const framering_reader_options* options, framering_reader** reader);

/* Detaches and frees; the bytes of every frame it handed out are gone. */
void framering_reader_close(framering_reader* reader);

/* Copies the next frame into memory of the reader: frame->bytes stays valid until the next call of
 * framering_reader_next, _lease or _close. The bytes are whole. enum framering_read_result;
 * -EACCES: the broker refuses this reader for good. */
int framering_reader_next(framering_reader* reader, framering_frame* frame, int64_t timeout_ns);

/* The same into memory of the caller: one copy, and frame->bytes is `buffer`, valid as long as that
 * is. -EMSGSIZE: the next frame has frame->size bytes, more than `capacity`; it is not lost, call
 * again with a larger buffer. Capacity 0 (buffer may be null) asks for the size alone. */
int framering_reader_next_into(framering_reader* reader, framering_frame* frame, void* buffer,
                               size_t capacity, int64_t timeout_ns);

/* framering_reader_next without the copy: frame->bytes lies in the ring and is protected until
 * framering_reader_release, which must follow for each frame. The producer may revoke a lease that
 * stands in its way, so ask framering_reader_lease_valid after using the bytes, and before trusting
 * the result. When no lease is to be had, it is a copy; the calls are the same. */
int framering_reader_lease(framering_reader* reader, framering_frame* frame, int64_t timeout_ns);

/* 1: the bytes were unaltered until now. 0: revoked, throw away what was computed from them. */
int framering_reader_lease_valid(framering_reader* reader, const framering_frame* frame);

/* Gives a lease back. frame->bytes must not be touched after it. */
void framering_reader_release(framering_reader* reader, const framering_frame* frame);

/* The ring that the reader reads now: `size` bytes from *begin. It stays mapped until
 * framering_memory_release (any thread), whatever becomes of reader and producer. For languages in
 * which a pointer into a leased frame may outlive the lease: what it points to may be overwritten
 * then, but can be read. A "lease" that lies outside is a copy of the reader's. Null: there is no
 * ring, or no memory for the handle. */
typedef struct framering_memory framering_memory;
framering_memory* framering_reader_memory(const framering_reader* reader, const void** begin,
                                          size_t* size);
void framering_memory_release(framering_memory* memory);

/* For event loops, with the bells eventfd and line: readable when there is something to do; then
 * call framering_reader_next with time-out 0 until it gives FRAMERING_TIMEOUT. The reader keeps the
 * descriptor, the same one all its life: only poll it. */
int framering_reader_fd(const framering_reader* reader);

/* Asks for a key frame; the producer merges such requests and limits their rate. Any thread. */
void framering_reader_request_key(framering_reader* reader);

/* 0: wants no frames for now, so that a stream nobody wants need not be encoded. */
void framering_reader_set_demand(framering_reader* reader, int wants_frames);

/* enum framering_state, or a negative error. */
int framering_reader_state(const framering_reader* reader);

/* Codec of the stream; 0 while not attached. */
uint32_t framering_reader_codec(const framering_reader* reader);

/* What a reader knows of its stream, and what became of the frames since it was opened. */
int framering_reader_status(const framering_reader* reader, framering_status* status);

/* Copies parameter set `number` (framering_frame.parameter_set; SPS, PPS, VPS in Annex B) to
 * `buffer`. *size: in, its capacity; out, the size of the set (2032 bytes at most). -ENOENT: no
 * longer kept. -EMSGSIZE: the buffer is too small, *size says what is needed. */
int framering_reader_parameter_set(const framering_reader* reader, uint64_t number, void* buffer,
                                   size_t* size);

/* ---- producing ----------------------------------------------------------------------------------
 */

typedef struct framering_writer framering_writer;

typedef struct framering_writer_options {
  uint32_t struct_size;     /* framering_writer_options_init() sets it */
  uint32_t codec;           /* required: FRAMERING_CODEC_... or a DRM fourcc */
  const char* stream;       /* required: [A-Za-z0-9_.-], parts joined by single slashes */
  const char* socket_dir;   /* null: $FRAMERING_DIR, else /run/framering */
  const char* program;      /* for people; null: "framering" */
  uint64_t history_bytes;   /* of the ring; at least 4 times max_frame_bytes; 0: 4 MiB */
  uint64_t max_frame_bytes; /* 0: history_bytes / 4 */
  uint32_t inter_coded;     /* 1: frames depend on earlier ones (H.264, H.265) */
  uint32_t time_base_num;   /* seconds a tick = num / den; 0/0: 1/1000000 */
  uint32_t time_base_den;
  uint32_t max_width; /* pixels; 0 = not stated */
  uint32_t max_height;
  uint32_t slot_count;  /* frames remembered, a power of two; 0: 256 */
  uint32_t lease_cells; /* leases for each reader; 0: 8 */
  uint32_t max_readers; /* 0: 64 */
} framering_writer_options;
static inline framering_writer_options framering_writer_options_init(void) {
  framering_writer_options init;
  memset(&init, 0, sizeof init);
  init.struct_size = sizeof init;
  return init;
}

/* What all readers together want. */
typedef struct framering_demand {
  uint32_t struct_size; /* framering_demand_init() sets it */
  uint32_t readers;
  uint32_t wanting;      /* readers that want frames */
  uint32_t lowest_kbps;  /* what the slowest of their viewers can take; 0 = nobody says */
  uint64_t key_requests; /* ever; only grows */
  uint32_t worst_backlog_frames;
  uint32_t worst_backlog_bytes;
} framering_demand;
static inline framering_demand framering_demand_init(void) {
  framering_demand init;
  memset(&init, 0, sizeof init);
  init.struct_size = sizeof init;
  return init;
}

/* Makes the ring and begins to announce it; frames flow whether or not a broker runs. A thread of
 * the library's own talks to the broker. -EINVAL: the name or a size, framering_last_error() says
 * which. */
int framering_writer_open(const framering_writer_options* options, framering_writer** writer);

/* Tells every reader that the stream has ended, and frees. */
void framering_writer_close(framering_writer* writer);

/* *span gets `bytes` bytes inside the ring to write the next frame into, so that an encoder needs
 * no copy. They belong to the caller until framering_writer_commit; a second reserve replaces the
 * first. Never waits. -EMSGSIZE: over max_frame_bytes; the frame is counted as too large, *span is
 * null. */
int framering_writer_reserve(framering_writer* writer, size_t bytes, void** span);

/* Publishes the first `bytes` of what was reserved and wakes who sleeps. `frame` describes it
 * (null: all zero). *number (may be null) gets the frame's number. Never waits. -EINVAL: nothing or
 * less than `bytes` was reserved. */
int framering_writer_commit(framering_writer* writer, size_t bytes, const framering_frame* frame,
                            uint64_t* number);

/* reserve, one copy of frame->bytes, commit. */
int framering_writer_publish(framering_writer* writer, const framering_frame* frame,
                             uint64_t* number);

/* Announces SPS, PPS (VPS) in Annex B; *number gets what framering_frame.parameter_set must name,
 * the same one for the same bytes. -EMSGSIZE: over 2032 bytes. */
int framering_writer_set_parameter_sets(framering_writer* writer, const void* annex_b, size_t bytes,
                                        uint64_t* number);

/* enum framering_state. -EINVAL: no such state. */
int framering_writer_set_state(framering_writer* writer, int state);

/* While live without frames (a still picture): at least once a second. */
void framering_writer_heartbeat(framering_writer* writer);

/* Any thread. */
int framering_writer_demand(const framering_writer* writer, framering_demand* demand);

/* Sleeps until some reader's demand or key requests may have changed (1), or the time is over (0).
 * Any thread. */
int framering_writer_wait(framering_writer* writer, int64_t timeout_ns);

/* For event loops: readable when framering_writer_wait would return at once. Only poll it. */
int framering_writer_fd(const framering_writer* writer);

/* 1: a broker has taken the name. 0: no broker, or it refuses: then framering_last_error() says
 * why. Any thread. */
int framering_writer_announced(const framering_writer* writer);

#ifdef __cplusplus
}
#endif

#endif /* FRAMERING_H */
