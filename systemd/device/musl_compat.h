/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before each file of cross-musl.sh: what glibc declares and the musl of such devices does not
 * yet have (preadv2 came with 1.2.5).
 */
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8 /* linux/fs.h, which cannot be included beside musl's headers */

static inline ssize_t preadv2(int fd, const struct iovec* parts, int count, off_t offset,
                              int flags) {
  /* The offset's upper half means nothing where a long has 64 bits. */
  return syscall(SYS_preadv2, fd, parts, count, offset, 0L, flags);
}
#endif
