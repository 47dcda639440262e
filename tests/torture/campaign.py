# SPDX-License-Identifier: Apache-2.0
"""A broker, producers and readers, kept alive and judged while faults.py does things to them.

Faults come in rounds. Between two rounds all of them end: who was stopped goes on, who died is
started again, and then every reader must be handed a frame that was published after that moment, or
it is stuck. An epoch ends with no readers at all: their records are judged together, and broker and
producers must hold no more than before the first reader came.
"""

import collections
import itertools
import os
import pathlib
import signal
import sys
import time

from actors import STREAMS, Broker, Producer, Reader
from harness import wait_until
from history import History

# The longest a survivor may have to wait by design: 5 s for a producer that does not answer the
# broker, then 5 s more for readers that were not confirmed; and the machine may be busy.
STUCK_SECONDS = 40
LEAK_SECONDS = 12  # for the same reasons
PRIVATE_SLACK_KIB = 512


class Campaign:
    def __init__(self, stage, rng, streams, reader_count):
        self.stage = stage
        self.rng = rng
        self.prefix = f"torture{os.getpid()}"  # so that its memory can be told from anybody's
        self.reader_count = reader_count
        self.problems = []
        self.counts = collections.Counter()
        self.known = collections.defaultdict(dict)  # role -> {point's name: (key, passes)}
        self.struck = collections.defaultdict(collections.Counter)  # role -> {point's name: times}
        self.settle_seconds = []
        self.journal = collections.deque(maxlen=60)  # what was done of late, to whom
        self.began = time.monotonic()
        self.histories = {}
        self.base = None  # what broker and producers hold without readers
        self.last_holdings = None
        self.broker = self._ready(Broker(stage))
        self.producers = {name: self._ready(Producer(stage, self.prefix, name))
                          for name in streams}
        self.readers = []

    # ---- the cast

    def actors(self):
        return [self.broker, *self.producers.values(), *self.readers]

    def of_role(self, role):
        return [actor for actor in self.actors() if actor.role == role]

    def start_again(self, actor, arm=None):
        """Another one in its place, perhaps with an order from its first step on."""
        self._end(actor)
        if actor.role == "broker":
            self.broker = fresh = Broker(self.stage, arm)
        elif actor.role == "producer":
            self.producers[actor.stream] = fresh = Producer(self.stage, self.prefix, actor.stream,
                                                            arm)
        else:
            fresh = Reader(self.stage, self.prefix, self.rng, stream=actor.stream, arm=arm)
            self.readers[self.readers.index(actor)] = fresh
        self.counts[f"{actor.role}s started"] += 1
        self.note(f"{fresh} started instead of {actor.name}")
        return fresh

    def _ready(self, actor):
        actor.process.wait_ready()
        return actor

    def _end(self, actor):
        """Takes in what it leaves behind. Kills it if it runs."""
        if actor.running:
            actor.release()
            actor.kill()
        self.learn(actor)
        why = actor.why_it_must_not_have_ended_so()
        if why:
            self.problem(why)
        elif actor.process.popen.returncode > 0:
            self.counts["gave up with a sentence"] += 1
        if actor.role == "reader":
            self.histories[actor.stream].add(actor.reading())
        actor.bury(self.stage)

    def learn(self, actor):
        """The points that it has passed."""
        known = self.known[actor.role]
        for name, (key, passes) in actor.points.passes().items():
            known[name] = (key, max(passes, known.get(name, (key, 0))[1]))

    def note(self, deed):
        self.journal.append(f"{time.monotonic() - self.began:9.3f} s  {deed}")

    def problem(self, text):
        """With what was done before it, since the seed does not bring back the same timing."""
        self.problems.append(text)
        print(f"PROBLEM {text}")
        for line in self.journal:
            print(f"  {line}")
        sys.stdout.flush()
        self.journal.clear()

    # ---- an epoch

    def begin_epoch(self, every_kind=False):
        """With so many readers as were asked for, or with one of every kind that matters."""
        self.histories = {name: History(STREAMS[name][0]) for name in self.producers}
        kinds = list(itertools.product(self.producers, ["futex", "line", "eventfd"]))
        if not every_kind:
            kinds = self.rng.sample(kinds, min(self.reader_count, len(kinds)))
            kinds += [(None, None)] * (self.reader_count - len(kinds))
        for stream, bell in kinds:
            self.readers.append(Reader(self.stage, self.prefix, self.rng, stream, bell))
        self.settle()

    def end_epoch(self):
        for reader in self.readers:
            self.learn(reader)
            reader.process.send(signal.SIGTERM)
            try:
                code = reader.process.wait(10)
            except AssertionError:
                code = None
            if code != 0:
                self.problem(f"{reader} ended with {code} when asked to; {reader.process.log[-500:]}")
                reader.kill()
            self.histories[reader.stream].add(reader.reading())
            reader.bury(self.stage)
        self.readers.clear()
        for stream, history in self.histories.items():
            for problem in history.judge():
                self.problem(f"{stream}: {problem}")
            self.counts.update({key: count for key, count in history.counts.items()
                                if key != "behind"})
            self.counts["readers judged"] += len(history.readings)
        self.check_leaks()

    # ---- between rounds

    def settle(self):
        """All faults end; whoever survived must go on."""
        began = time.monotonic()
        for actor in self.actors():
            actor.release()
        self.note("all faults end")
        self._replace_the_dead()
        self.learn(self.rng.choice(self.actors()))
        since_ns = time.monotonic_ns()
        while waiting := [reader for reader in self.readers if not self._got_fresh(reader, since_ns)]:
            if time.monotonic() - began > STUCK_SECONDS:
                self._stuck(waiting)
                break
            time.sleep(0.005)
            self._replace_the_dead()  # who was short of something may give up only now
        self.settle_seconds.append(time.monotonic() - began)

    def _replace_the_dead(self):
        for actor in self.actors():
            if not actor.running:
                fresh = self.start_again(actor)
                if fresh.role != "reader":
                    self._ready(fresh)

    @staticmethod
    def _got_fresh(reader, since_ns):
        newest = reader.newest_record()
        return newest is not None and newest.published_ns > since_ns

    def _stuck(self, readers):
        for reader in readers:
            self.problem(f"{reader} is stuck: no frame for {STUCK_SECONDS} s; its newest: "
                         f"{reader.newest_record()}")
        print(self.stage.framering("ls", check=False).stdout.decode(errors="replace"))
        producers = {reader.stream: self.producers[reader.stream] for reader in readers}
        for actor in (self.broker, *producers.values(), *readers):
            print(f"{actor}, log: {actor.process.log[-300:]!r}")
            for line in actor.whereabouts() if actor.running else []:
                print(f"  {line}")
        sys.stdout.flush()
        for reader in readers:
            self.start_again(reader)

    # ---- leaks

    def holdings(self):
        return {" ".join(filter(None, (actor.role, actor.stream))):
                (actor.descriptors(), actor.shared_mappings(), actor.status_kib("RssAnon"))
                for actor in (self.broker, *self.producers.values())}

    def check_leaks(self):
        """Without readers. The first time: what that is, after readers of every kind were there."""
        if self.base is None:
            time.sleep(0.3)
            wait_until(lambda: self._readers_known() == 0, LEAK_SECONDS, "all readers are gone")
            self.base = self.last_holdings = self.holdings()
            return
        over = {}

        def back():
            over.clear()
            self.last_holdings = now = self.holdings()
            for name, (descriptors, mappings, private) in now.items():
                base = self.base[name]
                if descriptors > base[0] or mappings > base[1] or private > base[2] + PRIVATE_SLACK_KIB:
                    over[name] = (base, now[name])
            return not over
        try:
            wait_until(back, LEAK_SECONDS, "")
        except AssertionError:
            for name, (base, now) in over.items():
                self.problem(f"leak: {name} without readers held {base} descriptors, shared mappings "
                             f"and private KiB, now {now}")

    def _readers_known(self):
        return sum(stream["readers"] for stream in self.stage.streams().values())

    def finish(self):
        """Stops everybody, and looks for what is still there."""
        for actor in (*self.producers.values(), self.broker):
            self.learn(actor)
            actor.process.send(signal.SIGTERM)
            code = actor.process.wait(10)
            if code != 0:
                self.problem(f"{actor} ended with {code} when asked to; {actor.process.log[-500:]}")
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                text = (process / "maps").read_text()
            except OSError:
                continue
            if f"framering-{self.prefix}/" in text:
                self.problem(f"leak: process {process.name} still maps a ring of ours")
        named = [path.name for path in pathlib.Path("/dev/shm").glob(f"*{self.prefix}*")]
        left = [path.name for path in self.stage.socket_dir.iterdir() if path.suffix == ".sock"]
        for name in named + left:
            self.problem(f"leak: {name} is still there")
