// SPDX-License-Identifier: Apache-2.0

// Package bench compares what a frame costs a Go program: through CGO as NanoKVM's server gets it today (malloc and
// copy in C, then C.GoBytes and free), and out of a ring. Both in one run, paced at 4 ms and unpaced:
//
//	CGO_ENABLED=1 go test -run XXX -bench . ./bench
package bench
