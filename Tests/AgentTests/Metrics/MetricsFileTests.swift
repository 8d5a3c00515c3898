import Broker
import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Agent

@Suite("The metrics file")
struct MetricsFileTests {
    @Test("It is replaced whole, and readable for others")
    func replaced() throws {
        let folder = try TemporaryFolder("metrics")
        let path = folder.file("otaferry.prom")
        try MetricsFile.write("one\n", to: path)
        let first = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
        try MetricsFile.write("two\n", to: path)
        let second = try FileManager.default.attributesOfItem(atPath: path)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "two\n")
        #expect(second[.systemFileNumber] as? Int != first)
        #expect(second[.posixPermissions] as? Int == 0o644)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["otaferry.prom"])
    }

    @Test("A folder that is not there is an error with the system's words")
    func unwritable() {
        #expect(throws: FileText.Failure.self) { try MetricsFile.write("x", to: "/nowhere/otaferry.prom") }
    }

    @Test("Totals add up, and the process knows what it takes")
    func totals() throws {
        let totals = Totals()
        totals.stored(10)
        totals.stored(5)
        totals.sent(3)
        totals.attempted()
        for state in [TransferState.registered, .failed, .failed, .stored] { totals.entered(state) }
        #expect(totals.json["stored"]?.integer == 15)
        #expect(totals.json["sent"]?.integer == 3)
        #expect(totals.json["attempts"]?.integer == 1)
        #expect(totals.json["registered"]?.integer == 1)
        #expect(totals.json["failed"]?.integer == 2)
        #expect(try #require(ProcessFigures.residentBytes) > 1_000_000)
        #expect(try #require(ProcessFigures.writtenBytes) >= 0)
    }

    @Test("thin-edge.io is told what is news, and again when the broker may have said otherwise")
    func health() throws {
        let sign = HealthSign()
        let up = try #require(sign.message(isUp: true, at: WallTime(milliseconds: 5_000)))
        #expect(up.isRetained)
        #expect(up.topic == "te/device/main/service/otaferry/status/health")
        let json = try JSONValue(parsing: up.payload)
        #expect(json["status"]?.string == "up")
        #expect(json["time"]?.integer == 5)
        #expect(json["pid"]?.integer == Int64(getpid()))
        #expect(sign.message(isUp: true) == nil)
        #expect(sign.message(isUp: false) != nil)
        #expect(sign.message(isUp: false) == nil)
        sign.forget()
        #expect(sign.message(isUp: false) != nil)
        #expect(String(decoding: HealthSign.down.payload, as: UTF8.self) == #"{"status":"down"}"#)
    }
}
