#!/usr/bin/env python3
"""Sends one firmware as a client of EMQX's file transfer does: nothing in it is otaferry's own but the metadata.

emqx_file_transfer.py HOST PORT FILE PRODUCT VERSION       needs Debian's python3-paho-mqtt, or paho-mqtt of PyPI
MQTT_USER and MQTT_PASSWORD say who we are.
"""
import hashlib, json, os, queue, sys
import paho.mqtt.client as mqtt

if len(sys.argv) != 6:
    sys.exit(__doc__)
host, port, path, product, version = sys.argv[1:]
data = open(path, "rb").read()
digest = hashlib.sha256(data).hexdigest()
ident, name = digest[:16], f"file-client-{digest[:8]}"
answers = queue.Queue()
v2 = hasattr(mqtt, "CallbackAPIVersion")
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name) if v2 else mqtt.Client(client_id=name)
subscribed = queue.Queue()
client.on_message = lambda client, context, message: answers.put(json.loads(message.payload))
client.on_subscribe = lambda *_: subscribed.put(True)
client.username_pw_set(os.environ.get("MQTT_USER"), os.environ.get("MQTT_PASSWORD"))
client.connect(host, int(port))
client.loop_start()
client.subscribe(f"$file-response/{name}", qos=1)
try:
    subscribed.get(timeout=10)
except queue.Empty:
    sys.exit("the broker does not let us in, or not read the answers")


def command(topic, payload=b""):
    client.publish(topic, payload, qos=1)
    answer = answers.get(timeout=60)
    if answer["topic"] != topic or answer["reason_code"] != 0:
        sys.exit(f"{answer['topic']}: {answer['reason_code']} {answer['reason_description']}")


user_data = {"client_id": name, "product": product, "version": version}
init = {"name": path.split("/")[-1], "size": len(data), "checksum": digest, "user_data": user_data}
command(f"$file/{ident}/init", json.dumps(init))
for offset in range(0, len(data), 102400):
    segment = data[offset : offset + 102400]
    command(f"$file/{ident}/{offset}/{hashlib.sha256(segment).hexdigest()}", segment)
command(f"$file-async/{ident}/fin/{len(data)}/{digest}")
print("success")
