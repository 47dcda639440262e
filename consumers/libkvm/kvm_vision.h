/* SPDX-License-Identifier: Apache-2.0
 *
 * The C functions of NanoKVM's libkvm.so, fed from Framering's streams: for servers that cannot be
 * rebuilt. Names, types and results are the vendor's, misspellings included. Every function may be
 * called from any thread, at the same time as any other. README.md says what differs.
 */
#ifndef FRAMERING_KVM_VISION_H_
#define FRAMERING_KVM_VISION_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KVMV_MJPEG = 0, KVMV_H264 = 1 };

enum {
  KVMV_IS_JPEG = 0,
  KVMV_IS_I = 3, /* Annex B, with SPS and PPS */
  KVMV_IS_P = 4,
  KVMV_UNCHANGED = 5, /* the same JPEG again; only with set_frame_detact */
  KVMV_NO_IMAGE = -1, /* no signal, no producer, no broker, before init or after deinit */
  KVMV_ENCODER_ERROR = -2,
  KVMV_BUFFER_FULL = -3, /* a frame too large for the ring; or the caller frees nothing */
  KVMV_CHANGING_RESOLUTION = -4,
  KVMV_RETRIEVING = -5, /* nothing in time from a source that is well */
  KVMV_UNSUPPORTED_RESOLUTION = -6
};

/* Returns at once, whether or not a broker runs. Not 0: says on stderr when results change. */
void kvmv_init(uint8_t debug);
/* Ends all reads within 0.1 s, and frees what is lent; reads give -1 until the next kvmv_init. */
void kvmv_deinit(void);

/* Waits for the next frame, 1.08 s at most; 0.1 s if the source has a fault or is not there.
 * quality: 50..100 (JPEG) or kbit/s (H.264); 0, as width or height, leaves what holds. Results
 * JPEG, I and P lend *data, to be given back with free_kvmv_data; else *data is null. */
int kvmv_read_img(uint16_t width, uint16_t height, uint8_t type, uint16_t quality, uint8_t** data,
                  uint32_t* size);
/* Returns what the buffer held (0, 3, 4), or -1 if it is none that is lent. *data becomes null. */
int free_kvmv_data(uint8_t** data);
void free_all_kvmv_data(void);

/* These reach the producer now, or once there is one. */
void set_h264_gop(uint8_t frames); /* 1..100; the next frame is a key frame */
void set_frame_detact(uint8_t frames);
/* Nothing to do: both encoders run side by side, and rest when nobody reads them. */
void set_venc_auto_recyc(uint8_t enable);

uint8_t kvmv_hdmi_control(uint8_t enable); /* 0, or 255: the producer cannot; 5 s at most */
uint8_t kvmv_hdmi_signal_active(void);     /* 1: there are pictures, or were when last wanted */

#ifdef __cplusplus
}
#endif

#endif
