/// The version of this program.
package enum AgentVersion {
    /// As `otaferry --version` prints it.
    package static let text = "0.1.0"
}
