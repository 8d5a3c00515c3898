#!/usr/bin/env python3
"""Uploads out of the spool beside `curl -F` of a file, to the same server, which answers at once and keeps nothing:
speed and CPU with the file's pages cached and not, memory by size, and the agent's own time for 1 MB from its last byte
to `registered`. Dropping the caches needs root; without it those rows are left out.

Out of the cache, server and sender each have their own cores: the system would put them on one or on two, as it comes, and
that alone changes the CPU of either sender by a half."""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import ROOT, Client, Rig, compile

ROOT_TOPIC = "otaferry/v1/bench"
DROP_CACHES = "/proc/sys/vm/drop_caches"


class Bench(Rig):
    def __init__(self, options, folder):
        super().__init__(folder)
        self.options = options
        self.sink = self.start([compile(folder, "sink")], stdout=subprocess.PIPE, text=True)
        self.sink_port = int(self.sink.stdout.readline().split()[1])

    def part(self, is_parted):
        """The cores for the senders; the server has the last one to itself, or all share all."""
        all = os.sched_getaffinity(0)
        server = {max(all)} if is_parted and len(all) > 1 else all
        place(self.sink.pid, server)
        return all - server or all

    def fresh_agent(self):
        """A new agent with an empty spool, and a client that hears it."""
        shutil.rmtree(os.path.join(self.folder, "bench"), ignore_errors=True)
        endpoint = f"http://127.0.0.1:{self.sink_port}/"
        client = Client(self.port, f"{ROOT_TOPIC}/#")
        agent = self.agent(self.options.agent, self.configuration(endpoint=endpoint, quota={"calls-per-second": 10}))
        # A retained `offline` of the agent before has no time of its start.
        client.wait(ROOT_TOPIC + "/status", said(state="online"), 30)
        return agent, client

    def curl(self, path, cold):
        self.caches(cold, path)
        cores = self.part(not cold)
        process = subprocess.Popen(
            ["curl", "-sS", "-o", "/dev/null", "-F", "key=x", "-F", f"file=@{path}", f"http://127.0.0.1:{self.sink_port}/"],
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"curl: {status}")
        return self.uploaded(), usage.ru_utime + usage.ru_stime

    def uploaded(self):
        """Bytes a second of the next upload that the sink has seen."""
        while True:
            words = self.sink.stdout.readline().split()
            if words[0] == "upload":
                return int(words[1]) * 1e9 / (int(words[3]) - int(words[2]))

    def caches(self, cold, *paths):
        os.sync()
        if cold:
            with open(DROP_CACHES, "w") as file:
                file.write("3")
            return
        for path in paths:
            with open(path, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass

    def upload(self, path, number, cold, agent, client):
        """Speed and CPU seconds of one upload out of the spool."""
        client.publish(ROOT_TOPIC + "/cmd/pause", json.dumps({"request": f"p{number}"}).encode())
        client.wait(f"{ROOT_TOPIC}/res/p{number}")
        push = [self.options.agent, "push", path, "--product", "benchmark1", "--version", f"1.{number}"]
        push += ["--until", "stored"]
        subprocess.run(push, env=self.client_environment(), check=True, stdout=subprocess.DEVNULL)
        self.caches(cold, os.path.join(self.folder, "bench/spool/spool.db"))
        place(agent.pid, self.part(not cold))
        before = cpu(agent.pid)
        client.publish(ROOT_TOPIC + "/cmd/resume", json.dumps({"request": f"r{number}"}).encode())
        rate = self.uploaded()
        used = cpu(agent.pid) - before
        place(agent.pid, os.sched_getaffinity(0))
        return rate, used

    def own_time(self, client, count):
        """Milliseconds from the last byte of 1 MB to `registered`."""
        times = []
        for number in range(count):
            data, ident = os.urandom(1_000_000), f"own{number}"
            init = {"name": "own.bin", "size": len(data), "firmware": {"product": "benchmark1", "version": f"2.{number}"}}
            client.publish(f"{ROOT_TOPIC}/in/bench/t/{ident}/init", json.dumps(init).encode())
            client.wait(f"{ROOT_TOPIC}/out/bench/{ident}/ack")
            for offset in range(0, len(data), 250_000):
                client.publish(f"{ROOT_TOPIC}/in/bench/t/{ident}/{offset}", data[offset:offset + 250_000])
            client.publish(f"{ROOT_TOPIC}/in/bench/t/{ident}/fin/{len(data)}")
            begun = time.monotonic()
            registered = client.wait(f"{ROOT_TOPIC}/state/bench/{ident}", said(state="registered"))
            times.append((registered - begun) * 1e3)
            time.sleep(0.25)  # below the calls a second that the agent allows itself
        return times


def said(**members):
    """Whether a payload says so."""
    return lambda payload: members.items() <= json.loads(payload).items()


def place(pid, cores):
    """Keeps every thread of a process on these cores."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            os.sched_setaffinity(int(thread), cores)
        except ProcessLookupError:
            pass  # It has just ended.


def cpu(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid):
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.split(":", 1) for line in file)
    return int(status["VmHWM"].split()[0]) / 1024, int(status["RssAnon"].split()[0]) / 1024


def commit_time(folder):
    """Milliseconds of an fdatasync after 4 KiB."""
    times = []
    with open(os.path.join(folder, "sync"), "wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            begun = time.monotonic()
            os.fdatasync(file.fileno())
            times.append((time.monotonic() - begun) * 1e3)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default=os.path.join(ROOT, ".build/release/otaferry"))
    parser.add_argument("--megabytes", type=int, default=1000, help="of 1,000,000 bytes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--own", type=int, default=40, help="how many files of 1 MB")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="otaferry-bench.")
    bench = Bench(options, folder)
    try:
        path = os.path.join(folder, "file.bin")
        with open(path, "wb") as file:
            for _ in range(options.megabytes):
                file.write(os.urandom(1_000_000))
        print(f"Upload of {options.megabytes} MB, the best of {options.rounds} rounds, measured at the server")
        print(f"{'pages':>8} {'curl -F':>10} {'agent':>10} {'ratio':>6} {'target':>7} {'CPU curl':>9} {'agent':>8} {'ratio':>6} {'target':>7}")
        agent, client = bench.fresh_agent()
        number = 0
        for cold in [False, True]:
            if cold and not os.access(DROP_CACHES, os.W_OK):
                continue
            peers, own = [], []
            for _ in range(options.rounds):
                peers.append(bench.curl(path, cold))
                own.append(bench.upload(path, number, cold, agent, client))
                number += 1
            (peer, peer_cpu), (rate, rate_cpu) = (
                (max(rate for rate, _ in list), min(seconds for _, seconds in list)) for list in (peers, own)
            )
            print(
                f"{'dropped' if cold else 'cached':>8} {peer / 1e6:>5.0f} MB/s {rate / 1e6:>5.0f} MB/s {rate / peer:>6.2f}"
                f" {'0.80' if cold else '0.95':>7} {peer_cpu:>7.2f} s {rate_cpu:>6.2f} s {rate_cpu / peer_cpu:>6.2f}"
                f" {'' if cold else '1.10':>7}",
                flush=True,
            )
        bench.stop(agent)
        print(f"\nMemory of a fresh agent that takes and uploads one file\n{'size':>8} {'peak':>10} {'target':>7} {'anonymous':>10}")
        for megabytes in [10, options.megabytes]:
            small = os.path.join(folder, "small.bin")
            with open(path, "rb") as source, open(small, "wb") as target:
                for _ in range(megabytes):
                    target.write(source.read(1_000_000))
            agent, client = bench.fresh_agent()
            bench.upload(small, f"m{megabytes}", False, agent, client)
            peak, anonymous = memory(agent.pid)
            print(f"{megabytes:>5} MB {peak:>6.1f} MiB {'48':>7} {anonymous:>6.1f} MiB", flush=True)
            bench.stop(agent)
        agent, client = bench.fresh_agent()
        times = sorted(bench.own_time(client, options.own))
        commit = commit_time(folder)
        print(
            f"\n1 MB from its last byte to registered, {len(times)} files: p50 {statistics.median(times):.1f} ms,"
            f" p90 {times[len(times) * 9 // 10]:.1f} ms; target 30 ms + one commit ({commit:.1f} ms)"
        )
        bench.stop(agent)
    finally:
        bench.stop_all()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
