#!/usr/bin/env python3
"""Real agents behind one account: each a process of its own with a spool of its own, all with more firmware than the
account's calls let through. Prints how much of the account's calls was used, and what the least and the most served got.
What docs/fleet.md simulates for large fleets, with nothing simulated but the cloud."""
import argparse, datetime, json, os, shutil, subprocess, sys, tempfile, threading, time, urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from intake import ROOT, free_port, wait_for_port
from upload import Client

QUOTA = 10  # calls a second of an account


class Fleet:
    def __init__(self, options, folder):
        self.options, self.folder, self.started = options, folder, []
        self.registered = {}
        self.port = free_port()
        with open(os.path.join(folder, "mosquitto.conf"), "w") as file:
            file.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n")
            if os.geteuid() == 0:
                file.write("user root\n")
        self.start(["mosquitto", "-c", file.name], stderr=subprocess.DEVNULL)
        wait_for_port(self.port)
        self.cloud_port = free_port()
        self.start(
            [options.cloud, "--port", str(self.cloud_port), "--calls-per-second", str(QUOTA), "--json"],
            stdout=subprocess.DEVNULL,
        )
        wait_for_port(self.cloud_port)
        self.control("settings", {"packages-maximum": 1_000_000})
        with open(os.path.join(folder, "credentials"), "w") as file:
            file.write("[default]\ntype = access_key\naccess_key_id = simulated-key\naccess_key_secret = simulated-secret\n")
        os.chmod(file.name, 0o600)

    def start(self, command, **more):
        process = subprocess.Popen(command, **more)
        self.started.append(process)
        return process

    def stop(self):
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            process.wait()

    def control(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(f"http://127.0.0.1:{self.cloud_port}/_control/{path}", data=data) as answer:
            return json.load(answer)

    def agent(self, name):
        configuration = os.path.join(self.folder, f"{name}.toml")
        with open(configuration, "w") as file:
            file.write(
                f'gateway = "{name}"\n[broker]\nurl = "mqtt://127.0.0.1:{self.port}"\n'
                f'[spool]\npath = "{self.folder}/{name}/spool.db"\n'
                f'[cloud]\nendpoint = "http://127.0.0.1:{self.cloud_port}/"\n'
                f'[cloud.credentials]\nfile = "{self.folder}/credentials"\n[log]\nlevel = "error"\n'
                "[intake]\nopen-transfers-max = 1000\n"
            )
        return self.start([self.options.agent, "run", "--config", configuration])

    def listen(self, names):
        """Counts registrations as the agents tell them."""
        client = Client(self.port, *(f"otaferry/v1/{name}/event/#" for name in names))
        seen = 0
        while True:
            with client.news:
                while len(client.heard) == seen:
                    client.news.wait()
                news, seen = client.heard[seen:], len(client.heard)
            for at, topic, payload in news:
                event = json.loads(payload)
                if event.get("event") == "state" and event.get("state") == "registered":
                    self.registered.setdefault(topic.split("/")[2], []).append(at)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default=os.path.join(ROOT, ".build/release/otaferry"))
    parser.add_argument("--cloud", default=os.path.join(ROOT, ".build/release/otaferry-cloud"))
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=100)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="otaferry-bench.")
    fleet = Fleet(options, folder)
    try:
        names = [f"gw{number}" for number in range(options.agents)]
        threading.Thread(target=fleet.listen, args=(names,), daemon=True).start()
        for name in names:
            fleet.agent(name)
        fair = QUOTA * options.seconds / 2 / options.agents  # a ticket and a registration each
        publish = Client(fleet.port, name="sender")
        for name in names:
            status = ["mosquitto_sub", "-p", str(fleet.port), "-t", f"otaferry/v1/{name}/status", "-C", "1", "-W", "30"]
            while '"state":"online"' not in subprocess.run(status, stdout=subprocess.PIPE, text=True).stdout:
                pass
            publish.send(f"otaferry/v1/{name}/cmd/pause", json.dumps({"request": "p"}).encode())
        for number in range(int(3 * fair)):
            for name in names:
                data = f"{name} {number}".encode() * 100
                publish.send(f"otaferry/v1/{name}/in/bench/put/benchmark1/{name}.{number}", data)
        time.sleep(5)  # all of it is stored
        for name in names:
            publish.send(f"otaferry/v1/{name}/cmd/resume", json.dumps({"request": "r"}).encode())
        begun, wall = time.monotonic(), time.time()
        time.sleep(options.seconds)
        counts = [sum(1 for moment in fleet.registered.get(name, []) if moment >= begun) for name in names]
        calls = [call for call in fleet.control("calls") if call["call"] != "PostObject"]
        calls = [call for call in calls if wall <= moment(call["at"]) < wall + options.seconds]
        served = sum(1 for call in calls if call["code"] != "Throttling.User")
        print(f"{options.agents} agents for {options.seconds} s, {QUOTA} calls a second for all")
        print(f"quota used       {served / QUOTA / options.seconds:.3f}  (target 0.9)")
        print(f"registered       {sum(counts)}; a fair share is {fair:.0f} each")
        print(f"least served     {min(counts) / fair:.2f} of it  (target 0.33)")
        print(f"most served      {max(counts) / fair:.2f} of it")
        print(f"tries a call     {len(calls) / max(1, served):.1f}")
    finally:
        fleet.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
