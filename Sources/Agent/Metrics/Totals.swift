import FerryCore
import Glibc
import Synchronization

/// What the agent has done since it started; from any thread.
final class Totals: Sendable {
    private let storedBytes = Atomic<Int64>(0)
    private let sentBytes = Atomic<Int64>(0)
    private let attempts = Atomic<Int64>(0)
    private let registered = Atomic<Int64>(0)
    private let failed = Atomic<Int64>(0)

    /// Bytes of firmware became durable.
    func stored(_ bytes: Int64) { storedBytes.add(bytes, ordering: .relaxed) }
    /// The cloud's storage took bytes of a firmware.
    func sent(_ bytes: Int64) { sentBytes.add(bytes, ordering: .relaxed) }
    /// An attempt at a publication begins.
    func attempted() { attempts.add(1, ordering: .relaxed) }

    /// A transfer went to another state.
    func entered(_ state: TransferState) {
        switch state {
        case .registered: registered.add(1, ordering: .relaxed)
        case .failed: failed.add(1, ordering: .relaxed)
        default: break
        }
    }

    /// The member `totals` of the status message.
    var json: JSONValue {
        [
            "stored": .integer(storedBytes.load(ordering: .relaxed)),
            "sent": .integer(sentBytes.load(ordering: .relaxed)),
            "attempts": .integer(attempts.load(ordering: .relaxed)),
            "registered": .integer(registered.load(ordering: .relaxed)),
            "failed": .integer(failed.load(ordering: .relaxed)),
            "written": ProcessFigures.writtenBytes.map(JSONValue.integer) ?? .null,
        ]
    }
}

/// What the kernel says of this process.
enum ProcessFigures {
    /// Bytes that went to the disk, by proc_pid_io(5). All that the agent writes is its spool.
    static var writtenBytes: Int64? { number(in: "/proc/self/io", after: "write_bytes:") }

    /// Bytes of memory, by proc_pid_statm(5).
    static var residentBytes: Int64? {
        guard let text = try? FileText.read("/proc/self/statm") else { return nil }
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int64($0) }
        return pages.map { $0 * Int64(sysconf(Int32(_SC_PAGESIZE))) }
    }

    private static func number(in path: String, after name: String) -> Int64? {
        guard let text = try? FileText.read(path) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        return line.flatMap { $0.split(separator: " ").last }.flatMap { Int64($0) }
    }
}
