// SPDX-License-Identifier: Apache-2.0

// Package bench compares what a frame costs a Go program: through CGO as NanoKVM's server gets it today (malloc and
// copy in C, then C.GoBytes and free), and out of a ring. In one run, by turns, paced at 4 ms and unpaced, beside what
// bounds any reader that copies, one plain copy, and a second run of each for what chance makes of it:
//
//	CGO_ENABLED=1 go test -run NONE -bench . -benchtime 3000x ./bench
package bench
