import Foundation

/// How a program ended.
package enum ProgramEnding: Sendable, Equatable {
    /// It exited with a code.
    case exited(Int32)
    /// A signal killed it.
    case killed(signal: Int32)

    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .killed(signal: signal)
    }
}
