"""A gateway in a virtual machine: Debian's cloud kernel, the agent and a broker in an initramfs, emulated by QEMU."""

import pathlib
import re
import subprocess

_MODULES = [
    "virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "failover",
    "net_failover", "virtio_net",
]

_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /modules/$module.ko; done
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
mount -t ext4 -o noatime /dev/vda /data || {{ echo "no disk"; poweroff -f; }}
mosquitto -c /etc/mosquitto.conf &
while true; do
    LD_PRELOAD={preload} otaferry run --config /etc/otaferry.toml
    echo "the agent ended with $?"
    sleep 0.2
done
"""

_BROKER = """listener 1883 0.0.0.0
allow_anonymous true
user root
max_queued_messages 0
log_dest none
"""

# Nothing leaves the spool by itself: what was acknowledged has to be found in it.
AGENT = """gateway = "gw1"
[spool]
path = "/data/spool.db"
reserve = "0B"
[cloud]
endpoint = "http://127.0.0.1:9/"
[cloud.credentials]
file = "/etc/credentials"
"""

_CREDENTIALS = "[default]\ntype = access_key\naccess_key_id = none\naccess_key_secret = none\n"


def libraries(program):
    """The shared libraries of a program, the dynamic loader among them."""
    text = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", text)


def build_initramfs(kernel, busybox, programs, target, preload=None):
    """Writes the archive; `kernel`: the unpacked package of the kernel, `programs`: paths by name, `preload`: a library
    that the agent is started with."""
    init = _INIT.format(modules=" ".join(_MODULES), preload="/lib/preload.so" if preload else "")
    files = {
        "init": (init.encode(), 0o755),
        "bin/busybox": (pathlib.Path(busybox).read_bytes(), 0o755),
        "etc/mosquitto.conf": (_BROKER.encode(), 0o644),
        "etc/otaferry.toml": (AGENT.encode(), 0o644),
        "etc/credentials": (_CREDENTIALS.encode(), 0o600),
        "etc/passwd": (b"root:x:0:0:root:/:/bin/sh\n", 0o644),
        "etc/group": (b"root:x:0:\n", 0o644),
    }
    if preload:
        files["lib/preload.so"] = (pathlib.Path(preload).read_bytes(), 0o755)
    for module in _MODULES:
        found = next(pathlib.Path(kernel).rglob(module + ".ko"))
        files[f"modules/{module}.ko"] = (found.read_bytes(), 0o644)
    for name, path in programs.items():
        files["bin/" + name] = (pathlib.Path(path).read_bytes(), 0o755)
        for library in libraries(path):
            files[library.lstrip("/")] = (pathlib.Path(library).read_bytes(), 0o755)
    folders = {"proc", "sys", "dev", "data", "tmp", "run"}
    for name in files:
        folders.update(str(parent) for parent in pathlib.PurePath(name).parents if str(parent) != ".")
    with open(target, "wb") as archive:
        number = 0
        for name in sorted(folders):
            number += 1
            archive.write(_entry(number, name, b"", 0o40755))
        for name, (data, mode) in sorted(files.items()):
            number += 1
            archive.write(_entry(number, name, data, 0o100000 | mode))
        archive.write(_entry(0, "TRAILER!!!", b"", 0))


def _entry(number, name, data, mode):
    """A file in the form "newc" of cpio."""
    path = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


class Machine:
    """It runs until it is killed."""

    def __init__(self, kernel, initramfs, disk_socket, port, console):
        """`port`: of this host, leads to the broker in the machine. `console`: the file that its console is written to."""
        image = next(pathlib.Path(kernel, "boot").glob("vmlinuz-*"))
        self._console = open(console, "wb")
        self._process = subprocess.Popen(
            [
                "qemu-system-x86_64", "-M", "q35,accel=tcg", "-cpu", "max", "-m", "384", "-nodefaults", "-display",
                "none", "-no-reboot", "-serial", "stdio", "-kernel", str(image), "-initrd", initramfs, "-append",
                "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=reliable", "-drive",
                f"file=nbd+unix:///?socket={disk_socket},format=raw,if=none,id=disk,cache=none", "-device",
                "virtio-blk-pci,drive=disk,write-cache=on", "-netdev",
                f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:1883", "-device", "virtio-net-pci,netdev=net",
            ],
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=subprocess.STDOUT,
        )

    @property
    def is_running(self):
        return self._process.poll() is None

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._console.close()
