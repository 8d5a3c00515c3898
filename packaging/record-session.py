#!/usr/bin/env python3
"""Draws a terminal session as a picture: a broker, a simulated cloud and the agent of its own, real commands, real output.

    packaging/record-session.py .build/debug docs/pictures/session.svg

The commands run in a pseudo-terminal; what they write is interpreted as a terminal does, and drawn as text in SVG. The
picture plays what happened once and then stays; a viewer that plays nothing shows the end.
"""

import fcntl
import html
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

COLUMNS = 92
COLORS = {31: "#e06c75", 32: "#98c379", 33: "#e5c07b", 36: "#56b6c2", 2: "#7f848e", 0: "#dcdfe4"}
PROMPT = "$ "


class Screen:
    """Enough of a terminal: carriage return, moving up, erasing, colors."""

    def __init__(self):
        # What stood on each row, from when on: the last entry is what stands there now.
        self.history = []
        self.begun = time.monotonic()
        self.lines = [[]]
        self.row = self.column = 0
        self.color = 0

    def put(self, character):
        line = self.lines[self.row]
        while len(line) <= self.column:
            line.append((" ", 0))
        line[self.column] = (character, self.color)
        self.column += 1
        if self.column >= COLUMNS:
            self.newline()
            self.column = 0

    def newline(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    def write(self, text):
        self.interpret(text)
        now = round(time.monotonic() - self.begun, 2)
        for row, line in enumerate(self.lines):
            if row == len(self.history):
                self.history.append([])
            entries = self.history[row]
            if entries and entries[-1][0] == line:
                continue
            if entries and entries[-1][1] == now:
                entries.pop()
            if entries or line:
                entries.append((list(line), now))

    def interpret(self, text):
        position = 0
        while position < len(text):
            escape = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])").match(text, position)
            if escape:
                self.control(escape.group(1), escape.group(2))
                position = escape.end()
                continue
            character = text[position]
            position += 1
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self.newline()
            elif character >= " ":
                self.put(character)

    def control(self, arguments, name):
        number = int(arguments) if arguments.isdigit() else 0
        if name == "m":
            for part in arguments.split(";"):
                self.color = int(part or 0) if int(part or 0) in COLORS else self.color
        elif name == "K":
            line = self.lines[self.row]
            del line[0 if number == 2 else self.column :]
        elif name == "A":
            self.row = max(0, self.row - (number or 1))
        elif name == "J":
            del self.lines[self.row + 1 :]
            del self.lines[self.row][self.column :]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def run(screen, command, environment, folder):
    """Types a command and shows what it says."""
    screen.color = 32
    screen.write(PROMPT)
    screen.color = 0
    for character in command:
        screen.write(character)
        time.sleep(0.03)
    screen.write("\r\n")
    time.sleep(0.3)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe("bash", ["bash", "-c", command], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    pending = b""
    while True:
        readable, _, _ = select.select([terminal], [], [], 120)
        if not readable:
            os.kill(child, signal.SIGKILL)
            sys.exit(f"{command} hangs")
        try:
            chunk = os.read(terminal, 65536)
        except OSError:
            break
        if not chunk:
            break
        pending += chunk
        text = pending.decode("utf-8", "ignore")
        pending = pending[len(text.encode()) :]
        screen.write(text)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    if screen.column:
        screen.write("\r\n")
    screen.write("\r\n")
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1):
        sys.exit(f"{command} ended with {code}:\n" + "\n".join("".join(c for c, _ in line) for line in screen.lines))


def drawn(line, left, width):
    """A row as pieces of one color."""
    spans = []
    start = 0
    while start < len(line):
        end = start
        while end < len(line) and line[end][1] == line[start][1]:
            end += 1
        text = "".join(character for character, _ in line[start:end])
        if text.strip():
            place = f"{left + start * width:.1f}"
            # Columns stay columns, also where the viewer has no such font.
            length = f'textLength="{(end - start) * width:.1f}"'
            color = COLORS[line[start][1]]
            spans.append(f'<tspan x="{place}" {length} fill="{color}">{html.escape(text)}</tspan>')
        start = end
    return "".join(spans)


