package import FerryCore

/// The version of this program.
package enum AgentVersion {
    /// As `otaferry --version` prints it.
    package static let text = "0.1.0"
    /// A day before its release, 2026-11-01: a clock that says less is wrong. It moves on with the text above.
    package static let released = WallTime(milliseconds: 1_793_491_200_000)
}
