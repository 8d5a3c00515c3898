import Glibc

/// Keeps a second agent off the same spool: an advisory lock on a file beside it, gone with the process. The file is empty
/// after a clean stop.
final class SpoolLock {
    private let descriptor: Int32

    /// Whether whoever had the spool before did not stop cleanly.
    let wasLeft: Bool

    init(path: String) throws(SpoolError) {
        let operation = "lock the spool with \(path)"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            wasLeft = false
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
            wasLeft = false
            throw SpoolError(
                isTaken ? .inUse : .unusable,
                operation: operation,
                underlying: underlying,
                hint: isTaken ? "Stop the other otaferry, or give this one another spool.path" : ""
            )
        }
        var status = stat()
        wasLeft = fstat(descriptor, &status) == 0 && status.st_size > 0
    }

    /// From now on an unclean stop can be told from a clean one. On the device when it returns.
    func markOpen() {
        // A mark that cannot be written, on a full disk, costs a check that would be welcome, no more.
        _ = pwrite(descriptor, "open\n", 5, 0)
        fdatasync(descriptor)
    }

    /// A clean stop.
    func markClosed() { ftruncate(descriptor, 0) }

    deinit { close(descriptor) }
}
