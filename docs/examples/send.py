#!/usr/bin/env python3
"""Sends one firmware to otaferry in segments, keeps the credit rule, and waits until the cloud has it.

send.py HOST PORT GATEWAY SENDER FILE PRODUCT VERSION      needs Debian's python3-paho-mqtt, or paho-mqtt of PyPI
A password stands in MQTT_PASSWORD.
"""
import hashlib, json, os, sys, threading
import paho.mqtt.client as mqtt

if len(sys.argv) != 8:
    sys.exit("usage: " + __doc__.splitlines()[2])
host, port, gateway, sender, path, product, version = sys.argv[1:]
data = open(path, "rb").read()
digest = hashlib.sha256(data).hexdigest()
ident = hashlib.sha256(f"{digest} {product} {version}".encode()).hexdigest()[:16]
root = f"otaferry/v1/{gateway}"
base = f"{root}/in/{sender}/t/{ident}"
news = threading.Condition()
ack, state = {}, {}


def on_message(client, context, message):
    with news:
        (ack if message.topic.endswith("/ack") else state).update(json.loads(message.payload or b"{}"))
        news.notify()


def wait_until(condition, hint="is it online? Else the access list lacks: pattern read otaferry/v1/+/out/%u/#"):
    with news:
        if not news.wait_for(condition, timeout=60):
            sys.exit("no answer from the agent; " + (f"last heard: {ack['reason']} {ack['text']}" if ack else hint))


v2 = hasattr(mqtt, "CallbackAPIVersion")
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2) if v2 else mqtt.Client()
subscribed = threading.Event()
client.on_message = on_message
client.on_subscribe = lambda *words: any(getattr(code, "value", code) > 127 for code in words[3]) or subscribed.set()
client.username_pw_set(sender, os.environ.get("MQTT_PASSWORD"))
client.connect(host, int(port))
client.loop_start()
client.subscribe([(f"{root}/out/{sender}/{ident}/ack", 1), (f"{root}/state/{sender}/{ident}", 1)])
if not subscribed.wait(10):
    sys.exit("the broker does not let us in, or not read these topics")

firmware = {"product": product, "version": version}
init = {"name": path.split("/")[-1], "size": len(data), "checksum": digest, "firmware": firmware}
client.publish(f"{base}/init", json.dumps(init), qos=1)
wait_until(lambda: ack)
if ack["reason"] != "ok":
    sys.exit(f"{ack['reason']}: {ack['text']}")
sent = ack["durable"]
while sent < len(data):
    segment = data[sent : sent + ack["segment"]]
    wait_until(lambda: sent + len(segment) - ack["received"] <= ack["credit"])
    client.publish(f"{base}/{sent}", segment, qos=1)
    sent += len(segment)
client.publish(f"{base}/fin/{len(data)}/{digest}", b"", qos=1)
wait_until(lambda: state.get("state") in ("registered", "failed", "held", "cancelled", "expired"))
print(state["state"], state["cloud"]["firmware_id"] or state["reason"]["text"])
