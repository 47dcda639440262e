// SPDX-License-Identifier: Apache-2.0
//
// What the environment asks of the stand-in. Read once, at mmf_init; README.md documents it.
#pragma once

#include <cstdlib>
#include <string>

namespace kvm_standin {

struct Settings {
  std::string display;  // X11 display to show; empty: the test picture
  std::string control;  // path of the control socket; empty: none
  std::string faults;   // commands at start, separated by ';'
  bool barcode = true;
  bool still = false;
  int fps = 0;  // 0: what the H.264 channel asks for, else 30
};

inline Settings read_settings() {
  const auto text = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  Settings settings;
  settings.display = text("KVM_STANDIN_DISPLAY");
  settings.control = text("KVM_STANDIN_CONTROL");
  settings.faults = text("KVM_STANDIN_FAULT");
  // The test picture has no other way to be told apart, so only a desktop can do without.
  settings.barcode = settings.display.empty() || text("KVM_STANDIN_BARCODE") != "0";
  settings.still = text("KVM_STANDIN_STILL") == "1";
  settings.fps = std::atoi(text("KVM_STANDIN_FPS").c_str());
  return settings;
}

}  // namespace kvm_standin
