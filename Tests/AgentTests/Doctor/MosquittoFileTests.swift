import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Agent

@Suite("What doctor reads in Mosquitto's files")
struct MosquittoFileTests {
    private static func grades(_ text: String, version: MosquittoVersion? = nil) -> [DoctorCheck: Finding.Grade] {
        let findings = MosquittoSettings(text: text).findings(version: version)
        return Dictionary(findings.map { ($0.check, $0.grade) }) { first, _ in first }
    }

    private static let old = MosquittoVersion(2, 0, 11)
    private static let new = MosquittoVersion(2, 0, 23)

    @Test(
        "Each setting is judged by what it does to firmware",
        arguments: [
            ("", .brokerQueue, .warning), ("max_queued_messages 0", .brokerQueue, .error),
            ("max_queued_messages 200", .brokerQueue, .error), ("max_queued_messages 100000", .brokerQueue, .ok),
            ("max_queued_messages 100000\nmax_queued_bytes 1000000", .brokerQueue, .warning),
            ("max_queued_messages 100000\nmax_queued_bytes 268435456", .brokerQueue, .ok),
            ("# max_queued_messages 100000", .brokerQueue, .warning), ("", .brokerPersistence, .warning),
            ("persistence true", .brokerPersistence, .warning),
            ("persistence true\nautosave_interval 0", .brokerPersistence, .warning),
            ("persistence true\nautosave_interval 60", .brokerPersistence, .ok),
            ("persistence true\nautosave_on_changes true\nautosave_interval 100", .brokerPersistence, .ok),
            ("global_plugin /usr/lib/mosquitto_persist_sqlite.so", .brokerPersistence, .ok),
            ("", .brokerListeners, .ok), ("per_listener_settings true", .brokerListeners, .warning),
            ("", .brokerSessions, .ok), ("persistent_client_expiration 14d", .brokerSessions, .ok),
            ("persistent_client_expiration 2h", .brokerSessions, .warning),
        ] as [(String, DoctorCheck, Finding.Grade)]
    )
    func settings(text: String, check: DoctorCheck, grade: Finding.Grade) {
        #expect(Self.grades(text, version: Self.old)[check] == grade)
    }

    @Test("per_listener_settings is harmless from the version on that keeps sessions with it")
    func versionMatters() {
        #expect(Self.grades("per_listener_settings true", version: Self.new)[.brokerListeners] == .ok)
        #expect(Self.grades("per_listener_settings true", version: nil)[.brokerListeners] == .warning)
    }

    @Test("Included folders are read in the order of their names, and a later line wins")
    func inclusion() throws {
        let folder = try TemporaryFolder("doctor-files")
        try FileManager.default.createDirectory(atPath: folder.file("conf.d"), withIntermediateDirectories: true)
        try folder.write("max_queued_messages 1\n", to: "conf.d/10-a.conf")
        try folder.write("  max_queued_messages   77777  \n", to: "conf.d/20-b.conf")
        try folder.write("max_queued_messages 3\n", to: "conf.d/30-c.conf.off")
        let file = try folder.write("persistence true\ninclude_dir \(folder.file("conf.d"))\n", to: "mosquitto.conf")
        let settings = try #require(MosquittoSettings(path: file, host: HostFiles()))
        #expect(settings.number("max_queued_messages", default: 0) == 77_777)
        #expect(settings.flag("persistence", default: false))
        #expect(settings.files.count == 3)
        #expect(MosquittoSettings(path: folder.file("none"), host: HostFiles()) == nil)
    }

    @Test(
        "Versions are read, and each is judged by what is known of it",
        arguments: [
            ("mosquitto version 1.5.7", .error), ("mosquitto version 1.6.12", .warning),
            ("mosquitto version 2.0.11", .note), ("mosquitto version 2.0.15", .ok),
            ("mosquitto version 2.0.21", .note), ("mosquitto version 2.1.2", .ok), ("mosquitto version 2.1.0-rc1", .ok),
        ] as [(String, Finding.Grade)]
    )
    func versions(text: String, grade: Finding.Grade) throws {
        let version = try #require(MosquittoVersion(status: text))
        #expect(version.findings.map(\.grade) == [grade])
    }

