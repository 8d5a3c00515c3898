import FerryCore
import Glibc

/// Room of our own on the file system, for the moment when somebody else has taken all the rest: even deleting needs room
/// in the journal. It is given up for a change that finds the disk full, and taken again when there is room.
struct ReserveFile {
    let path: String

    /// The journal of any change but that of an intake fits: deleting 64 rows of 512 KiB needs about 0.4 MiB.
    static let size: Int64 = 2 << 20

    private var isThere: Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_size >= Self.size
    }

    /// Takes the room where it is not taken. The file systems of gateways write nothing for it but the file's entry.
    func take() {
        guard !isThere else { return }
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        let isTaken = posix_fallocate(descriptor, 0, off_t(Self.size)) == 0
        close(descriptor)
        if !isTaken { unlink(path) }
    }

    /// Gives the room up.
    ///
    /// - Returns: whether there was any.
    func release() -> Bool { isThere && unlink(path) == 0 }
}
