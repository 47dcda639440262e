// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package bench

/*
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// What the vendor's call does with a frame that the encoder left in its buffer.
static void read_image(const uint8_t *encoded, uint32_t size, uint8_t **data) {
	*data = malloc(size);
	memcpy(*data, encoded, size);
}
*/
import "C"

import "unsafe"

// throughCGO hands encoded over the way the CGO server gets it.
func throughCGO(encoded unsafe.Pointer, size int) []byte {
	var data *C.uint8_t
	C.read_image((*C.uint8_t)(encoded), C.uint32_t(size), &data)
	frame := C.GoBytes(unsafe.Pointer(data), C.int(size))
	C.free(unsafe.Pointer(data))
	return frame
}

func outsideGo(size int) unsafe.Pointer { return C.malloc(C.size_t(size)) }
