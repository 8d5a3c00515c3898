import Glibc
import Synchronization

/// Whether results could be written: a full disk behind standard output must not look like success.
enum OutputFailure {
    private static let code = Atomic<Int32>(0)

    /// Notes why a write failed; the first one counts. A reader that has gone has what it wanted.
    static func note(_ number: Int32) {
        guard number != EPIPE else { return }
        _ = code.compareExchange(expected: 0, desired: number, ordering: .relaxed)
    }

    static var isNoted: Bool { code.load(ordering: .relaxed) != 0 }

    /// Why, in the system's words; nil where everything was written.
    static var reason: String? {
        let number = code.load(ordering: .relaxed)
        return number == 0 ? nil : FirmwareSource.systemText(number)
    }
}
