/// How log lines look.
package enum LogFormat: String, Sendable, Hashable, CaseIterable {
    /// `journal` under systemd, else `text`.
    case auto
    /// With a priority for the system's journal, which adds the time.
    case journal
    /// With the time, for terminals.
    case text
    /// One JSON object a line.
    case json
}
