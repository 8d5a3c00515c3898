#!/usr/bin/env python3
"""Durable intake of segments beside C subscribers on the same broker: one drops the bytes, one writes a file and syncs it
at its end, and one, a naive spool, commits a row of SQLite for each segment. Prints a row for each size of segment, and the
agent's memory. The ratio is to the slower of the first two."""
import argparse, json, os, shutil, subprocess, sys, tempfile, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import ROOT, Rig, compile


class Bench(Rig):
    def __init__(self, agent, size, folder):
        self.program, self.size, self.peer = agent, size, compile(folder, "peer")
        super().__init__(folder)

    def peer_rate(self, mode, segment, extra=(), size=None):
        prefix = f"bench/{mode}/{segment}"
        size = size or self.size
        subscriber = subprocess.Popen(
            [self.peer, mode, str(self.port), prefix + "/+", str(size), *extra], stdout=subprocess.PIPE, text=True
        )
        assert subscriber.stdout.readline() == "ready\n"
        sender = self.send(prefix, segment, size=size)
        end = int(subscriber.stdout.readline())
        subscriber.wait()
        return self.rate(int(sender.split()[0]), end, size)

    def send(self, prefix, segment, *more, size=None):
        command = [self.peer, "send", str(self.port), prefix, str(size or self.size), str(segment), *more]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def rate(self, start, end, size=None):
        return (size or self.size) / 1e6 / ((end - start) / 1e9)

    def agent_rate(self, segment):
        shutil.rmtree(os.path.join(self.folder, "bench"), ignore_errors=True)
        configuration = self.configuration(spool={"quota": "8GiB"}, intake={"orphan-max": "256MB"})
        agent = self.agent(self.program, configuration)
        try:
            self.wait_online()
            root = "otaferry/v1/bench"
            ident = f"s{segment}"
            init = {"name": "bench.bin", "size": self.size, "firmware": {"product": "benchmark1", "version": "1"}}
            publish = ["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", f"{root}/in/bench/t/{ident}/init"]
            subprocess.run(publish + ["-m", json.dumps(init)], check=True)
            memory = Memory(agent.pid)
            times = self.send(f"{root}/in/bench/t/{ident}", segment, f"{root}/out/bench/{ident}/ack").split()
            return self.rate(*map(int, times)), *memory.peaks()
        finally:
            self.stop(agent)


class Memory:
    """The largest a process gets, looked at every 20 ms, in MiB."""

    def __init__(self, pid):
        self.pid, self.anonymous, self.is_over = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def look(self, name):
        with open(f"/proc/{self.pid}/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))

    def watch(self):
        while not self.is_over.wait(0.02):
            self.anonymous = max(self.anonymous, self.look("RssAnon"))

    def peaks(self):
        """Of the anonymous pages, and of all that are resident."""
        self.is_over.set()
        self.thread.join()
        return self.anonymous, self.look("VmHWM")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default=os.path.join(ROOT, ".build/release/otaferry"))
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--segments", default="16,64,256,1024", help="KiB, with commas")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="otaferry-bench.")
    bench = Bench(options.agent, options.megabytes << 20, folder)
    try:
        print(f"Durable intake of {options.megabytes} MiB, MB/s, the best of {options.rounds} rounds")
        print(f"{'segment':>9} {'drops':>8} {'file':>8} {'naive':>8} {'agent':>8} {'ratio':>7} {'target':>7} {'anon':>9} {'peak':>9}")
        for kib in map(int, options.segments.split(",")):
            segment = kib << 10
            drops = file = agent = anonymous = peak = 0
            for _ in range(options.rounds):
                drops = max(drops, bench.peer_rate("drop", segment))
                file = max(file, bench.peer_rate("file", segment, [os.path.join(folder, "file")]))
                rate, now_anonymous, now_peak = bench.agent_rate(segment)
                agent, anonymous, peak = max(agent, rate), max(anonymous, now_anonymous), max(peak, now_peak)
            # Slow enough to be measured with less.
            naive = bench.peer_rate("naive", segment, [os.path.join(folder, "naive.db")], min(bench.size, 64 << 20))
            ratio = agent / min(drops, file)
            print(
                f"{kib:>5} KiB {drops:>8.0f} {file:>8.0f} {naive:>8.0f} {agent:>8.0f} {ratio:>7.2f} {'0.80':>7}"
                f" {anonymous:>5.1f} MiB {peak:>5.1f} MiB",
                flush=True,
            )
    finally:
        bench.stop_all()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
