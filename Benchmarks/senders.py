#!/usr/bin/env python3
"""Many senders at once: each pushes one firmware with otaferry push; prints how long the fastest and the slowest took to
`stored`, and their ratio."""
import argparse, os, shutil, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import ROOT, Rig


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default=os.path.join(ROOT, ".build/release/otaferry"))
    parser.add_argument("--senders", type=int, default=50)
    parser.add_argument("--kilobytes", type=int, default=1000)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="otaferry-bench.")
    rig = Rig(folder)
    try:
        agent = rig.agent(options.agent, rig.configuration(intake={"open-transfers-max": 100}))
        environment = rig.client_environment()
        ping = [options.agent, "ping", "--json"]
        while subprocess.run(ping, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            time.sleep(0.05)
        running = {}
        for number in range(options.senders):
            path = os.path.join(folder, f"{number}.bin")
            with open(path, "wb") as file:
                file.write(os.urandom(options.kilobytes * 1000))
            command = [options.agent, "push", path, "--product", "benchmark1", "--version", f"1.{number}"]
            command += ["--until", "stored", "--sender", f"s{number}", "--json"]
            running[number] = command
        begin = time.monotonic()
        processes = {
            number: subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
            for number, command in running.items()
        }
        times, failed = [], 0
        while processes:
            for number, process in list(processes.items()):
                if process.poll() is None:
                    continue
                del processes[number]
                if process.returncode == 0:
                    times.append(time.monotonic() - begin)
                else:
                    failed += 1
            time.sleep(0.001)
        with open(f"/proc/{agent.pid}/status") as file:
            status = dict(line.split(":", 1) for line in file)
        print(f"{options.senders} senders of {options.kilobytes} kB each, seconds from the start of all to stored")
        print(f"{'done':>6} {'failed':>7} {'fastest':>8} {'slowest':>8} {'ratio':>6} {'target':>7} {'peak':>9}")
        print(
            f"{len(times):>6} {failed:>7} {min(times):>8.2f} {max(times):>8.2f} {max(times) / min(times):>6.2f}"
            f" {'3.00':>7} {int(status['VmHWM'].split()[0]) / 1024:>5.1f} MiB"
        )
    finally:
        rig.stop_all()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
