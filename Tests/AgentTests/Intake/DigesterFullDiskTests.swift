import Broker
import FerryCore
import Foundation
import Logging
import Spool
import TestSupport
import Testing

@testable import Agent

/// Keeps what is logged.
private struct Complaints: LogHandler {
    let text: Mailbox
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { _ = text.publish(OutboundMessage(topic: "\(event.message)", payload: [])) }
}

@Suite("The digests of files on a full disk")
struct DigesterFullDiskTests {
    private static let canMount: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder("mount-probe") else { return false }
        let isMounted = mount("tmpfs", folder.path, "tmpfs", 0, "size=1m") == 0
        if isMounted { umount2(folder.path, Int32(MNT_DETACH)) }
        return isMounted
    }()

    @Test("A file whose end could not be noted is finished by itself when there is room again", .enabled(if: canMount))
    func finishesLater() async throws {
        let folder = try TemporaryFolder("digest-full")
        try #require(mount("tmpfs", folder.path, "tmpfs", 0, "size=2m") == 0)
        defer { umount2(folder.path, Int32(MNT_DETACH)) }
        let bench = try IntakeBench(folder: folder)
        let outcome = try await bench.send([
            ("t/one/init", Array("{\"name\":\"x\"}".utf8)), ("t/one/0", TemporaryFolder.bytes(3_000)),
            ("t/one/fin/3000", []),
        ])
        // Neither the journal nor the file can grow.
        truncate(folder.file("spool.db-journal"), 0)
        let filler = [UInt8](repeating: 1, count: 4_096)
        let file = open(folder.file("filler"), O_WRONLY | O_CREAT, 0o600)
        while write(file, filler, filler.count) > 0 {}
        close(file)

        let complaints = Mailbox()
        let digester = try Digester(
            spool: bench.spool,
            verification: Verification(herald: bench.herald, signatures: nil),
            logger: Logger(label: "test") { _ in Complaints(text: complaints) },
            isStored: {}
        )
        let work = Task { await digester.run() }
        digester.bytesArrived(outcome.arrived)
        try await eventually { complaints.messages.contains { $0.topic.contains("could not be") } }
        #expect(try await bench.transfer()?.state == .receiving)
        try FileManager.default.removeItem(atPath: folder.file("filler"))
        try await eventually(within: .seconds(15)) { try await bench.transfer()?.state == .held }
        work.cancel()
        await work.value
        digester.close()
    }
}
