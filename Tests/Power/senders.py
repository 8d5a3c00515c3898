"""Senders that keep to the rule for senders, and remember what the agent acknowledged: the witness of a power cut."""

import hashlib
import json
import time

import paho.mqtt.client as mqtt

ROOT = "otaferry/v1/gw1"
SEGMENT = 64 << 10
# States in which the whole file has to be in the spool.
WHOLE = {"stored", "ticketing", "uploading", "registering", "held"}


class Broken(Exception):
    """Something that was promised does not hold."""


class Delivery:
    """One firmware on its way, and all that was said about it."""

    def __init__(self, sender, number, size, generator):
        self.sender = sender
        self.id = f"{sender}-{number}"
        self.bytes = generator.randbytes(size)
        self.sha256 = hashlib.sha256(self.bytes).hexdigest()
        self.version = f"1.{number}"
        # Acknowledged as durable, as half-open ranges.
        self.ranges = []
        self.received = 0
        self.durable = 0
        self.seq = {"ack": 0, "state": 0}
        self.is_stored = False
        self.is_cancelled = False
        self.begin_again()

    @property
    def name(self):
        return f"{self.sender}/{self.id}"

    @property
    def is_known(self):
        """Whether the agent has acknowledged its init."""
        return self.seq["ack"] > 0

    def begin_again(self):
        """A new connection: nothing is under way, and what is missing has to be asked."""
        self.left = None
        self.under_way = 0
        self.credit = 0
        self.heard = time.monotonic()
        self.asked = 0.0

    def take_state(self, state):
        self._grow("state", state["seq"])
        word = state["state"]
        if self.is_cancelled and word != "cancelled":
            raise Broken(f"{self.name} was cancelled, and now is {word}")
        if self.is_stored and word == "receiving":
            raise Broken(f"{self.name} was stored, and now is receiving")
        if word in WHOLE:
            self._whole()
            if state["sha256"] != self.sha256:
                raise Broken(f"{self.name} is stored with the SHA-256 {state['sha256']}")
        if word in ("failed", "expired"):
            raise Broken(f"{self.name} ended {word}: {state['reason']}")
        self.is_cancelled = word == "cancelled"

    def take_ack(self, ack):
        if self.is_cancelled:
            return
        if ack["reason"] == "unknown-transfer" and not self.is_known:
            # A segment that reached the agent, with an init that did not.
            return
        if ack["state"] is None or ack["reason"] not in ("ok", "gap", "incomplete"):
            raise Broken(f"{self.name} was refused: {ack}")
        self._grow("ack", ack["seq"])
        if ack["received"] < self.received or ack["durable"] < self.durable:
            raise Broken(f"{self.name} had {self.received} bytes, {self.durable} in a row, and now says {ack}")
        self.heard = time.monotonic()
        self.credit = ack["credit"]
        end = ack["received"] + sum(upper - lower for lower, upper in ack["missing"])
        if not ack["more"]:
            self.ranges = union(self.ranges + without(ack["missing"], end))
        if ack["state"] in WHOLE:
            self._whole()
        if self.left is None or ack["reason"] != "ok":
            self.left = [list(part) for part in ack["missing"]]
            if end < len(self.bytes):
                self.left.append([end, len(self.bytes)])
            self.under_way = 0
        else:
            self.under_way -= ack["received"] - self.received
        self.received = ack["received"]
        self.durable = ack["durable"]

    def _whole(self):
        self.is_stored = True
        self.ranges = [(0, len(self.bytes))]
        self.received = self.durable = len(self.bytes)

    def _grow(self, kind, seq):
        if seq < self.seq[kind]:
            raise Broken(f"{self.name}: seq went from {self.seq[kind]} to {seq} in {kind}")
        self.seq[kind] = seq


def union(ranges):
    result = []
    for lower, upper in sorted(tuple(part) for part in ranges):
        if result and lower <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], upper))
        elif lower < upper:
            result.append((lower, upper))
    return result


def without(holes, end):
    position, result = 0, []
    for lower, upper in holes:
        result.append((position, lower))
        position = upper
    result.append((position, end))
    return result


