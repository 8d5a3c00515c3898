package import FerryCore

/// The version of this program.
package enum AgentVersion {
    /// As `otaferry --version` prints it.
    package static let text = "0.1.0"
    /// When work on it began, 2026-11-01: a clock that says less is wrong.
    package static let released = WallTime(milliseconds: 1_793_491_200_000)
}
