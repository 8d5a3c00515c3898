import Foundation
import TestSupport
import Testing

/// What befalls the agent's calls on the files of its spool: strace injects it.
struct DiskFault: Sendable, CustomTestStringConvertible {
    /// The calls that are counted, and may fail.
    enum Call: String, Sendable, CaseIterable {
        case write
        case sync
        case truncate
        case unlink

        fileprivate var names: String {
            switch self {
            case .write: "pwrite64,pwritev,write"
            case .sync: "fdatasync,fsync"
            case .truncate: "ftruncate"
            case .unlink: "unlink,unlinkat"
            }
        }
    }

    enum Effect: Sendable, Equatable {
        /// The agent is killed when it makes the call, which is not carried out.
        case kill
        /// The call is not carried out, and fails with this error.
        case error(String)
        /// The call takes so much longer.
        case delay(milliseconds: Int)
    }

    /// From the n-th call on, it befalls so many.
    enum Span: Sendable, Equatable {
        case once
        case times(Int)
        case always
    }

    var call: Call
    var effect: Effect
    /// The first call that it befalls, counted from the agent's start; the first is 1.
    var nth = 1
    var span = Span.once

    var testDescription: String { "\(effect) at \(call.rawValue) \(nth), \(span)" }

    /// The files of a spool whose calls are counted.
    static func files(of spool: String) -> [String] { [spool, spool + "-journal", spool + "-wal"] }

    /// What to put before the command line of the agent. What happened is written to `log`.
    func wrapper(files: [String], log: String) -> [String] {
        let when =
            switch span {
            case .once: "\(nth)"
            case .times(let count): "\(nth)..\(nth + count - 1)"
            case .always: "\(nth)+"
            }
        let (what, options): (String, [String]) =
            switch effect {
            // With a filter in the kernel strace does not deliver signals (strace 6.1), without one it is slower.
            case .kill: ("signal=KILL", [])
            case .error(let name): ("error=\(name)", ["--seccomp-bpf"])
            case .delay(let milliseconds): ("delay_exit=\(milliseconds * 1_000)", ["--seccomp-bpf"])
            }
        let traced = Call.allCases.map(\.names).joined(separator: ",")
        var words = ["strace", "-f", "-qq", "-y", "-e", "signal=none", "-o", log]
        words += options
        for file in files { words += ["-P", file] }
        words += ["-e", "trace=\(traced)", "-e", "inject=\(call.names):\(what):when=\(when)"]
        // The agent must not outlive strace, which a test kills.
        return words + ["setpriv", "--pdeathsig", "KILL", "--"]
    }
}
