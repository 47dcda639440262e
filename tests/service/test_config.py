# SPDX-License-Identifier: Apache-2.0
"""Configuration files: what is refused and how, what a reload takes, and that the annotated file that is
installed (systemd/framering.toml) tells the truth about every option of every program."""

import functools
import os
import pathlib
import re
import signal
import ssl
import subprocess

from harness import StageTest, main, program, wait_until

INSTALLED = pathlib.Path(os.environ["FRAMERING_SOURCE"], "systemd/framering.toml")
SECRETS = "/etc/framering/secrets"
TABLES = ["broker", "producer", "websocket", "webrtc", "recorder", "exporter"]
NO_KEYS = {"help", "version", "config", "config-check", "instance", "make-token", "check-library"}
KEY = re.compile(r"^(#{0,2}) ?([a-z][a-z0-9-]*) = (.+)$")
HEAD = re.compile(r"^(?:# )?\[([a-z]+)(?:\.([a-z]+))?\]$")


def built(table):
    return os.path.exists(program("framering-" + table))


def run(table, *arguments):
    done = subprocess.run([program("framering-" + table), *map(str, arguments)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


@functools.cache
def options_of(table):
    """From --help: each option with its text."""
    text = run(table, "--help")[1].split("\nExamples:")[0]
    parts = re.split(r"^ +--([a-z][a-z0-9-]*)", text, flags=re.MULTILINE)
    return {name: body for name, body in zip(parts[1::2], parts[2::2]) if name not in NO_KEYS}


def defaults_in(help_text):
    """16 of "default 16", "(16)", "(default: 16)" and "UINT=16"."""
    words = [word.rstrip(".:") for word in re.findall(r"default:? ([\w.:]+)", help_text)]
    words += re.findall(r"\((\d+[KMG]?)[);:]", help_text)
    words += re.findall(r"^[^\n]*=([\w.:]+)$", help_text.split("\n")[0], re.MULTILINE)
    return [word for word in words if word[0].isdigit() or word in ("worst", "mp4", "framering")]


class Line:
    """A key of the installed file, with the comment above it."""

    def __init__(self, table, instance, marks, key, value, comment):
        self.table, self.instance, self.marks = table, instance, marks
        self.key, self.value, self.comment = key, value, comment

    def plain_value(self):
        return self.value.strip('"')


def lines_of_installed_file():
    table = instance = None
    comment, above_key = [], False
    for text in INSTALLED.read_text().splitlines():
        if found := KEY.match(text):
            yield Line(table, instance, *found.groups(), " ".join(comment))
            above_key = True
            continue
        if head := HEAD.match(text):
            table, instance = head.groups()
        comment = ([] if above_key else comment) + [text]
        above_key = False


class Config(StageTest):
    def write(self, text):
        path = self.stage.folder / "framering.toml"
        path.write_text(text)
        return path

    def refused(self, table, text, *needles, instance=None):
        if not built(table):
            self.skipTest(f"framering-{table} was not built")
        more = ["--instance", instance] if instance else []
        code, said = run(table, "--config", self.write(text), "--config-check", *more)
        self.assertNotEqual(code, 0, said)
        for needle in needles:
            self.assertIn(needle, said)

    # ---- what is refused ---------------------------------------------------------------------------

    def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name(self):
        self.refused("broker", "[broker]\n\nmax-reader = 3\n", "toml:3:", "max-reader ", "max-readers?")
        self.refused("producer", '[producer.a]\nsource = "pattern"\nstrem = "x"\n', "toml:3:",
                     "stream?", instance="a")

    def test_an_unknown_table_is_refused_with_its_line_and_the_nearest_name(self):
        self.refused("broker", "[websockets]\n", "toml:1:", "[websocket]?")

    def test_a_value_out_of_range_is_refused_with_line_range_and_unit(self):
        self.refused("broker", "[broker]\nmax-streams = 99\n", "toml:2:", "--max-streams", "1..64",
                     "streams")
        self.refused("producer", '[producer.a]\nsource = "kvm"\nstream = "x"\nlibrary = "l"\n'
                     "bitrate-kbps = 20\n", "toml:5:", "500..10000 kbit/s", instance="a")
        self.refused("websocket", "[websocket]\nmax-connections = 0\n", "toml:2:",
                     "--max-connections", "1 to 65536")
        self.refused("recorder", '[recorder.a]\nstream = "x"\noutput = "/tmp"\nformat = "avi"\n',
                     "toml:4:", "mp4", instance="a")

    def test_a_value_that_only_makes_no_sense_with_others_is_refused_with_its_line(self):
        self.refused("websocket", '[websocket]\nmax-connections = 9\nlisten = "0.0.0.0:80"\n',
                     "toml:3:", "reachable from other machines")
        self.refused("producer", '[producer.a]\nsource = "pattern"\nstream = "x"\nquality = 60\n',
                     "toml:4:", "means nothing to --source pattern", instance="a")

    def test_what_is_no_toml_is_refused_with_its_line(self):
        self.refused("broker", "[broker]\nmax-streams = \n", "toml:2:")
        self.refused("broker", "[broker]\nmax-streams = 3\nmax-streams = 4\n", "toml:3:")

    def test_values_of_the_wrong_kind_are_refused_with_their_line(self):
        self.refused("broker", "[broker]\nmax-streams = 1979-05-27\n", "toml:2:", "max-streams is a")
        self.refused("broker", '[broker]\nallow = ""\n', "toml:2:", "empty")
        self.refused("producer", '[producer.a]\nsource = "pattern"\nstream = "x"\nloop = 1\n',
                     "toml:4:", "true or false", instance="a")

    def test_an_instance_that_is_not_there_is_refused_with_those_that_are(self):
        text = '[producer.a]\nsource = "pattern"\nstream = "x"\n[producer.b]\n'
        self.refused("producer", text, "[producer.c]", "a, b", instance="c")
        self.refused("producer", text, "--instance NAME", "a, b")

    def test_the_command_line_goes_before_the_file(self):
        path = self.write('socket-dir = "/nowhere/at/all"\n[broker]\nmax-streams = 3\n')
        self.stage.start("broker", "framering-broker", "--config", path, "--max-streams", "1",
                         "--socket-dir", self.stage.socket_dir).wait_ready()
        self.stage.pattern(stream="one", name="one")
        second = self.stage.start("two", "framering-producer", "--source", "pattern", "--stream", "two")
        wait_until(lambda: "refuses" in second.log, 10, "the limit of the command line")
        self.assertIn("limit", second.log)

    # ---- reload ------------------------------------------------------------------------------------

    def reload(self, process, needle):
        before = process.log.count(needle)
        process.send(signal.SIGHUP)
        wait_until(lambda: process.log.count(needle) > before, 10,
                   f"{needle!r} in the log of {process.name}:\n{process.log}")

    def test_a_reload_changes_who_may_read_and_turns_the_others_out(self):
        path = self.write("[broker]\n")
        broker = self.stage.start("broker", "framering-broker", "--config", path).wait_ready()
        self.stage.pattern(stream="test")
        reader = self.stage.cat("reader", "test", "--frames", "1000000", "-o", "/dev/null")
        wait_until(lambda: self.stage.stat("test")["readers"], 10, "a reader")
        self.write(f'[broker]\nmax-readers = 9\nallow = ["read:test:uid={os.getuid() + 1}",'
                   ' "operate:*:*"]\n')
        self.reload(broker, "allow taken; max-readers changed, which needs a restart")
        wait_until(lambda: not self.stage.stat("test")["readers"], 10, "the reader is gone")
        self.assertEqual(reader.wait(20), 5, "refused")

    def test_a_mistake_leaves_the_old_configuration_and_says_where_it_is(self):
        path = self.write("[broker]\nattach-rate = 50\n")
        broker = self.stage.start("broker", "framering-broker", "--config", path).wait_ready()
        self.write("[broker]\nattach-rat = 10\n")
        self.reload(broker, "toml:2: attach-rat is no key of [broker]; did you mean attach-rate?; "
                            "going on as before")
        self.stage.pattern(stream="test")
        self.write("[broker]\nattach-rate = 10\n")
        self.reload(broker, "attach-rate taken")

    def test_a_reload_changes_what_a_producer_makes(self):
        self.stage.broker()
        text = '[producer.a]\nsource = "pattern"\nstream = "test"\nsize = 1000\nfps = 10\nslots = 64\n'
        path = self.write(text)
        producer = self.stage.start("producer", "framering-producer", "--config", path,
                                    "--instance", "a", "--supervise").wait_ready()
        self.write(text.replace("10\n", "100\n").replace("64", "128"))
        self.reload(producer, "fps taken; slots changed")
        shown = self.stage.framering("set", "test").stdout.decode()
        self.assertRegex(shown, r"fps +100 ")
        self.write(text.replace("fps = 10", "fps = -1"))
        self.reload(producer, "toml:5: --fps: -1 is out of range")
        self.assertRegex(self.stage.framering("set", "test").stdout.decode(), r"fps +100 ")

    def test_without_a_file_sighup_ends_a_program_as_ever(self):
        broker = self.stage.broker()
        broker.send(signal.SIGHUP)
        self.assertEqual(broker.wait(10), -signal.SIGHUP)

    def test_a_reload_changes_who_may_watch(self):
        if not built("websocket"):
            self.skipTest("framering-websocket was not built")
        self.stage.broker()
        secret = self.stage.folder / "secret"
        secret.write_text("a secret that is long enough for anybody\n")
        path = self.write('[websocket]\nlisten = "127.0.0.1:0"\n')
        server = self.stage.start("websocket", "framering-websocket", "--config", path).wait_ready()
        url = re.search(r"http://[\d.:]+", server.log)[0] + "/api/streams"
        status = lambda: subprocess.run(  # noqa: E731
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url], text=True,
            capture_output=True, timeout=10, check=False).stdout
        self.assertEqual(status(), "200")
        self.write(f'[websocket]\nlisten = "127.0.0.1:0"\ntoken-secret-file = "{secret}"\n')
        self.reload(server, "token-secret-file taken")
        self.assertEqual(status(), "401")
        self.write('[websocket]\nlisten = "127.0.0.2:0"\n')
        self.reload(server, "listen changed, which needs a restart; going on as before")
        self.assertEqual(status(), "401")

    def test_a_reload_takes_a_renewed_certificate(self):
        if not built("websocket") or "--tls-cert" not in run("websocket", "--help")[1]:
            self.skipTest("framering-websocket was not built with TLS")
        cert, key = self.stage.folder / "cert.pem", self.stage.folder / "key.pem"

        def renew():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                            "-out", cert, "-keyout", key], capture_output=True, check=True)
            return cert.read_text().strip()
        first = renew()
        path = self.write(f'[websocket]\nlisten = "127.0.0.1:0"\ntls-cert = "{cert}"\n'
                          f'tls-key = "{key}"\n')
        server = self.stage.start("websocket", "framering-websocket", "--config", path).wait_ready()
        address = ("127.0.0.1", int(re.search(r"https://127.0.0.1:(\d+)", server.log)[1]))
        self.assertEqual(ssl.get_server_certificate(address).strip(), first)
        second = renew()
        self.assertEqual(ssl.get_server_certificate(address).strip(), first)
        self.reload(server, "nothing has changed; the files that it names")
        self.assertEqual(ssl.get_server_certificate(address).strip(), second)
        cert.write_text("rubbish")
        self.reload(server, "going on as before")
        self.assertEqual(ssl.get_server_certificate(address).strip(), second)

    def test_a_reload_changes_what_a_recorder_keeps(self):
        if not built("recorder"):
            self.skipTest("framering-recorder was not built")
        text = f'[recorder.a]\nstream = "test"\noutput = "{self.stage.folder}/films"\n'
        self.stage.broker()
        recorder = self.stage.start("recorder", "framering-recorder", "--instance", "a", "--config",
                                    self.write(text)).wait_ready()
        self.write(text + 'max-bytes = "1M"\nsync-seconds = 1\n')
        self.reload(recorder, "max-bytes taken; sync-seconds changed, which needs a restart")

    # ---- the installed file ------------------------------------------------------------------------

    def installed(self, text=None):
        secrets = self.stage.folder / "secrets"
        secrets.mkdir(exist_ok=True)
        (secrets / "token").write_text("a secret that is long enough for anybody\n")
        return self.write((text or INSTALLED.read_text()).replace(SECRETS, str(secrets)))

    def accepted_by_all(self, path, instances):
        for table in filter(built, TABLES):
            for instance in instances.get(table, [None]):
                more = ["--instance", instance] if instance else []
                code, said = run(table, "--config", path, "--config-check", *more)
                self.assertEqual(code, 0, said)
                self.assertIn("is right", said)

    def test_the_installed_file_is_right_as_it_is(self):
        self.accepted_by_all(self.installed(), {"producer": ["hdmi", "test"], "recorder": ["hdmi"]})

    def test_the_installed_file_is_right_with_every_key_in_it(self):
        text = re.sub(r"^# (?=\[|[a-z][a-z0-9-]* = )", "", INSTALLED.read_text(), flags=re.MULTILINE)
        self.assertNotIn("\n# [", text)
        self.accepted_by_all(self.installed(text), {
            "producer": ["hdmi", "test", "film", "camera"], "recorder": ["hdmi"]})

    def test_what_excludes_others_is_right_by_itself(self):
        blocks = re.findall(r"(?:^## .*\n)+", INSTALLED.read_text(), re.MULTILINE)
        self.assertEqual(len(blocks), 3)
        for block, table in zip(blocks, ["websocket", "webrtc", "webrtc"]):
            text = f"[{table}]\n" + block.replace("## ", "")
            if built(table):
                code, said = run(table, "--config", self.write(text), "--config-check")
                self.assertEqual(code, 0, said)

    def test_the_installed_file_has_every_option_of_every_program(self):
        for table in filter(built, TABLES):
            there = {line.key for line in lines_of_installed_file() if line.table in (table, None)}
            self.assertEqual(set(options_of(table)) - there, set(), f"missing in [{table}]")

    def test_the_installed_file_tells_the_defaults(self):
        checked = 0
        for line in lines_of_installed_file():
            if line.table is None or not built(line.table):
                continue
            expected = defaults_in(options_of(line.table).get(line.key, ""))
            if not expected:
                continue
            self.assertIn(line.plain_value(), expected, f"[{line.table}] {line.key}")
            checked += 1
        self.assertGreater(checked, 25)

    def test_the_installed_file_tells_the_ranges(self):
        checked = 0
        for line in lines_of_installed_file():
            limits = re.search(r"(\d+)\.\.(\d+)", line.comment)
            if not limits or not built(line.table) or line.key in ("udp-ports",):
                continue
            least, most = map(int, limits.groups())
            # Of several keys under one comment, the range is the first one's.
            for value, right in ((least, True), (most, True), (most + 1, False), (least - 1, False)):
                if value < 0 or (right and line.key in ("slots", "width", "history", "max-frame", "size")
                                 and value & (value - 1)):
                    continue
                text = self.alone(line, value)
                more = ["--instance", line.instance] if line.instance else []
                code, said = run(line.table, "--config", self.write(text), "--config-check", *more)
                self.assertEqual(code == 0, right, f"[{line.table}] {line.key} = {value}: {said}")
            checked += 1
        self.assertGreater(checked, 25)

    def alone(self, line, value):
        """A file with that key and no more than its program needs."""
        head = f"[{line.table}{'.' + line.instance if line.instance else ''}]\n"
        needed = {"hdmi": 'source = "kvm"\nstream = "x"\nlibrary = "l"\n',
                  "test": 'source = "pattern"\nstream = "x"\n'}
        if line.table == "recorder":
            needed["hdmi"] = 'stream = "x"\noutput = "/tmp"\n'
            if line.key in ("pre-seconds", "post-seconds"):
                needed["hdmi"] += 'trigger = "signal"\n'
        if line.key == "max-frame":
            needed["hdmi"] += 'history = "64G"\n'
        return head + needed.get(line.instance, "") + f"{line.key} = {value}\n"


if __name__ == "__main__":
    main()
