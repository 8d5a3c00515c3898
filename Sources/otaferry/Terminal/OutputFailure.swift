import Glibc
import Synchronization

/// Whether results could be written: a full disk behind standard output must not look like success.
enum OutputFailure {
    private static let code = Atomic<Int32>(0)
    private static let isClosed = Atomic<Bool>(false)

    /// Opens nothing in the place of a standard stream that the caller has closed: else the next file or socket of the
    /// program got its number, and what is said would be written there. The first call.
    static func keepStreamsApart() {
        for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(stream, F_GETFD) < 0 {
            if stream == STDOUT_FILENO { isClosed.store(true, ordering: .relaxed) }
            // The lowest number that is free is this one. Where it fails, nothing can be opened later either.
            _ = open("/dev/null", O_RDWR)
        }
    }

    /// Whether there is nothing to write to. Only who writes has failed then.
    static var isStreamClosed: Bool { isClosed.load(ordering: .relaxed) }

    /// Notes why a write failed; the first one counts. A reader that has gone has what it wanted.
    static func note(_ number: Int32) {
        guard number != EPIPE else { return }
        _ = code.compareExchange(expected: 0, desired: number, ordering: .relaxed)
    }

    static var isNoted: Bool { code.load(ordering: .relaxed) != 0 }

    /// Whether nobody reads any more what is written into the pipe, which else only the next write would show.
    static var isReaderGone: Bool {
        // Asked for or not, these two are always told.
        var descriptor = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return poll(&descriptor, 1, 0) > 0 && descriptor.revents & Int16(POLLERR | POLLHUP) != 0
    }

    /// What is wrong, as a sentence; nil where everything was written.
    static var sentence: String? {
        let number = code.load(ordering: .relaxed)
        guard number != 0 else { return nil }
        guard !isStreamClosed else { return "standard output is closed" }
        return "standard output could not be written: \(FirmwareSource.systemText(number))"
    }
}
