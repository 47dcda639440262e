# SPDX-License-Identifier: Apache-2.0
"""framering-exporter, read by Prometheus's own client library and compared with `framering stat`; and the
dashboard, whose queries have to name series that there are."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

# Debian's python3-prometheus-client, which is plain Python, also for another python3.
sys.path.append("/usr/lib/python3/dist-packages")
from prometheus_client.parser import text_string_to_metric_families

from harness import PATIENCE, StageTest, main, program, wait_until

DASHBOARD = pathlib.Path(os.environ["FRAMERING_SOURCE"], "consumers/exporter/grafana-dashboard.json")


class Samples:
    """A page, by name and labels."""

    def __init__(self, text):
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]
        self.names = {sample.name for sample in self.samples}

    def value(self, name, **labels):
        found = [sample.value for sample in self.samples
                 if sample.name == name and labels.items() <= sample.labels.items()]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} of {name} {labels}")
        return found[0]


class Exporter(StageTest):
    def exporter(self, *arguments, env=None, listen=("--listen", "127.0.0.1:0")):
        process = self.stage.start("exporter", "framering-exporter", *listen, *arguments,
                                   env=env).wait_ready()
        self.url = re.search(r"http://\S+", process.log)[0]
        return process

    def scrape(self):
        with urllib.request.urlopen(self.url, timeout=PATIENCE) as answer:
            self.assertEqual(answer.headers["Content-Type"],
                             "text/plain; version=0.0.4; charset=utf-8")
            return Samples(answer.read().decode())

    def running(self):
        """A stream whose producer stands still, so that two looks at it see the same."""
        self.stage.broker()
        producer = self.stage.pattern("--fps", "100", "--gop", "5", "--size", "20K", stream="cam/a")
        reader = self.stage.cat("reader", "cam/a", "--frames", "100000", "-o", "/dev/null")
        self.exporter("--probe", "cam/a")
        wait_until(lambda: self.scrape().value("framering_probe_key_interval_frames_count",
                                               stream="cam/a") > 20, 10, "some key frames")
        producer.pause()
        self.stage.processes.remove(reader)  # resumed and stopped with the producer
        self.stage.processes.insert(0, reader)

        def caught_up():
            stat = self.stage.stat("cam/a")
            return stat if all(one["read_to"] == stat["head"] for one in stat["readers"]) else None
        return wait_until(caught_up, 10, "everybody has read everything"), self.scrape()

    def test_a_real_client_reads_what_stat_shows(self):
        stat, page = self.running()
        stream = {"stream": "cam/a"}
        for name, key in {"framering_stream_frames_total": "head",
                          "framering_stream_bytes_total": "bytes_published",
                          "framering_stream_frames_too_large_total": "frames_too_large",
                          "framering_stream_key_requests_wanted_total": "key_requests_wanted",
                          "framering_stream_key_requests_granted_total": "key_requests_granted",
                          "framering_stream_leases_stepped_over_total": "leases_stepped_over",
                          "framering_stream_leases_revoked_total": "leases_revoked",
                          "framering_stream_history_bytes": "arena_bytes"}.items():
            self.assertEqual(page.value(name, **stream), stat[key], name)
        bells = sum(page.value("framering_stream_bells_total", by=by) for by in ("publisher", "ringer"))
        self.assertEqual(bells, stat["bells_rung"])
        self.assertEqual(page.value("framering_stream_readers", **stream), 2)
        self.assertEqual(page.value("framering_stream_state", state="live"), 1)
        self.assertEqual(page.value("framering_stream_state", state="no_signal"), 0)
        self.assertEqual(page.value("framering_up"), 1)
        for reader in stat["readers"]:
            labels = {"reader": reader["name"], "pid": str(reader["pid"]), "number": "1"}
            self.assertEqual(page.value("framering_reader_frames_total", **labels), reader["delivered"])
            self.assertEqual(page.value("framering_reader_lag_frames", **labels),
                             stat["head"] - reader["read_to"])
            for cause in ("lapped", "skipped", "undecodable"):
                self.assertEqual(page.value("framering_reader_frames_lost_total", cause=cause, **labels),
                                 reader[f"lost_{cause}"])

        # The producer publishes key frames 5 apart, and each of 20 KiB.
        seen = {name: page.value(f"framering_probe_{name}_count", **stream)
                for name in ("wake_latency_seconds", "publish_latency_seconds", "key_interval_frames")}
        self.assertEqual(page.value("framering_probe_key_interval_frames_sum", **stream),
                         5 * seen["key_interval_frames"])
        self.assertEqual(page.value("framering_probe_frame_bytes_bucket", key="true", le="16384"), 0)
        self.assertEqual(page.value("framering_probe_frame_bytes_bucket", key="true", le="32768"),
                         page.value("framering_probe_frame_bytes_count", key="true"))
        self.assertGreater(seen["wake_latency_seconds"], 50)
        self.assertGreater(page.value("framering_probe_wake_latency_seconds_sum", **stream), 0)
        probe = next(one for one in stat["readers"] if one["name"] == "framering-exporter")
        self.assertEqual(seen["publish_latency_seconds"], probe["delivered"])

    def test_names_say_their_unit_and_each_has_help(self):
        _, page = self.running()
        for family in page.families.values():
            self.assertTrue(family.name.startswith("framering_"), family.name)
            self.assertGreater(len(family.documentation), 4, family.name)
            self.assertEqual(family.type == "counter",
                             all(sample.name.endswith("_total") for sample in family.samples), family.name)
        self.assertEqual(len({(s.name, tuple(sorted(s.labels.items()))) for s in page.samples}),
                         len(page.samples), "no series twice")

    def test_the_dashboard_asks_for_series_that_there_are(self):
        _, page = self.running()
        queries = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"]
                   for target in panel["targets"]]
        self.assertGreater(len(queries), 20)
        for query in queries:
            names = re.findall(r"framering_[a-z_]+", query)
            self.assertTrue(names, query)
            for name in names:
                self.assertIn(name, page.names, query)
            # And by labels that they have.
            for name, wanted in re.findall(r"(framering_[a-z_]+)\{([^}]*)\}", query):
                labels = {label for s in page.samples if s.name == name for label in s.labels}
                for label in re.findall(r"([a-z]+)=", wanted):
                    self.assertIn(label, labels, query)

    def test_lives_of_a_producer_are_counted(self):
        self.stage.broker()
        self.exporter()
        for life in (1, 2):
            producer = self.stage.pattern(stream="cam")
            wait_until(lambda: "cam" in self.stage.streams(), 10, "the stream")
            page = self.scrape()
            self.assertEqual(page.value("framering_stream_generations_total"), life)
            self.assertEqual(page.value("framering_stream_restarts_total"), life - 1)
            producer.kill()
            wait_until(lambda: "cam" not in self.stage.streams(), 10, "the stream is gone")

    def test_without_a_broker_it_is_down_and_no_error(self):
        self.exporter()
        self.assertEqual(self.scrape().value("framering_up"), 0)
        broker = self.stage.broker()
        self.assertEqual(self.scrape().value("framering_up"), 1)
        broker.kill()
        page = self.scrape()
        self.assertEqual(page.value("framering_up"), 0)
        self.assertFalse([name for name in page.names if "stream" in name])

    def test_who_says_nothing_or_nonsense_keeps_nobody_out_for_long(self):
        self.exporter()
        address = tuple(self.url.split("/")[2].split(":"))
        mute = [socket.create_connection((address[0], int(address[1]))) for _ in range(2)]
        mute[0].sendall(b"\0" * 100_000)
        self.assertEqual(self.scrape().value("framering_up"), 0)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(self.url.replace("metrics", "other"), timeout=PATIENCE)
        self.assertEqual(refused.exception.code, 404)

    def test_a_socket_that_is_handed_over_is_used(self):
        listener = socket.create_server(("127.0.0.1", 0))
        # LISTEN_PID has to be the program's own: a shell becomes it.
        log = open(self.stage.folder / "log", "wb")
        server = subprocess.Popen(
            ["sh", "-c", 'exec 3<&0 0</dev/null; LISTEN_PID=$$ exec "$0" --listen 192.0.2.1:1',
             program("framering-exporter")], stdin=listener, stderr=log,
            env={**self.stage.env, "LISTEN_FDS": "1"})
        try:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"
            self.assertEqual(self.scrape().value("framering_up"), 0)
        finally:
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(PATIENCE), 0)
            listener.close()
            log.close()


if __name__ == "__main__":
    main()