    @Test("Another broker's version is none", arguments: ["", "emqx 5.8", "mosquitto", "mosquitto version x"])
    func otherBrokers(text: String) { #expect(MosquittoVersion(status: text) == nil) }

    // MARK: - The access list

    private static let shipped =
        (try? String(contentsOfFile: packageDirectory + "/packaging/mosquitto/otaferry.acl", encoding: .utf8)) ?? ""

    private static func rights(_ text: String) -> [DoctorCheck: Finding.Grade] {
        let findings = MosquittoAccessList(text: text).findings(
            user: "otaferry",
            root: "otaferry/v1/gw1",
            isFileTransferEnabled: true
        )
        return Dictionary(findings.map { ($0.check, $0.grade) }) { first, _ in first }
    }

    @Test("The shipped access list has no fault")
    func shippedList() {
        #expect(Self.rights(Self.shipped) == [.brokerRights: .ok, .brokerFiles: .ok, .brokerSenders: .ok])
    }

    private static let agent = "user otaferry\ntopic readwrite otaferry/v1/#\n"

    @Test(
        "Each hole of an access list is found",
        arguments: [
            ("user otaferry\ntopic readwrite #\npattern write otaferry/v1/+/in/%u/#", .brokerFiles, .error),
            ("user otaferry\ntopic read otaferry/v1/#", .brokerRights, .error),
            ("user otaferry\ntopic write otaferry/v1/#", .brokerRights, .error),
            ("user somebody\ntopic readwrite #", .brokerRights, .error),
            (agent + "topic deny otaferry/v1/gw1/cmd/#", .brokerRights, .error),
            (agent + "topic read $file/#\ntopic read $file-async/#", .brokerFiles, .note),
            ("topic write otaferry/v1/+/cmd/#\n" + agent, .brokerSenders, .warning),
            ("pattern write otaferry/v1/+/in/#\n" + agent, .brokerSenders, .warning),
            ("pattern write otaferry/v1/+/in/%u/#\n" + agent, .brokerSenders, .ok),
        ] as [(String, DoctorCheck, Finding.Grade)]
    )
    func holes(text: String, check: DoctorCheck, grade: Finding.Grade) { #expect(Self.rights(text)[check] == grade) }

    @Test("Whoever may write everything is told of all that this means")
    func severalHoles() {
        let findings = MosquittoAccessList(text: "pattern readwrite otaferry/v1/#\n" + Self.agent).findings(
            user: "otaferry",
            root: "otaferry/v1/gw1",
            isFileTransferEnabled: false
        )
        let words = [
            "everybody write otaferry/v1/gw1/cmd/#", "write as another one", "everybody write otaferry/v1/gw1/state/#",
        ]
        let told = findings.filter { $0.check == .brokerSenders }.map(\.text)
        #expect(told.count == words.count && zip(told, words).allSatisfy { $0.contains($1) }, "\(told)")
    }

    @Test(
        "A filter covers what the broker says it covers",
        arguments: [
            ("#", "a/b", true), ("#", "$file/a", false), ("$file/#", "$file/a/b", true), ("a/#", "a", true),
            ("a/+", "a/b", true), ("a/+", "a/b/c", false), ("a/+", "a", false), ("+/b", "a/b", true),
            ("+/x", "$file/x", false), ("a/b", "a/b", true), ("a/b", "a/c", false),
        ]
    )
    func filters(filter: String, topic: String, isCovered: Bool) {
        #expect(MosquittoAccessList.covers(filter, topic) == isCovered)
    }

    @Test(
        "A file is that of the broker in question where it has its listener",
        arguments: [
            ("", 1_883, true), ("", 8_883, false), ("listener 8883 0.0.0.0", 8_883, true),
            ("listener 8883", 1_883, false),
            ("port 1884\nlistener 8883", 1_884, true), ("listener 0 /run/m.sock\nlistener 1883", 1_883, true),
        ]
    )
    func listeners(text: String, port: Int, isIts: Bool) {
        #expect(MosquittoSettings(text: text).listens(on: port) == isIts)
    }
}
