#!/usr/bin/env python3
"""Real agents behind one account: each a process of its own with a spool of its own, all with more firmware than the
account's calls let through. Prints how much of the account's calls was used, and what the least and the most served got.
What docs/fleet.md simulates for large fleets, with nothing simulated but the cloud."""
import argparse, datetime, json, os, shutil, subprocess, sys, tempfile, threading, time, urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import ROOT, Client, Rig

QUOTA = 10  # calls a second of an account


class Fleet(Rig):
    def __init__(self, options, folder):
        super().__init__(folder)
        self.registered, self.stored, self.told = {}, 0, threading.Condition()
        self.cloud_port = self.cloud(options.cloud, "--calls-per-second", str(QUOTA))
        self.control("settings", {"packages-maximum": 1_000_000})

    def control(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(f"http://127.0.0.1:{self.cloud_port}/_control/{path}", data=data) as answer:
            return json.load(answer)

    def listen(self, names):
        """Counts what is stored and registered, as the agents tell it."""
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
                if event.get("event") == "state" and event.get("state") == "stored":
                    with self.told:
                        self.stored += 1
                        self.told.notify_all()


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
            endpoint = f"http://127.0.0.1:{fleet.cloud_port}/"
            fleet.agent(
                options.agent, fleet.configuration(name, endpoint, intake={"open-transfers-max": 1000}, log={"level": "error"})
            )
        fair = QUOTA * options.seconds / 2 / options.agents  # a ticket and a registration each
        publish = Client(fleet.port, name="sender")
        for name in names:
            fleet.wait_online(name)
            publish.publish(f"otaferry/v1/{name}/cmd/pause", json.dumps({"request": "p"}).encode())
        each = int(3 * fair)
        for number in range(each):
            for name in names:
                data = f"{name} {number}".encode() * 100
                publish.publish(f"otaferry/v1/{name}/in/bench/put/benchmark1/{name}.{number}", data)
        with fleet.told:
            if not fleet.told.wait_for(lambda: fleet.stored >= each * len(names), 120):
                sys.exit(f"{fleet.stored} of {each * len(names)} became stored")
        for name in names:
            publish.publish(f"otaferry/v1/{name}/cmd/resume", json.dumps({"request": "r"}).encode())
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
        fleet.stop_all()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
