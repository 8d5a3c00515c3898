#!/usr/bin/python3
"""Cuts the power of a gateway again and again, and looks whether it kept what it had acknowledged.

A machine under emulation runs the broker and the agent; its disk loses what was not flushed. Senders outside of it
remember every acknowledgement. After each cut the disk is checked here, without the agent: the file system, SQLite's
integrity, and every acknowledged byte. Then the machine starts from what is left and the senders go on.
"""

import argparse
import pathlib
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

import disk
import machine
import senders

DISK_MIB = 96
BOOT_LIMIT = 120


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", required=True, help="folder of the unpacked package of the kernel")
    parser.add_argument("--busybox", required=True, help="a static busybox")
    parser.add_argument("--agent", required=True, help="the program otaferry")
    parser.add_argument("--mosquitto", default="/usr/sbin/mosquitto")
    parser.add_argument("--cuts", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--without-syncs", action="store_true",
                        help="the agent's syncs do nothing: its losses have to be noticed")
    return parser.parse_args()


class Gateway:
    """The machine over all its lives."""

    def __init__(self, options, folder, generator):
        self.options = options
        self.folder = pathlib.Path(folder)
        self.generator = generator
        self.initramfs = str(self.folder / "initramfs")
        agent = str(self.folder / "otaferry")
        subprocess.run(["strip", "-o", agent, options.agent], check=True)
        preload = None
        if options.without_syncs:
            preload = str(self.folder / "preload.so")
            source = str(pathlib.Path(__file__).parent / "no_sync.c")
            subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", preload, source], check=True)
        machine.build_initramfs(options.kernel, options.busybox, {"otaferry": agent, "mosquitto": options.mosquitto},
                                self.initramfs, preload)
        fresh = self.folder / "fresh"
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", str(disk.BLOCK), str(fresh), f"{DISK_MIB}M"], check=True,
                       stdout=subprocess.DEVNULL)
        # ext4 trusts that a disk writes its superblock and the blocks of its journal whole: their checksums would not fit
        # otherwise, and it would not mount. Everything else may be torn between any two sectors.
        journal = subprocess.run(["debugfs", "-R", "blocks <8>", str(fresh)], check=True, capture_output=True, text=True)
        self.whole = [0] + [int(block) for block in journal.stdout.split()]
        self.image = fresh.read_bytes()
        self.number = 0
        self.disk = None
        self.machine = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def console(self):
        return self.folder / f"console-{self.number}"

    def start(self):
        self.number += 1
        path = str(self.folder / f"disk-{self.number}")
        self.disk = disk.Disk(self.image, path, self.whole)
        self.machine = machine.Machine(self.options.kernel, self.initramfs, path, self.port, self.console)

    def end(self):
        """The cut: what is on the disk from now on, and what was lost of how much."""
        self.disk.cut()
        self.machine.kill()
        self.disk.close()
        self.image, lost, cached = self.disk.remains(self.generator)
        return lost, cached


