#!/usr/bin/env python3
"""Many senders at once: each pushes one firmware with otaferry push; prints how long the fastest and the slowest took to
`stored`, and their ratio."""
import argparse, os, shutil, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from intake import ROOT, free_port, wait_for_port


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default=os.path.join(ROOT, ".build/release/otaferry"))
    parser.add_argument("--senders", type=int, default=50)
    parser.add_argument("--kilobytes", type=int, default=1000)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="otaferry-bench.")
    started = []
    try:
        port = free_port()
        with open(os.path.join(folder, "mosquitto.conf"), "w") as file:
            file.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n")
            if os.geteuid() == 0:
                file.write("user root\n")
        started.append(subprocess.Popen(["mosquitto", "-c", file.name], stderr=subprocess.DEVNULL))
        wait_for_port(port)
        configuration = os.path.join(folder, "otaferry.toml")
        with open(configuration, "w") as file:
            file.write(f'gateway = "bench"\n[broker]\nurl = "mqtt://127.0.0.1:{port}"\n[spool]\n')
            file.write(f'path = "{folder}/spool/spool.db"\n[cloud]\nendpoint = "http://127.0.0.1:9/"\n')
            file.write('[log]\nlevel = "error"\n[intake]\nopen-transfers-max = 100\n')
        started.append(subprocess.Popen([options.agent, "run", "--config", configuration]))
        environment = dict(os.environ, OTAFERRY_BROKER=f"mqtt://127.0.0.1:{port}", OTAFERRY_GATEWAY="bench")
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
        with open(f"/proc/{started[1].pid}/status") as file:
            status = dict(line.split(":", 1) for line in file)
        print(f"{options.senders} senders of {options.kilobytes} kB each, seconds from the start of all to stored")
        print(f"{'done':>6} {'failed':>7} {'fastest':>8} {'slowest':>8} {'ratio':>6} {'target':>7} {'peak':>9}")
        print(
            f"{len(times):>6} {failed:>7} {min(times):>8.2f} {max(times):>8.2f} {max(times) / min(times):>6.2f}"
            f" {'3.00':>7} {int(status['VmHWM'].split()[0]) / 1024:>5.1f} MiB"
        )
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
