// SPDX-License-Identifier: Apache-2.0
//
// How libvenc.so reaches the encoders in libkvm_mmf.so, which links against it as the vendor's
// does.
#pragma once

extern "C" void kvm_standin_set_idr_hook(int (*request_idr)(int channel));
