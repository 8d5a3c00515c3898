package import FerryCore
import Glibc
package import Logging

/// Writes log events to standard error, each line with one write(2), so that lines of several threads never mix.
package struct StandardErrorLog: LogHandler {
    /// The least level that is written.
    package var logLevel: Logger.Level
    /// What stands on every line of this logger.
    package var metadata: Logger.Metadata = [:]
    /// What the task at hand adds.
    package var metadataProvider: Logger.MetadataProvider?

    private let style: LogStyle
    /// Asked first, where the style is the journal's.
    private let journal: JournalSocket?
    private let write: @Sendable ([UInt8]) -> Void
    private let now: @Sendable () -> WallTime

    /// `write` takes whole lines with their newline.
    package init(
        level: Logger.Level,
        style: LogStyle,
        journal: JournalSocket? = nil,
        write: @escaping @Sendable ([UInt8]) -> Void = StandardErrorLog.writeToStandardError,
        now: @escaping @Sendable () -> WallTime = WallTime.now
    ) {
        logLevel = level
        self.style = style
        self.journal = journal
        self.write = write
        self.now = now
    }

    /// One value of `metadata`.
    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes the event; its own metadata wins over the provider's, and that over the logger's.
    package func log(event: LogEvent) {
        var values = metadata
        if let provided = metadataProvider?.get() { values.merge(provided) { _, new in new } }
        if let own = event.metadata { values.merge(own) { _, new in new } }
        if let error = event.error, values[LogKeys.error] == nil { values[LogKeys.error] = "\(error)" }
        let line = LogLine(level: event.level, message: event.message.description, metadata: values)
        // A line that is too long for a datagram goes the other way.
        if style == .journal, let journal, journal.send(line) { return }
        let text =
            switch style {
            case .journal: line.journal
            case .json: line.json(at: now().iso8601)
            case .text(let color): line.text(at: now().iso8601, color)
            }
        write(Array(text.utf8) + [UInt8(ascii: "\n")])
    }

    /// One write(2); the rest of a short write follows. Errors are ignored: there is nowhere left to report them.
    package static func writeToStandardError(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(STDERR_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }
}

/// A log format after `auto` has been decided.
package enum LogStyle: Sendable, Hashable {
    case journal
    case json
    case text(LogColor)

    /// Decides `auto` by `JOURNAL_STREAM`, which a shell under systemd hands on to its terminals; colors by the terminal and
    /// `NO_COLOR`.
    package init(_ format: LogFormat, environment: [String: String], isTerminal: Bool) {
        let hasColor = isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
        switch format {
        case .journal: self = .journal
        case .json: self = .json
        case .text: self = .text(hasColor ? .ansi : .none)
        case .auto where environment["JOURNAL_STREAM"] != nil && !isTerminal: self = .journal
        case .auto: self = .text(hasColor ? .ansi : .none)
        }
    }

    /// The same for this process's standard error.
    package init(_ format: LogFormat, environment: [String: String]) {
        self.init(format, environment: environment, isTerminal: isatty(STDERR_FILENO) == 1)
    }
}
