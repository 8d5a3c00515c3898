import Glibc

/// Keeps a second agent off the same spool: an advisory lock on a file beside it, gone with the process.
final class SpoolLock {
    private let descriptor: Int32

    init(path: String) throws(SpoolError) {
        let operation = "lock the spool with \(path)"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
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
            throw SpoolError(
                isTaken ? .inUse : .unusable,
                operation: operation,
                underlying: underlying,
                hint: isTaken ? "Stop the other otaferry, or give this one another spool.path" : ""
            )
        }
    }

    deinit { close(descriptor) }
}