class Senders:
    """Three of them, each with one firmware at a time; what was stored long enough ago is cancelled."""

    NAMES = ["ci", "lab", "line2"]
    KEPT = 5

    def __init__(self, generator):
        self.generator = generator
        self.number = 0
        self.current = {}
        self.all = {}
        self.error = None
        self.client = None
        self.is_ending = False
        for sender in self.NAMES:
            self._next(sender)

    def _next(self, sender):
        self.number += 1
        size = self.generator.choice([self.generator.randint(1, 200_000), self.generator.randint(1, 4_000_000)])
        delivery = Delivery(sender, self.number, size, self.generator)
        self.current[sender] = delivery
        self.all[delivery.name] = delivery

    @property
    def acknowledged(self):
        return sum(upper - lower for item in self.all.values() for lower, upper in item.ranges)

    def connect(self, port, timeout, is_over):
        """To the broker in the machine, once it answers; False after the timeout, or when it is over before."""
        for delivery in self.all.values():
            delivery.begin_again()
        self.client = mqtt.Client(protocol=mqtt.MQTTv5)
        self.client.on_message = self._message
        is_ready = []
        self.client.on_connect = lambda *_: self.client.subscribe([(f"{ROOT}/{part}", 1) for part in (
            "out/#", "state/#", "status")])
        self.client.on_subscribe = lambda *_: is_ready.append(True)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and not is_over():
            try:
                self.client.connect("127.0.0.1", port, keepalive=60)
                until = time.monotonic() + 2
                while time.monotonic() < until and not is_over():
                    if self.client.loop(0.05) != 0:
                        break
                    if is_ready:
                        return True
            except OSError:
                pass
            time.sleep(0.1)
        return False

    def listen(self, seconds):
        """Only hears."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.client.loop(0.02) == 0:
            pass
        self._raise()

    def run(self, until):
        """Sends until the condition holds or the connection is gone."""
        while not until() and self.client.loop(0.01) == 0:
            self._raise()
            for sender, delivery in list(self.current.items()):
                if delivery.is_stored:
                    if not self.is_ending:
                        self._next(sender)
                    continue
                self._push(delivery)
            self._cancel()
        self._raise()

    def ask_all(self):
        """Asks after every transfer."""
        for delivery in self.all.values():
            if delivery.is_known and not delivery.is_cancelled:
                self._publish(f"in/{delivery.sender}/t/{delivery.id}/query")

    def _raise(self):
        if self.error:
            raise self.error

    def _publish(self, topic, payload=b""):
        self.client.publish(f"{ROOT}/{topic}", payload, qos=1)

    def _push(self, delivery):
        topic = f"in/{delivery.sender}/t/{delivery.id}"
        now = time.monotonic()
        if delivery.left is None:
            if now - delivery.asked > 2:
                delivery.asked = now
                firmware = {"product": "a1AbCdEfGhI", "version": delivery.version, "name": delivery.id}
                self._publish(topic + "/init", json.dumps({
                    "name": delivery.id + ".bin", "size": len(delivery.bytes), "checksum": delivery.sha256,
                    "firmware": firmware}).encode())
            return
        if now - delivery.heard > 3 and now - delivery.asked > 3:
            # Silence: what the next answer says is missing is sent again.
            delivery.asked = now
            delivery.left = None
            return
        while delivery.left:
            lower, upper = delivery.left[0]
            part = delivery.bytes[lower:min(upper, lower + SEGMENT)]
            if delivery.under_way + len(part) > delivery.credit:
                return
            self._publish(f"{topic}/{lower}", part)
            delivery.under_way += len(part)
            delivery.left[0][0] += len(part)
            if delivery.left[0][0] >= upper:
                delivery.left.pop(0)
        if delivery.received == len(delivery.bytes) and now - delivery.asked > 1:
            delivery.asked = now
            self._publish(f"{topic}/fin/{len(delivery.bytes)}/{delivery.sha256}")

    def _cancel(self):
        kept = [item for item in self.all.values() if item.is_stored and not item.is_cancelled]
        now = time.monotonic()
        for delivery in kept[:max(0, len(kept) - self.KEPT)]:
            if now - delivery.asked > 2:
                delivery.asked = now
                request = f"{delivery.id}-{self.generator.getrandbits(40)}"
                self._publish("cmd/cancel", json.dumps(
                    {"request": request, "sender": delivery.sender, "transfer": delivery.id}).encode())

    def _message(self, _client, _data, message):
        try:
            levels = message.topic.split("/")
            delivery = self.all.get("/".join(levels[4:6]))
            if delivery and message.payload and levels[3] == "out":
                delivery.take_ack(json.loads(message.payload))
            elif delivery and message.payload and levels[3] == "state":
                delivery.take_state(json.loads(message.payload))
        except Broken as error:
            self.error = error