def check(gateway, witness):
    """Looks at the disk of a machine that is off."""
    copy = gateway.folder / "copy"
    copy.write_bytes(gateway.image)
    # The first run replays the journal of the file system, as mounting would; then nothing may be left to mend.
    run(["e2fsck", "-p", str(copy)], {0, 1})
    run(["e2fsck", "-fn", str(copy)], {0})
    out = gateway.folder / "files"
    out.mkdir(exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    for name in ("spool.db", "spool.db-journal"):
        run(["debugfs", "-R", f"dump /{name} {out / name}", str(copy)], {0})
    if not (out / "spool.db").exists() or (out / "spool.db").stat().st_size == 0:
        if witness.acknowledged:
            raise senders.Broken("the spool is gone")
        return
    # SQLite rolls the spool's journal back, as the agent would.
    base = sqlite3.connect(out / "spool.db")
    try:
        answer = base.execute("PRAGMA integrity_check").fetchall()
        if answer != [("ok",)]:
            raise senders.Broken(f"integrity_check says {str(answer)[:300]}")
        for delivery in witness.all.values():
            check_delivery(base, delivery)
    except sqlite3.DatabaseError as error:
        raise senders.Broken(f"SQLite says: {error}") from error
    finally:
        base.close()


def check_delivery(base, delivery):
    row = base.execute(
        "SELECT key, state, seq FROM transfer WHERE sender = ? AND id = ?", (delivery.sender, delivery.id)).fetchone()
    if row is None:
        if delivery.is_known:
            raise senders.Broken(f"{delivery.name} is gone")
        return
    key, state, _ = row
    if delivery.is_cancelled and state != "cancelled":
        raise senders.Broken(f"{delivery.name} was cancelled, and is {state} on the disk")
    if state == "cancelled":
        return
    if delivery.is_stored and state not in senders.WHOLE:
        raise senders.Broken(f"{delivery.name} was stored, and is {state} on the disk")
    stored = []
    for position, data in base.execute(
            "SELECT position, bytes FROM segment WHERE position >= ? AND position < ? ORDER BY position",
            (key << 30, (key + 1) << 30)):
        offset = position & ((1 << 30) - 1)
        if bytes(data) != delivery.bytes[offset:offset + len(data)]:
            raise senders.Broken(f"{delivery.name} has other bytes from {offset} on")
        stored.append((offset, offset + len(data)))
    stored = senders.union(stored)
    for lower, upper in delivery.ranges:
        if not any(start <= lower and upper <= end for start, end in stored):
            raise senders.Broken(f"{delivery.name}: bytes {lower} to {upper} were acknowledged, stored are {stored}")


def run(words, codes):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode not in codes:
        raise senders.Broken(f"{words[0]} ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")


def one_life(gateway, witness, generator, is_last):
    """From start to cut; returns the words that tell about it."""
    begun = time.monotonic()
    gateway.start()
    while_starting = gateway.number > 1 and not is_last and generator.random() < 0.2
    if while_starting:
        # In the middle of the recovery from the last cut.
        gateway.disk.cut_after(generator.randint(1, 25))
    is_cut = gateway.disk.is_cut.is_set
    if not witness.connect(gateway.port, BOOT_LIMIT, is_cut) and not is_cut():
        raise senders.Broken(f"the broker did not come up:\n{gateway.console.read_text(errors='replace')[-2000:]}")
    online = time.monotonic() - begun
    witness.ask_all()
    if is_last:
        witness.is_ending = True
        limit = time.monotonic() + 120
        witness.run(lambda: all(item.is_stored for item in witness.current.values()) or time.monotonic() > limit)
        if not all(item.is_stored for item in witness.current.values()):
            raise senders.Broken("the transfers did not complete after the last cut")
    else:
        if not while_starting:
            begun_waiting = time.monotonic()
            witness.run(lambda: any(item.left is not None for item in witness.current.values())
                        or time.monotonic() > begun_waiting + BOOT_LIMIT)
            if not any(item.left is not None for item in witness.current.values()):
                raise senders.Broken("the agent acknowledges nothing")
            gateway.disk.cut_after(generator.randint(1, 200))
        limit = time.monotonic() + 30
        witness.run(lambda: is_cut() or time.monotonic() > limit)
    gateway.disk.cut()
    # What the machine had said before the cut is still on its way.
    witness.listen(generator.uniform(0, 0.4))
    lost, cached = gateway.end()
    return f"{'while it started' if while_starting else 'while it received'}, {lost} of {cached} sectors lost, " \
        f"start {online:.1f} s"


def main():
    options = arguments()
    generator = random.Random(options.seed)
    print(f"Cutting the power {options.cuts} times, seed {options.seed}", flush=True)
    survived = 0
    with tempfile.TemporaryDirectory(prefix="otaferry-power-") as folder:
        gateway = Gateway(options, folder, generator)
        witness = senders.Senders(generator)
        try:
            for number in range(1, options.cuts + 2):
                is_last = number > options.cuts
                words = one_life(gateway, witness, generator, is_last)
                check(gateway, witness)
                stored = sum(item.is_stored for item in witness.all.values())
                total = sum(item.received for item in witness.all.values())
                if not is_last:
                    survived += 1
                print(f"{'end' if is_last else number}: {words}; {stored} transfers and {total / 1e6:.1f} MB "
                      "acknowledged, none lost", flush=True)
        except senders.Broken as error:
            print(f"{survived} cuts survived, then: {error}", flush=True)
            if options.without_syncs:
                print("The loss was noticed, as it has to be without syncs.")
                return 0
            print(gateway.console.read_text(errors="replace")[-4000:])
            return 1
        finally:
            if gateway.machine and gateway.machine.is_running:
                gateway.machine.kill()
    if options.without_syncs:
        print("The agent never synced and nothing was noticed: this test cannot fail.")
        return 1
    print(f"{options.cuts} power cuts, {survived} survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
