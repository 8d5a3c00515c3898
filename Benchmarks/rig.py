"""What every measurement needs: a broker, agents, the simulated cloud, and an end to all of them."""
import os, socket, struct, subprocess, sys, threading, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NOWHERE = "http://127.0.0.1:9/"  # a cloud that does not answer


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    sys.exit(f"nothing listens on port {port}")


LIBRARIES = {"peer": ["-lmosquitto", "-lsqlite3"], "sink": ["-lpthread"]}


def compile(folder, name):
    """The path of a program that is made from a C source beside this file."""
    program, source = os.path.join(folder, name), os.path.join(ROOT, f"Benchmarks/{name}.c")
    flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, "-o", program, source, *LIBRARIES[name]], check=True)
    return program


class Rig:
    """A broker on a free port, and whatever is started beside it; files lie in a folder."""

    def __init__(self, folder):
        self.folder, self.started, self.port = folder, [], free_port()
        # A service manager that started us is not to hear of agents.
        self.environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
        with open(os.path.join(folder, "mosquitto.conf"), "w") as file:
            file.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\n")
            file.write("set_tcp_nodelay true\n")
            if os.geteuid() == 0:
                file.write("user root\n")
        self.broker = self.start(["mosquitto", "-c", file.name], stderr=subprocess.DEVNULL)
        wait_for_port(self.port)

    def start(self, command, **more):
        process = subprocess.Popen(command, env=self.environment, **more)
        self.started.append(process)
        return process

    def stop(self, process):
        self.started.remove(process)
        process.terminate()
        process.wait()

    def stop_all(self):
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            process.wait()

    def cloud(self, program, *options):
        """Starts the simulated cloud; its port."""
        port_file = os.path.join(self.folder, "cloud.port")
        command = [program, "--port", "0", "--port-file", port_file, "--folder", os.path.join(self.folder, "cloud")]
        self.start([*command, *options], stdout=subprocess.DEVNULL)
        while not os.path.exists(port_file) or not open(port_file).read().strip():
            time.sleep(0.02)
        return int(open(port_file).read())

    def configuration(self, gateway="bench", endpoint=NOWHERE, **tables):
        """The path of a configuration file with these tables of keys beside what every agent needs."""
        folder = os.path.join(self.folder, gateway)
        os.makedirs(folder, exist_ok=True)
        credentials = os.path.join(self.folder, "credentials")
        with open(credentials, "w") as file:
            file.write("[default]\ntype = access_key\naccess_key_id = simulated-key\naccess_key_secret = simulated-secret\n")
        os.chmod(credentials, 0o600)
        tables = {
            "broker": {"url": f"mqtt://127.0.0.1:{self.port}"},
            "cloud": {"endpoint": endpoint}, "cloud.credentials": {"file": credentials}, "log": {"level": "warning"},
        } | tables
        tables["spool"] = {"path": os.path.join(folder, "spool/spool.db")} | tables.get("spool", {})
        with open(os.path.join(folder, "otaferry.toml"), "w") as file:
            file.write(f'gateway = "{gateway}"\n')
            for table, keys in tables.items():
                file.write(f"[{table}]\n")
                for key, value in keys.items():
                    file.write(f"{key} = " + (f'"{value}"' if isinstance(value, str) else f"{value}") + "\n")
        return file.name

    def agent(self, program, configuration):
        return self.start([program, "run", "--config", configuration])

    def wait_online(self, gateway="bench"):
        watch = ["mosquitto_sub", "-p", str(self.port), "-t", f"otaferry/v1/{gateway}/status", "-C", "1", "-W", "15"]
        while '"state":"online"' not in subprocess.run(watch, stdout=subprocess.PIPE, text=True).stdout:
            time.sleep(0.02)

    def client_environment(self, sender="bench", gateway="bench"):
        """For commands of otaferry."""
        return dict(
            self.environment, OTAFERRY_BROKER=f"mqtt://127.0.0.1:{self.port}", OTAFERRY_GATEWAY=gateway,
            OTAFERRY_SENDER=sender,
        )


class Client:
    """As much of MQTT 3.1.1 as the measurements need, without a library whose time would count."""

    def __init__(self, port, *topics, name="bench"):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard, self.news = [], threading.Condition()
        self.packet(0x10, self.text("MQTT") + bytes([4, 2]) + struct.pack(">H", 0) + self.text(name))
        for topic in topics:
            self.packet(0x82, struct.pack(">H", 1) + self.text(topic) + b"\x01")
        threading.Thread(target=self.listen, daemon=True).start()

    @staticmethod
    def text(text):
        return struct.pack(">H", len(text)) + text.encode()

    def packet(self, kind, body):
        length, size = b"", len(body)
        while True:
            length += bytes([size % 128 | (128 if size > 127 else 0)])
            size //= 128
            if not size:
                break
        self.socket.sendall(bytes([kind]) + length + body)

    def publish(self, topic, payload=b""):
        self.packet(0x32, self.text(topic) + struct.pack(">H", 7) + payload)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def listen(self):
        try:
            while True:
                kind, size, shift = self.read(1)[0], 0, 0
                while True:
                    digit = self.read(1)[0]
                    size |= (digit & 127) << shift
                    shift += 7
                    if digit < 128:
                        break
                body = self.read(size)
                if kind >> 4 != 3:
                    continue
                length = struct.unpack(">H", body[:2])[0]
                rest = 2 + length + (2 if kind & 6 else 0)
                if kind & 6:
                    self.packet(0x40, body[2 + length:rest])
                with self.news:
                    self.heard.append((time.monotonic(), body[2:2 + length].decode(), body[rest:]))
                    self.news.notify_all()
        except (EOFError, OSError):
            return

    def wait(self, topic, fits=lambda payload: True, seconds=300):
        """The moment at which the first fitting message came."""
        end, seen = time.monotonic() + seconds, 0
        with self.news:
            while True:
                for at, name, payload in self.heard[seen:]:
                    if name == topic and fits(payload):
                        return at
                seen = len(self.heard)
                if not self.news.wait(end - time.monotonic()):
                    sys.exit(f"waited {seconds} s for {topic}")
