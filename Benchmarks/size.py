#!/usr/bin/env python3
"""How the agent bears a full spool: 10,000 transfers with their history. Prints the time from its start to `online` and that
of a page of `list`, both as a client of the broker sees them. Beside it: the same of an empty spool."""
import argparse, contextlib, json, os, shutil, sqlite3, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import ROOT, Client, Rig

TOPIC = "otaferry/v1/bench"
STATES = ("receiving", "stored", "ticketing", "uploading", "registering", "registered")


def crc64(bytes_, table=[]):
    """CRC-64/XZ, as the agent's."""
    if not table:
        for value in range(256):
            for _ in range(8):
                value = value >> 1 ^ (0xC96C5795D7870F42 if value & 1 else 0)
            table.append(value)
    checksum = 2**64 - 1
    for byte in bytes_:
        checksum = table[(checksum ^ byte) & 255] ^ checksum >> 8
    return checksum ^ 2**64 - 1


def row_checksum(row):
    """The checksum that a row of `transfer` carries: each value with its kind and, where it has one, its length."""
    parts = bytearray()
    for value in row:
        if value is None:
            parts += b"\0" + bytes(8)
        elif isinstance(value, int):
            parts += b"\1" + value.to_bytes(8, "little", signed=True)
        else:
            content = value.encode() if isinstance(value, str) else value
            parts += (b"\2" if isinstance(value, str) else b"\3") + len(content).to_bytes(8, "little") + content
    checksum = crc64(parts)
    return checksum - 2**64 if checksum >= 2**63 else checksum


def fill(path, registered, stored):
    """Rows as the agent writes them. None of them has bytes; publication rests, so nobody misses them."""
    init = json.dumps({"name": "pumpctl-1.4.2.bin", "size": 1048576, "user_data": {"build": "x" * 120}})
    with contextlib.closing(sqlite3.connect(path)) as spool:
        spool.execute("INSERT INTO setting VALUES ('paused', '1')")
        number = 0
        for key in range(1, registered + stored + 1):
            state = "registered" if key <= registered else "stored"
            firmware = json.dumps({"product": "a1AbCdEfGhI", "version": f"1.{key}"})
            spool.execute(
                "INSERT INTO transfer (key, sender, id, door, seq, state, since, created, init, firmware, product, version,"
                " size, bytes, sha256, md5, crc64, attempt, row_crc64) VALUES (?, 'ci', ?, 'segments', ?, ?, ?, ?, ?, ?,"
                " 'a1AbCdEfGhI', ?, 1048576, ?, ?, ?, 1, 1, 0)",
                (key, f"{key:016x}", key * 10, state, now(), now(), init, firmware, f"1.{key}",
                 0 if state == "registered" else 1048576, os.urandom(32), os.urandom(16)),
            )
            for event in STATES[: STATES.index(state) + 1]:
                number += 1
                spool.execute(
                    "INSERT INTO event (transfer, number, seq, at, event, state, reason, told)"
                    " VALUES (?, ?, ?, ?, 'state', ?, NULL, ?)",
                    (key, number, key * 10, now(), event, number - 1),
                )
        for row in spool.execute("SELECT * FROM transfer").fetchall():
            checksum = row_checksum(row[:-1])
            spool.execute("UPDATE transfer SET row_crc64 = ? WHERE key = ?", (checksum, row[0]))
        spool.commit()


def now():
    return int(time.time() * 1000)


def page(client, number):
    """Milliseconds that a page of `list` takes."""
    begun = time.monotonic()
    client.publish(TOPIC + "/cmd/list", json.dumps({"request": f"p{number}", "limit": 50}).encode())
    return (client.wait(f"{TOPIC}/res/p{number}", seconds=10) - begun) * 1000


def measure(options, folder, registered, stored):
    shutil.rmtree(os.path.join(folder, "bench"), ignore_errors=True)
    rig = Rig(folder)
    try:
        configuration = rig.configuration(log={"level": "error"})
        # The first start makes the file.
        agent = rig.agent(options.agent, configuration)
        rig.wait_online()
        rig.stop(agent)
        fill(os.path.join(folder, "bench/spool/spool.db"), registered, stored)
        client = Client(rig.port, TOPIC + "/status", TOPIC + "/res/#")
        begun = time.monotonic()
        agent = rig.agent(options.agent, configuration)
        online = client.wait(TOPIC + "/status", lambda payload: json.loads(payload).get("state") == "online", 60)
        pages = sorted(page(client, number) for number in range(40))
        with open(f"/proc/{agent.pid}/status") as file:
            peak = next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
        return (online - begun) * 1000, pages[len(pages) // 2], pages[-1], peak
    finally:
        rig.stop_all()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default=os.path.join(ROOT, ".build/release/otaferry"))
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="otaferry-size.")
    try:
        print(f"{'transfers':>28} {'to online':>12} {'list p50':>10} {'worst':>10} {'peak':>10}")
        for registered, stored in [(0, 0), (9_000, 1_000), (0, 10_000)]:
            start, middle, worst, peak = measure(options, folder, registered, stored)
            words = f"{registered} registered, {stored} stored"
            print(f"{words:>28} {start:>9.0f} ms {middle:>7.1f} ms {worst:>7.1f} ms {peak:>6.1f} MiB", flush=True)
        print(f"{'target':>28} {1000:>9} ms {20:>7} ms")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
