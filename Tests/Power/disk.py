"""A disk that loses what was not flushed: a server of the NBD protocol with a volatile write cache.

What the guest writes lands in the cache; a flush makes it durable. At the cut, the cache is lost: each sector that was
written since the last flush keeps any of the contents that it had since then, chosen at random. Real disks do that;
killing an emulator whose writes already reached the host's page cache does not.
"""

import socket
import struct
import threading

SECTOR = 512
BLOCK = 4096

_OPTION_MAGIC = 0x49484156454F5054
_REPLY_MAGIC = 0x3E889045565A9
_REQUEST = struct.Struct(">IHHQQI")
_REQUEST_MAGIC = 0x25609513
_SIMPLE_REPLY = struct.Struct(">IIQ")
_SIMPLE_REPLY_MAGIC = 0x67446698
_READ, _WRITE, _DISCONNECT, _FLUSH = 0, 1, 2, 3
_HAS_FLAGS, _SEND_FLUSH = 1, 4
_OPTION_EXPORT_NAME, _OPTION_ABORT, _OPTION_INFO, _OPTION_GO = 1, 2, 6, 7


class Disk:
    """The contents of a disk, what of it is durable, and its socket."""

    def __init__(self, image, path, whole=()):
        """`image`: the contents. `path`: of the Unix socket to listen on. `whole`: blocks of 4 KiB that are never torn."""
        self.durable = bytearray(image)
        self.seen = bytearray(image)
        self.whole = {block * BLOCK for block in whole}
        self.cache = []
        self.writes = 0
        self.is_cut = threading.Event()
        self._cut_at = None
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(2)
        threading.Thread(target=self._serve, daemon=True).start()

    def cut_after(self, writes):
        """The power fails after so many more writes."""
        with self._lock:
            self._cut_at = self.writes + writes

    def cut(self):
        """The power fails now; nothing is read, written or flushed any more."""
        with self._lock:
            self.is_cut.set()

    def close(self):
        self._listener.close()

    def remains(self, generator):
        """What is on the disk after the cut, and how many sectors of how many in the cache were lost."""
        assert self.is_cut.is_set()
        # How much of the cache reached the platter: nothing, all, or a part that differs from cut to cut.
        share = generator.choice([0.0, 1.0, generator.random(), generator.random()])
        image = bytearray(self.durable)
        versions = {}
        for offset, data in self.cache:
            start = 0
            while start < len(data):
                place = offset + start
                count = BLOCK if place in self.whole and start + BLOCK <= len(data) else SECTOR
                versions.setdefault(place, []).append(data[start:start + count])
                start += count
        lost = 0
        for offset, contents in versions.items():
            if generator.random() < share:
                kept = generator.choice(contents)
                image[offset:offset + len(kept)] = kept
            else:
                lost += 1
        return image, lost, len(versions)

    # The protocol

    def _serve(self):
        while not self.is_cut.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection):
        with connection:
            try:
                if self._negotiate(connection):
                    while self._answer(connection):
                        pass
            except (OSError, EOFError):
                # The machine is gone.
                pass

    def _export(self):
        return struct.pack(">QH", len(self.seen), _HAS_FLAGS | _SEND_FLUSH)

    def _negotiate(self, connection):
        connection.sendall(struct.pack(">8sQH", b"NBDMAGIC", _OPTION_MAGIC, 1))
        no_zeroes = struct.unpack(">I", _receive(connection, 4))[0] & 2
        while True:
            magic, option, length = struct.unpack(">QII", _receive(connection, 16))
            _receive(connection, length)
            assert magic == _OPTION_MAGIC

            def reply(kind, data=b""):
                connection.sendall(struct.pack(">QIII", _REPLY_MAGIC, option, kind, len(data)) + data)

            if option == _OPTION_EXPORT_NAME:
                connection.sendall(self._export() + (b"" if no_zeroes else bytes(124)))
                return True
            if option in (_OPTION_INFO, _OPTION_GO):
                reply(3, struct.pack(">H", 0) + self._export())
                reply(1)
                if option == _OPTION_GO:
                    return True
            elif option == _OPTION_ABORT:
                reply(1)
                return False
            else:
                reply(0x80000001)

    def _answer(self, connection):
        magic, _, kind, handle, offset, length = _REQUEST.unpack(_receive(connection, _REQUEST.size))
        assert magic == _REQUEST_MAGIC
        data = _receive(connection, length) if kind == _WRITE else b""
        with self._lock:
            if self.is_cut.is_set() or kind == _DISCONNECT:
                return False
            if kind == _READ:
                data = bytes(self.seen[offset:offset + length])
            elif kind == _WRITE:
                self.seen[offset:offset + length] = data
                self.cache.append((offset, data))
                self.writes += 1
                data = b""
            elif kind == _FLUSH:
                for start, written in self.cache:
                    self.durable[start:start + len(written)] = written
                self.cache = []
            if self._cut_at is not None and self.writes >= self._cut_at:
                # The last write may have reached the disk, and nobody confirmed it.
                self.is_cut.set()
                return False
        connection.sendall(_SIMPLE_REPLY.pack(_SIMPLE_REPLY_MAGIC, 0 if kind <= _FLUSH else 22, handle) + data)
        return True


def _receive(connection, count):
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
