# SPDX-License-Identifier: Apache-2.0
"""What is done to the processes, and where: at fault points, by signals, by taking things away."""

import collections
import resource
import signal
import time

from points import errors_at

OFTEN = 20           # passes in its life that make a process likely to come by again
FIRE_SECONDS = 0.1   # for an order to strike there
START_SECONDS = 0.3  # and elsewhere: somebody has to start first


class Faults:
    def __init__(self, campaign, rng):
        self.campaign = campaign
        self.rng = rng
        self.tried = collections.defaultdict(collections.Counter)  # role -> {point's name: times}

    # ---- where to strike

    def order(self, role, action, actor=None):
        """(point's name, arguments of Points.arm), or None.

        Of a running actor, one of the points that it passes again and again; else any that its role
        has. Those that were tried least come first, so that in time all have their turn.
        """
        known = self.campaign.known[role]
        if actor:
            known = {name: entry for name, entry in actor.points.passes().items()
                     if entry[1] >= OFTEN}
        if action == "fail":
            known = {name: entry for name, entry in known.items() if errors_at(name)}
        if not known:
            return None
        tried = self.tried[role]
        least = min(tried[name] for name in known)
        name = self.rng.choice(sorted(name for name in known if tried[name] <= least + 1))
        tried[name] += 1
        key, passes = known[name]
        countdown = self.rng.randrange(20) if actor else self.rng.choice([0, 0, 0, min(passes, 3)])
        argument, repeats = 0, 1
        if action == "nap":
            argument = self.rng.choice([200, 2_000, 20_000, 200_000])
        if action == "fail":
            argument = self.rng.choice(errors_at(name))
            repeats = self.rng.choice([1, 1, 3, 50])
        return name, (key, countdown, action, argument, repeats)

    def give(self, actor, name, arm, provoke):
        """Arms a running process and waits whether it strikes."""
        actor.points.arm(*arm)
        action = arm[2]
        actor.disturbed = True
        actor.deadly |= action == "kill"
        actor.starved |= action == "fail"
        self.note_order(actor, name, arm)
        if provoke:
            self.provoke(actor)
        self.struck(actor, name, action, START_SECONDS if provoke else FIRE_SECONDS)

    def note_order(self, actor, name, arm):
        _, countdown, action, argument, repeats = arm
        how = {"nap": f" of {argument} us", "fail": f" {repeats} times with errno {argument}"}
        self.campaign.note(f"{actor.name} is to {action} at '{name}' after {countdown} passes"
                           f"{how.get(action, '')}")

    def provoke(self, actor):
        """Starts a neighbour again, so that messages flow which need descriptors and memory."""
        cast = self.campaign
        if actor.role == "broker":
            other = self.rng.choice(cast.of_role("producer"))  # its readers come again as well
        elif actor.role == "reader":
            other = self.rng.choice([cast.broker, cast.producers[actor.stream]])
        else:
            readers = [one for one in cast.readers if one.stream == actor.stream]
            other = self.rng.choice([cast.broker, *readers])
        cast.start_again(other)

    def struck(self, actor, name, action, seconds):
        deadline = time.monotonic() + seconds
        while not actor.points.fired:
            if time.monotonic() > deadline or not actor.running:
                break
            time.sleep(0.002)
        if not actor.points.fired:
            actor.points.disarm()
            if not actor.points.fired:
                self.campaign.counts["orders never met"] += 1
                return
        self.campaign.note(f"{actor.name} came by there")
        self.campaign.struck[actor.role][name] += 1
        self.campaign.counts[f"{action} at a point"] += 1
        if action == "stop":
            actor.stopped = True
        if action == "kill":
            actor.process.wait(5)  # the kernel takes its time to end it

    # ---- one fault; each ends by itself or with the round

    def at_point(self):
        role = self.rng.choice(["broker", "producer", "reader"])
        actor = self.rng.choice(self.campaign.of_role(role))
        self.strike(actor, self.rng.choice(["stop", "stop", "kill", "nap", "fail", "fail"]))

    def strike(self, actor, action):
        """While it runs, on its way from the start, or at what a neighbour's start makes it do."""
        how = self.rng.choice(["running", "running", "starting", "provoked"])
        order = self.order(actor.role, action, actor) if how == "running" else None
        if order is None:  # an idle broker passes nothing again and again
            how = "provoked" if how == "running" else how
            order = self.order(actor.role, action)
        if order is None:
            return
        if how == "starting" or not actor.running:
            self.from_the_start(actor, *order)
        else:
            self.give(actor, *order, provoke=how == "provoked")

    def from_the_start(self, actor, name, arm):
        fresh = self.campaign.start_again(actor, arm)
        self.note_order(fresh, name, arm)
        fresh.starved |= arm[2] == "fail"
        self.struck(fresh, name, arm[2], START_SECONDS)

    def stop_readers(self):
        """Some at once, each in the midst of something, for longer than short histories last."""
        readers = [one for one in self.campaign.readers if one.running and not one.stopped]
        armed = []
        for reader in self.rng.sample(readers, min(len(readers), 4)):
            order = self.order("reader", "stop", reader)
            if order:
                name, arm = order
                reader.points.arm(*arm)
                self.note_order(reader, name, arm)
                reader.disturbed = True
                armed.append((reader, name))
        for reader, name in armed:
            self.struck(reader, name, "stop", FIRE_SECONDS)
        time.sleep(self.rng.uniform(0, 0.4))

    def stop(self):
        actor = self.rng.choice(self.campaign.actors())
        actor.process.pause()
        actor.stopped = actor.disturbed = True
        self.campaign.note(f"{actor.name} is stopped")
        self.campaign.counts["stopped"] += 1

    def go_on(self):
        stopped = [actor for actor in self.campaign.actors() if actor.stopped]
        if stopped:
            actor = self.rng.choice(stopped)
            actor.process.send(signal.SIGCONT)
            self.campaign.note(f"{actor.name} goes on")
            actor.stopped = False
            self.campaign.counts["continued"] += 1

    def kill(self):
        actor = self.rng.choice(self.campaign.actors())
        self.campaign.note(f"{actor.name} is killed")
        actor.kill()
        self.campaign.counts["killed"] += 1

    def take_descriptors(self):
        actor = self.rng.choice([one for one in self.campaign.actors() if one.running])
        try:
            room = actor.highest_descriptor() + 1 + self.rng.choice([0, 0, 1, 2, 4])
        except OSError:
            return
        self.campaign.note(f"{actor.name} has {room} descriptors at most")
        actor.limit(resource.RLIMIT_NOFILE, room)
        self.campaign.counts["out of descriptors"] += 1
        self.provoke(actor)

    def take_memory(self):
        actor = self.rng.choice([one for one in self.campaign.actors() if one.running])
        if not actor.points.passes():
            return  # still in glibc's loader, which dies by a null pointer of its own for want of memory
        try:
            size = actor.status_kib("VmSize") * 1024
        except OSError:
            return
        room = self.rng.choice([0, 0, 4096, 65536, 1 << 20])
        self.campaign.note(f"{actor.name} can take {room} more bytes of memory")
        actor.limit(resource.RLIMIT_AS, size + room)
        self.campaign.counts["out of memory"] += 1
        self.provoke(actor)

    def round(self):
        faults = {self.at_point: 12, self.stop_readers: 4, self.stop: 2, self.go_on: 2,
                  self.kill: 2, self.take_descriptors: 2, self.take_memory: 2}
        for _ in range(self.rng.randint(1, 8)):
            self.rng.choices(list(faults), list(faults.values()))[0]()
            time.sleep(self.rng.expovariate(20))

    # ---- SIGKILL, over and over

    def kill_cycle(self, role):
        """Kills one process of that role: at a point if it comes by there, else wherever it is."""
        victim = self.rng.choice(self.campaign.of_role(role))
        self.strike(victim, "kill")
        if victim.running:
            victim.kill()
            self.campaign.counts["killed"] += 1
