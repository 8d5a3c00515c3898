import FerryCore
import Logging
import Testing

@testable import Agent

@Suite("Log lines")
struct ConfigurationLoggingTests {
    private static let line = LogLine(
        level: .warning,
        message: "Lost the broker",
        metadata: ["error": "a \"b\"\n<0>c", "attempt": "2", "path": "", "topic": "x=\u{1B}[31m\u{202E}"]
    )

    @Test("The journal gets a priority, and no value begins a line")
    func journal() {
        #expect(
            Self.line.journal
                == #"<4>Lost the broker attempt=2 error="a \"b\"\n<0>c" path="" topic="x=\u{1b}[31m\u{202e}""#
        )
    }

    @Test("A terminal gets time and level, and colors only if it wants them")
    func text() {
        let plain = Self.line.text(at: "T", .none)
        #expect(plain.hasPrefix("T warning  Lost the broker attempt=2 "))
        #expect(!plain.contains("\u{1B}"))
        #expect(Self.line.text(at: "T", .ansi).contains("\u{1B}[33mwarning "))
    }

    @Test("JSON is one object that keeps every value")
    func json() throws {
        let value = try JSONValue(parsing: Self.line.json(at: "T"))
        #expect(value["message"]?.string == "Lost the broker")
        #expect(value["level"]?.string == "warning")
        #expect(value["error"]?.string == "a \"b\"\n<0>c")
        #expect(!Self.line.json(at: "T").contains("\n"))
    }

    @Test(
        "The format follows the environment",
        arguments: [
            (LogFormat.auto, ["JOURNAL_STREAM": "8:1"], false, LogStyle.journal),
            (.auto, ["JOURNAL_STREAM": "8:1"], true, .text(.ansi)),
            (.auto, [:], true, .text(.ansi)),
            (.auto, [:], false, .text(.none)),
            (.text, ["NO_COLOR": "1"], true, .text(.none)),
            (.text, ["NO_COLOR": ""], true, .text(.ansi)),
            (.text, ["TERM": "dumb"], true, .text(.none)),
            (.json, ["JOURNAL_STREAM": "8:1"], false, .json),
        ]
    )
    func styles(format: LogFormat, environment: [String: String], isTerminal: Bool, style: LogStyle) {
        #expect(LogStyle(format, environment: environment, isTerminal: isTerminal) == style)
    }

    @Test("A logger writes one line an event with the metadata of all three places")
    func logger() {
        let lines = Lines()
        var logger = Logger(label: "test") { _ in
            var log = StandardErrorLog(level: .info, style: .journal, write: { lines.append($0) })
            log.metadataProvider = Logger.MetadataProvider { ["gateway": "gw1", "state": "old"] }
            return log
        }
        logger[metadataKey: LogKeys.transfer] = "ci/7f3c"
        logger.info("Stored", metadata: [LogKeys.state: "stored"])
        logger.debug("Not written")
        #expect(lines.all == ["<6>Stored gateway=gw1 state=stored transfer=ci/7f3c\n"])
    }

    @Test("A repeating failure is reported when it begins, every 30 s with its count, and when it ends")
    func repeatingFailure() {
        let start = ContinuousClock.now
        var failure = RepeatingFailure()
        #expect(failure.succeeded(at: start) == .quiet)
        #expect(failure.failed(at: start) == .began)
        #expect(failure.failed(at: start + .seconds(1)) == .quiet)
        #expect(failure.failed(at: start + .seconds(29.9)) == .quiet)
        #expect(failure.failed(at: start + .seconds(30)) == .goesOn(count: 4, for: .seconds(30)))
        #expect(failure.failed(at: start + .seconds(59)) == .quiet)
        #expect(failure.failed(at: start + .seconds(61)) == .goesOn(count: 6, for: .seconds(61)))
        #expect(failure.succeeded(at: start + .seconds(62)) == .ended(count: 6, for: .seconds(62)))
        #expect(failure.succeeded(at: start + .seconds(63)) == .quiet)
        #expect(failure.failed(at: start + .seconds(64)) == .began)
    }
}

/// What was written, as text.
private final class Lines: @unchecked Sendable {
    // @unchecked because `all` is only touched by the test's own thread.
    private(set) var all: [String] = []

    func append(_ bytes: [UInt8]) { all.append(String(decoding: bytes, as: UTF8.self)) }
}
