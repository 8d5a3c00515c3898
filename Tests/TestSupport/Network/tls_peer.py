#!/usr/bin/env python3
"""Ends TLS before a plain server on the same machine and says what it was given.

  tls_peer.py PORT TARGET CERTIFICATE KEY VERSION

VERSION is the newest that it speaks, 1.1 to 1.3. Prints "ready", then for every connection either "no handshake: REASON"
or "handshake VERSION", and "took N" with the bytes decrypted on all connections so far."""
import select
import socket
import ssl
import sys
import threading

port, target, certificate, key, version = sys.argv[1:]
versions = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
if version == "1.1":
    # Debian's OpenSSL speaks it at its lowest level only.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
context.maximum_version = versions[version]
lock = threading.Lock()
taken = 0


def say(text):
    with lock:
        print(text, flush=True)


def take(count):
    global taken
    with lock:
        taken += count
        print(f"took {taken}", flush=True)


def relay(client, server):
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        if client in ready:
            data = client.recv(1 << 16)
            if not data:
                return
            take(len(data))
            server.sendall(data)
        if server in ready:
            data = server.recv(1 << 16)
            if not data:
                return
            client.sendall(data)


def serve(plain):
    try:
        client = context.wrap_socket(plain, server_side=True)
    except (ssl.SSLError, OSError) as error:
        say(f"no handshake: {error}")
        plain.close()
        return
    say(f"handshake {client.version()}")
    try:
        with client, socket.create_connection(("127.0.0.1", int(target))) as server:
            relay(client, server)
    except OSError:
        pass  # either side is gone, which ends the connection


listener = socket.create_server(("127.0.0.1", int(port)))
say("ready")
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
