import Glibc

/// Keeps a second agent off the same spool: an advisory lock on a file beside it, gone with the process. The file is empty
/// after a clean stop, and else says in what state the spool was left.
final class SpoolLock {
    private let descriptor: Int32
    private let path: String

    /// Whether there was no spool here before.
    let isNew: Bool
    /// Whether whoever had the spool before did not stop cleanly.
    let wasLeft: Bool
    /// Whether SQLite found the file damaged then. Where it is damaged now, it is so in a place that is read seldom.
    let wasFoundDamaged: Bool
    private var isFoundDamaged = false

    private static let damaged = Array("damaged\n".utf8)

    init(path: String) throws(SpoolError) {
        let operation = "lock the spool with \(path)"
        self.path = path
        isNew = access(path, F_OK) != 0
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            (wasLeft, wasFoundDamaged) = (false, false)
            throw SpoolError(
                .unusable,
                operation: operation,
                underlying: String(cString: strerror(errno)),
                hint: "The folder of spool.path must be writable for this user"
            )
        }
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        guard fcntl(descriptor, F_SETLK, &lock) == 0 else {
            let isTaken = errno == EACCES || errno == EAGAIN
            let underlying = isTaken ? "another agent works on it" : String(cString: strerror(errno))
            close(descriptor)
            (wasLeft, wasFoundDamaged) = (false, false)
            throw SpoolError(
                isTaken ? .inUse : .unusable,
                operation: operation,
                underlying: underlying,
                hint: isTaken ? "Stop the other otaferry, or give this one another spool.path" : ""
            )
        }
        var status = stat()
        wasLeft = fstat(descriptor, &status) == 0 && status.st_size > 0
        var mark = Self.damaged.map { _ in UInt8(0) }
        wasFoundDamaged = pread(descriptor, &mark, mark.count, 0) == mark.count && mark == Self.damaged
    }

    /// Leaves no sign of a spool where there is none.
    func takeAway() {
        if isNew { unlink(path) }
    }

    /// From now on an unclean stop can be told from a clean one. On the device when it returns.
    func markOpen() {
        // A mark that cannot be written, on a full disk, costs a check that would be welcome, no more.
        _ = pwrite(descriptor, "open\n", 5, 0)
        ftruncate(descriptor, 5)
        fdatasync(descriptor)
    }

    /// The next start looks at the whole file.
    func markDamaged() {
        guard !isFoundDamaged else { return }
        isFoundDamaged = true
        _ = pwrite(descriptor, Self.damaged, Self.damaged.count, 0)
        fdatasync(descriptor)
    }

    /// A clean stop.
    func markClosed() {
        if !isFoundDamaged { ftruncate(descriptor, 0) }
    }

    deinit { close(descriptor) }
}
