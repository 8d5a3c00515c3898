import Glibc

/// What a client of libmosquitto wanted to write to its socket, kept until it may leave.
///
/// The library queues an acknowledgement with each message it reads and writes its queue as a whole, so what was queued
/// has to be taken out of it before more is read. For the time of the writing another socket stands in the place of the
/// broker's, under the same descriptor; with TLS the records are kept, in their order, as they are.
final class HeldBytes {
    /// What is written to the first comes out of the second. Made when it is needed first.
    private var pair: (inner: Int32, outer: Int32)?
    private var bytes: [UInt8] = []

    deinit {
        guard let pair else { return }
        close(pair.inner)
        close(pair.outer)
    }

    var isEmpty: Bool { bytes.isEmpty }

    /// Runs `write` while what is written to `socket` is kept. `write` calls its argument from time to time, so that there
    /// is room, and hears whether there was something; it answers whether the descriptor is still its own and all is written.
    func divert(_ socket: Int32, while write: (_ take: () -> Bool) -> Bool) throws(LinkError) {
        let pair = try madePair()
        let wire = fcntl(socket, F_DUPFD_CLOEXEC, 0)
        guard wire >= 0 else { throw Self.error("keep the broker's socket") }
        defer { close(wire) }
        guard Self.put(pair.inner, at: socket) else { throw Self.error("divert the broker's socket") }
        let isOurs = write { take(from: pair.outer) }
        // The library closes its socket after some errors; the number may be somebody else's already.
        guard isOurs else { throw LinkError(.lost, "The connection to the broker broke while it was written to") }
        guard Self.put(wire, at: socket) else { throw Self.error("take the broker's socket back") }
    }

    /// Sends what is kept; answers whether all of it was taken.
    func send(on socket: Int32) throws(LinkError) -> Bool {
        while !bytes.isEmpty {
            let count = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN || errno == EWOULDBLOCK { return false }
                throw Self.error("write to the broker", code: .lost)
            }
            bytes.removeFirst(count)
        }
        return true
    }

    private func take(from outer: Int32) -> Bool {
        let former = bytes.count
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 1) { room in
            while true {
                let count = recv(outer, room.baseAddress, room.count, Int32(MSG_DONTWAIT))
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return }
                bytes += UnsafeRawBufferPointer(rebasing: room[..<count])
            }
        }
        return bytes.count > former
    }

    private func madePair() throws(LinkError) -> (inner: Int32, outer: Int32) {
        if let pair { return pair }
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw Self.error("make a pair of sockets") }
        let made = (inner: ends[0], outer: ends[1])
        pair = made
        return made
    }

    private static func put(_ source: Int32, at target: Int32) -> Bool {
        while dup2(source, target) < 0 {
            // dup2(2): EBUSY is a race with another thread's open, which ends by itself.
            guard errno == EINTR || errno == EBUSY else { return false }
        }
        return true
    }

    private static func error(_ operation: String, code: LinkError.Code = .library) -> LinkError {
        LinkError(code, "Could not \(operation): \(String(cString: strerror(errno)))", number: errno)
    }
}
