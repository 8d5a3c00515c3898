#!/usr/bin/env python3
"""What a firmware's whole life costs a flash card: bytes that reach the block device from its first byte until its room is
given back, divided by its size. The spool lies on a loop-mounted ext4 of its own. Beside it, the same bytes through a
naive spool (SQLite with a write-ahead log and Debian's defaults, a row a segment) and as plain files with fsync.

Needs root, for the mount."""
import argparse, contextlib, hashlib, json, os, shutil, sqlite3, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import ROOT, Rig, compile

MIB = 1 << 20


class LoopFileSystem:
    """An ext4 in a file, and how many bytes its device was given to write."""

    def __init__(self, folder, megabytes):
        self.image, self.path = os.path.join(folder, "disk"), os.path.join(folder, "mounted")
        os.mkdir(self.path)
        with open(self.image, "wb") as file:
            file.truncate(megabytes * MIB)
        options = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mkfs.ext4", "-q", "-E", options, self.image], check=True)
        find = ["losetup", "--find", "--show", self.image]
        self.device = subprocess.run(find, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        subprocess.run(["mount", "-o", "noatime", self.device, self.path], check=True)

    def written(self):
        os.sync()
        with open(f"/sys/block/{os.path.basename(self.device)}/stat") as file:
            return int(file.read().split()[6]) * 512

    def close(self):
        subprocess.run(["umount", self.path], check=True)
        subprocess.run(["losetup", "--detach", self.device], check=True)


class Gateway(Rig):
    """A broker, the simulated cloud, and an agent whose spool is on the file system that is measured."""

    def __init__(self, agent, cloud, folder, disk):
        self.program, self.disk, self.peer = agent, disk, compile(folder, "peer")
        super().__init__(folder)
        endpoint = f"http://127.0.0.1:{self.cloud(cloud)}/"
        spool = {"path": disk.path + "/spool/spool.db"}
        self.agent(agent, self.configuration(endpoint=endpoint, spool=spool, quota={"calls-per-second": 10}))
        while self.call("ping", "--json").returncode:
            time.sleep(0.05)

    def call(self, *arguments):
        environment = self.client_environment()
        command = [self.program, *arguments]
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def firmware(self, size):
        path = os.path.join(self.folder, "firmware.bin")
        with open(path, "wb") as file:
            for _ in range(0, size, MIB):
                file.write(os.urandom(min(MIB, size)))
        return path

    def push(self, size, version):
        pushed = self.call(
            "push", self.firmware(size), "--product", "a1AbCdEfGhI", "--version", version, "--json"
        )
        if pushed.returncode:
            sys.exit(f"push failed: {pushed.stdout}{pushed.stderr}")

    def one_by_one(self, size, segment, version):
        """Segments whose sender waits for each PUBACK of the broker, from init to `registered`."""
        ident, root = "waits-" + version, "otaferry/v1/bench"
        # The peer's bytes, to know their SHA-256.
        pattern = bytes((index * 31 >> 3) & 0xFF for index in range(segment))
        digest = hashlib.sha256(pattern * (size // segment)).hexdigest()
        init = {"name": "small.bin", "size": size, "firmware": {"product": "a1AbCdEfGhI", "version": version}}
        publish = ["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t"]
        prefix = f"{root}/in/bench/t/{ident}"
        subprocess.run([*publish, prefix + "/init", "-m", json.dumps(init)], check=True)
        send = [self.peer, "send", str(self.port), prefix, str(size), str(segment), f"{root}/out/bench/{ident}/ack", "1"]
        subprocess.run(send, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*publish, f"{prefix}/fin/{size}/{digest}", "-n"], check=True)
        self.wait_for(ident, "registered")

    def wait_for(self, ident, state):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            shown = self.call("show", "bench/" + ident, "--json")
            if shown.returncode == 0 and json.loads(shown.stdout).get("state", {}).get("state") == state:
                return
            time.sleep(0.1)
        sys.exit(f"{ident} did not become {state}: {shown.stdout}{shown.stderr}")

    def rest(self):
        """Waits until no row of bytes is left and nothing more is written."""
        end, former = time.monotonic() + 60, -1
        while time.monotonic() < end:
            # immutable: no lock and no look at the journal, which root's SQLite gives its owner again at each look.
            address = f"file:{self.disk.path}/spool/spool.db?immutable=1"
            with contextlib.closing(sqlite3.connect(address, uri=True)) as spool:
                rows = spool.execute("SELECT count(*) FROM segment").fetchone()[0]
            now = self.disk.written()
            if rows == 0 and now == former:
                return now
            former = now
            time.sleep(1)
        sys.exit("The spool does not come to rest")


def naive(disk, count, size, segment):
    """A row a segment, a commit a segment, write-ahead log, everything else as Debian has it."""
    begun = disk.written()
    spool = sqlite3.connect(os.path.join(disk.path, "naive.db"), isolation_level=None)
    spool.execute("PRAGMA journal_mode=WAL")
    spool.execute("PRAGMA synchronous=FULL")
    spool.execute("CREATE TABLE transfer (id INTEGER PRIMARY KEY, state TEXT)")
    spool.execute("CREATE TABLE segment (transfer INTEGER, offset INTEGER, bytes BLOB, PRIMARY KEY (transfer, offset))")
    for transfer in range(count):
        spool.execute("INSERT INTO transfer VALUES (?, 'receiving')", (transfer,))
        for offset in range(0, size, segment):
            spool.execute("INSERT INTO segment VALUES (?, ?, ?)", (transfer, offset, os.urandom(segment)))
        for state in ("stored", "ticketing", "uploading", "registering", "registered"):
            spool.execute("UPDATE transfer SET state = ? WHERE id = ?", (state, transfer))
        spool.execute("DELETE FROM segment WHERE transfer = ?", (transfer,))
    spool.close()
    written = disk.written() - begun
    for name in os.listdir(disk.path):
        if name.startswith("naive"):
            os.unlink(os.path.join(disk.path, name))
    return written


def plain(disk, count, size, segment):
    """A file with an fsync at its end, and a small state file beside it."""
    begun = disk.written()
    for number in range(count):
        path = os.path.join(disk.path, f"plain{number}")
        with open(path, "wb") as file:
            for _ in range(0, size, segment):
                file.write(os.urandom(segment))
            file.flush()
            os.fsync(file.fileno())
    for number in range(count):
        os.unlink(os.path.join(disk.path, f"plain{number}"))
    return disk.written() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default=os.path.join(ROOT, ".build/release/otaferry"))
    parser.add_argument("--cloud", default=os.path.join(ROOT, ".build/release/otaferry-cloud"))
    parser.add_argument("--only", default="large,many,small,rest", help="with commas")
    parser.add_argument("--rest", type=int, default=60, help="seconds at rest")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("wear.py mounts a file system and needs root")
    only = options.only.split(",")
    folder = tempfile.mkdtemp(prefix="otaferry-wear.")
    disk = LoopFileSystem(folder, 3072)
    gateway = None
    try:
        gateway = Gateway(options.agent, options.cloud, folder, disk)
        cases = [
            ("large", "1 x 512 MiB", 1, 512 * MIB, 256 << 10, 1.05),
            ("many", "64 x 1 MiB", 64, MIB, 256 << 10, 1.25),
            ("small", "2 MiB in 1 KiB", 1, 2 * MIB, 1 << 10, 2.5),
        ]
        print("Bytes to the device over the whole life of firmware, divided by its size")
        print(f"{'':>16} {'agent':>8} {'target':>8} {'file':>8} {'naive':>8}", flush=True)
        for name, words, count, size, segment, target in cases:
            if name not in only:
                continue
            begun = gateway.rest()
            for number in range(count):
                version = f"{name}.{number}"
                if name == "small":
                    gateway.one_by_one(size, segment, version)
                else:
                    gateway.push(size, version)
            written = gateway.rest() - begun
            file, other = plain(disk, count, size, segment), naive(disk, count, size, segment)
            ratios = [value / (count * size) for value in (written, file, other)]
            print(f"{words:>16} {ratios[0]:>8.3f} {target:>8.2f} {ratios[1]:>8.3f} {ratios[2]:>8.3f}", flush=True)
        if "rest" in only:
            begun = gateway.rest()
            time.sleep(options.rest)
            print(f"At rest for {options.rest} s, connected: {disk.written() - begun} bytes (target 0)")
    finally:
        if gateway:
            gateway.stop_all()
        disk.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
