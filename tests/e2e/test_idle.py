#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing to do means doing nothing."""

import time

from harness import StageTest, main, measure_again

SECONDS = 5


class Idle(StageTest):
    def assert_wake_ups_a_second(self, processes, most):
        def worst():
            time.sleep(3)  # what starting up set in motion has ended
            began = time.monotonic()
            before = [process.voluntary_switches() for process in processes]
            time.sleep(SECONDS)
            after = [process.voluntary_switches() for process in processes]
            rates = {process.name: (late - early) / (time.monotonic() - began)
                     for process, early, late in zip(processes, before, after)}
            print(f"# {rates}", flush=True)
            return max(rates.values())
        measure_again(worst, most)

    def test_without_viewer_and_source_nobody_wakes_up_more_than_once_a_second(self):
        processes = [
            self.stage.broker(),
            self.stage.start("websocket", "framering-websocket", "--listen", "127.0.0.1:0")
                .wait_ready(),
            *(self.stage.cat(f"cat-{bell}", "nobody/produces-this", "--bell", bell)
              for bell in ("futex", "line")),
        ]
        self.assert_wake_ups_a_second(processes, 1)

    def test_consumers_that_look_for_a_broker_wake_up_at_most_twice_a_second(self):
        processes = [
            self.stage.start("websocket", "framering-websocket", "--listen", "127.0.0.1:0")
                .wait_ready(),
            self.stage.cat("cat", "nobody/produces-this"),
        ]
        self.assert_wake_ups_a_second(processes, 2)

    def test_capture_stops_when_nobody_wants_a_picture_and_starts_again(self):
        self.stage.broker()
        self.stage.kvm("--idle-seconds", 1)
        self.stage.wait_for_stream("hdmi/h264")
        for _ in range(2):
            self.stage.framering("cat", "hdmi/h264", "--frames", 10, "--timeout", 30,
                                 "--output", "/dev/null")
            self.stage.wait_for_state("hdmi/h264", ("idle",), 8)
            head = self.stage.stat("hdmi/h264")["head"]
            time.sleep(1)
            self.assertEqual(self.stage.stat("hdmi/h264")["head"], head)


if __name__ == "__main__":
    main()
