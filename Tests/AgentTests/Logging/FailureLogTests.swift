import FerryCore
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Agent

@Suite("Logs without a flood, and in the journal with fields")
struct FailureLogTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func take(_ bytes: [UInt8]) { lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private func log(_ lines: Lines, journal: JournalSocket? = nil, style: LogStyle = .journal) -> Logger {
        Logger(label: "test") { _ in
            StandardErrorLog(level: .info, style: style, journal: journal, write: { lines.take($0) })
        }
    }

    @Test("A failure that repeats is logged when it begins and when it is over, with how often")
    func quiet() {
        let lines = Lines()
        let failures = FailureLog(log(lines), "It failed", "It works again")
        failures.succeeded()
        for _ in 0..<50 { failures.failed("no room", hint: "make some") }
        failures.succeeded()
        failures.succeeded()
        #expect(lines.all.count == 2)
        #expect(lines.all.first == "<4>It failed error=\"no room\" hint=\"make some\"\n")
        #expect(lines.all.last == "<5>It works again count=50 duration=0s\n")
    }

    @Test("A full spool is logged when it begins and when there is room again, however often it is seen")
    func fullSpool() {
        let lines = Lines()
        let board = StatusBoard(
            gateway: HostName.name(from: "gw1"),
            limits: Configuration().statusLimits,
            changed: Signal(),
            logger: log(lines),
            clockOffset: { nil }
        )
        board.solve(.spoolFull)
        #expect(lines.all.isEmpty)
        for _ in 0..<5 { board.spoolIsFull() }
        board.quotaIsUsed(1_000)
        #expect(lines.all.count == 1)
        let first = lines.all.first ?? ""
        #expect(
            first.hasPrefix("<4>The spool is full error=\"The disk of the spool is full"),
            "\(first)"
        )
        #expect(first.contains("hint=\"Make room on its file system"), "\(first)")
        board.solve(.spoolFull)
        #expect(lines.all.count == 2 && lines.all.last?.hasPrefix("<5>The spool has room again") == true)
    }

    @Test("While it goes on it is logged from time to time, with a count")
    func goesOn() {
        let lines = Lines()
        let failures = FailureLog(log(lines), level: .error, "It failed", "", interval: .zero)
        for _ in 0..<3 { failures.failed("x") }
        #expect(
            lines.all == [
                "<3>It failed error=x\n", "<3>It failed count=2 duration=0s error=x\n",
                "<3>It failed count=3 duration=0s error=x\n",
            ]
        )
    }

    @Test("The journal gets each value as a field; nothing from outside begins one")
    func fields() async throws {
        let socket = try NotifySocket()
        let lines = Lines()
        let journal = try #require(JournalSocket(path: socket.path))
        let logger = log(lines, journal: journal)
        logger.warning(
            "A transfer changed",
            metadata: ["transfer": "ci/a", "cloud_code": "X\nPRIORITY=0", "reason": "cloud-busy"]
        )
        try await eventually("the entry") { !socket.lines.isEmpty }
        #expect(
            socket.lines == [
                #"MESSAGE=A transfer changed cloud_code="X\nPRIORITY=0" reason=cloud-busy transfer=ci/a"#, "PRIORITY=4",
                "SYSLOG_IDENTIFIER=otaferry", #"OTAFERRY_CLOUD_CODE=X\nPRIORITY=0"#, "OTAFERRY_REASON=cloud-busy",
                "OTAFERRY_TRANSFER=ci/a",
            ]
        )
        #expect(lines.all.isEmpty)
    }

    @Test("Without a journal the lines go to standard error")
    func withoutJournal() throws {
        let folder = try TemporaryFolder("journal")
        #expect(JournalSocket(path: folder.file("nothing")) == nil)
        var socket: NotifySocket? = try NotifySocket()
        let journal = try #require(socket.flatMap { JournalSocket(path: $0.path) })
        socket = nil
        let lines = Lines()
        log(lines, journal: journal).notice("Still here")
        #expect(lines.all == ["<5>Still here\n"])
    }
}