def svg(screen):
    lines = screen.lines
    while lines and not lines[-1]:
        lines.pop()
    width, height, left, top = 8.4, 19, 16, 44
    total_width = round(COLUMNS * width + 2 * left)
    total_height = top + len(lines) * height + 14
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {total_height}" '
        f'width="{total_width}" height="{total_height}" role="img">',
        "<title>A session with otaferry: status, push, list, show</title>",
        f'<rect width="{total_width}" height="{total_height}" rx="8" fill="#282c34"/>',
        '<circle cx="20" cy="18" r="6" fill="#e06c75"/><circle cx="40" cy="18" r="6" fill="#e5c07b"/>'
        '<circle cx="60" cy="18" r="6" fill="#98c379"/>',
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">',
    ]
    for number in range(len(lines)):
        entries = screen.history[number]
        for index, (line, begin) in enumerate(entries):
            spans = drawn(line, left, width)
            if not spans:
                continue
            if index + 1 < len(entries):
                end = entries[index + 1][1]
                shown = f'<set attributeName="visibility" to="visible" begin="{begin}s" end="{end}s"/>'
                out.append(f'<text y="{top + number * height}" visibility="hidden">{spans}{shown}</text>')
            else:
                hidden = f'<set attributeName="visibility" to="hidden" begin="0s" end="{begin}s"/>'
                out.append(f'<text y="{top + number * height}">{spans}{hidden}</text>')
    return "\n".join(out + ["</g>", "</svg>"]) + "\n"


def main():
    programs, picture = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    broker_port, cloud_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="otaferry-session-") as name:
        folder = pathlib.Path(name)
        user = "user root\n" if os.geteuid() == 0 else ""
        (folder / "mosquitto.conf").write_text(f"{user}listener {broker_port} 127.0.0.1\nallow_anonymous true\n")
        (folder / "otaferry.toml").write_text(
            f'gateway = "gw1"\n[broker]\nurl = "mqtt://127.0.0.1:{broker_port}"\n'
            f'[spool]\npath = "{folder}/spool/spool.db"\n'
            f'[cloud]\nendpoint = "http://127.0.0.1:{cloud_port}/"\n[cloud.credentials]\nfile = "{folder}/credentials"\n'
            '[[product]]\nalias = "pumpctl"\nproduct-key = "a1AbCdEfGhI"\n'
        )
        credentials = folder / "credentials"
        credentials.touch(0o600)
        credentials.write_text(
            "[default]\ntype = access_key\naccess_key_id = simulated-key\naccess_key_secret = simulated-secret\n"
        )
        (folder / "rootfs.tar.gz").write_bytes(os.urandom(24_000_000))
        environment = dict(
            os.environ,
            PATH=f"{programs}:{os.environ['PATH']}:/usr/sbin",
            TERM="xterm-256color",
            LANG="C.UTF-8",
            OTAFERRY_BROKER=f"mqtt://127.0.0.1:{broker_port}",
            OTAFERRY_GATEWAY="gw1",
            OTAFERRY_SENDER="ci",
        )
        environment.pop("NO_COLOR", None)
        servers = []
        screen = Screen()
        try:
            for words, port in (
                (["mosquitto", "-c", str(folder / "mosquitto.conf")], broker_port),
                ([str(programs / "otaferry-cloud"), "--port", str(cloud_port)], cloud_port),
            ):
                servers.append(
                    subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
                )
                wait_for_port(port)
            agent = [str(programs / "otaferry"), "run", "--config", str(folder / "otaferry.toml")]
            servers.append(subprocess.Popen(agent, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            for _ in range(200):
                if subprocess.run(["otaferry", "ping"], env=environment, capture_output=True).returncode == 0:
                    break
            run(screen, "otaferry status", environment, folder)
            run(screen, "otaferry push rootfs.tar.gz --product pumpctl --version 2.0.0", environment, folder)
            run(screen, "otaferry push rootfs.tar.gz --product valve --version 2.0.0", environment, folder)
            run(screen, "otaferry list", environment, folder)
        finally:
            for server in reversed(servers):
                server.terminate()
                server.wait(20)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(svg(screen), encoding="utf-8")
    print(f"{len(screen.lines)} lines in {picture}")


if __name__ == "__main__":
    main()
