import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// What does not fit is refused before a byte of any file goes out, and nothing of it is left.
    @Suite("The files of a package are taken together")
    struct PackageAdmissionTests {
        private func words(_ gateway: Gateway, _ files: [String: TestFirmware], _ more: [String] = []) throws
            -> [String]
        {
            let paths = try files.map { try gateway.folder.write($1.bytes, to: $0) }
            return ["push"] + paths + ["--product", "pumpctl", "--version", "2.0.0"] + more
        }

        /// The transfers that are neither registered nor gone, as "file state".
        private func waiting(_ gateway: Gateway) async throws -> [String] {
            let list = try await Person(gateway: gateway).run(["list", "--json"])
            let states = try JSONValue(parsing: Array(list.text().utf8))["states"]?.array ?? []
            return states.filter { $0["state"]?.string != "registered" }
                .map { "\($0["file"]?.string ?? "") \($0["state"]?.string ?? "")" }
        }

        private func segments(_ listener: MQTTClient) -> [String] {
            listener.messages.map(\.topic).filter { Int64($0.split(separator: "/").last ?? "") != nil }
        }

        @Test("One file rebuilt under the old version is refused before any is sent, again and again")
        func rebuilt() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            var files = [
                "app.bin": TestFirmware(1_000), "boot.bin": TestFirmware(2_000), "root.bin": TestFirmware(3_000),
            ]
            let first = try await person.run(try words(gateway, files))
            #expect(first.ending == .exited(0), "\(first.story)")
            files["root.bin"] = TestFirmware(3_000, seed: 9)
            let listener = try await MQTTClient(port: gateway.broker.port, topics: ["\(Gateway.root)/in/#"])
            for _ in 0..<2 {
                let push = try await person.run(try words(gateway, files, ["--json"]))
                #expect(push.ending == .exited(1), "\(push.story)")
                let end = try JSONValue(parsing: Array((push.lines().last ?? "").utf8))
                #expect(end["code"]?.string == "version-exists", "\(push.story)")
                let names = end["transfers"]?.array?.compactMap { $0["file"]?.string }
                #expect(names == ["app.bin", "boot.bin", "root.bin"], "\(push.story)")
                #expect(end["transfers"]?.array?.allSatisfy { $0["state"] == nil } == true, "\(push.story)")
                #expect(try await waiting(gateway) == [], "\(push.story)")
            }
            #expect(segments(listener) == [])
            // What another push has opened of the same file is its own.
            let opened = try #require(listener.messages.last { $0.json?["name"]?.string == "app.bin" })
            let id = try #require(opened.topic.split(separator: "/").dropLast().last)
            try await gateway.ask(String(id), "init", opened.payload)
            let last = try await person.run(try words(gateway, files))
            #expect(last.ending == .exited(1), "\(last.story)")
            #expect(try await waiting(gateway) == ["app.bin receiving"])
        }

        @Test("Another file in the place of one that is registered is refused so too")
        func exchanged() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let files = ["s.bin": TestFirmware(1_000), "t.tar.gz": TestFirmware(2_000)]
            let first = try await person.run(try words(gateway, files))
            #expect(first.ending == .exited(0), "\(first.story)")
            let others = ["s.bin": TestFirmware(1_000), "a.bin": TestFirmware(500, seed: 5)]
            let push = try await person.run(try words(gateway, others))
            #expect(push.ending == .exited(1), "\(push.story)")
            #expect(try await waiting(gateway) == [], "\(push.story)")
        }

        @Test("Files that were stored before are named with the commands that end them")
        func storedBefore() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let files = ["app.bin": TestFirmware(1_000), "boot.bin": TestFirmware(8_000_000, seed: 3)]
            let words = try words(gateway, files, ["--segment", "4KiB", "--json"])
            let push = try person.start(words)
            try await push.waitForLine { $0.contains("\"state\":\"stored\"") }
            try await push.kill()
            let begins = try push.lines().map { try JSONValue(parsing: Array($0.utf8)) }
            let ids = begins.filter { $0["event"]?.string == "begin" }.compactMap { $0["id"]?.string }
            try #require(ids.count == 2)
            try await gateway.ask(ids[1], "abort")
            let other = TestFirmware(3_000, seed: 7)
            try await gateway.send("put/pumpctl/2.0.0", other.bytes)
            try await gateway.waitForState(.registered, of: other.oneShotID)
            let again = try await person.run(words.dropLast())
            #expect(again.ending == .exited(1), "\(again.story)")
            #expect(again.text(.errors).contains("in vain: otaferry cancel ci/\(ids[0])"), "\(again.story)")
            #expect(try await waiting(gateway) == ["app.bin stored"])
        }

        @Test("A package may have more files than transfers may be open")
        func tooMany() async throws {
            let gateway = try await Gateway { $0.settings["intake.open-transfers-max"] = "2" }
            let files = (0..<4).map { ("\($0).bin", TestFirmware(1_000 + $0, seed: UInt64($0))) }
            let words = try words(gateway, Dictionary(uniqueKeysWithValues: files))
            let push = try await Person(gateway: gateway).run(words)
            #expect(push.ending == .exited(0), "\(push.story)")
        }

        @Test("A package that the spool has no room for as a whole is refused as a whole")
        func noRoom() async throws {
            let gateway = try await Gateway { $0.settings["spool.quota"] = "64MiB" }
            let files = (0..<3).map { ("\($0).bin", TestFirmware(30_000_000, seed: UInt64($0))) }
            let words = try words(gateway, Dictionary(uniqueKeysWithValues: files))
            let push = try await Person(gateway: gateway).run(words)
            #expect(push.ending == .exited(1) && push.text(.errors).contains("no-room"), "\(push.story)")
            #expect(try await waiting(gateway) == [])
        }

        @Test("A sender that may read neither states nor status sends a package too")
        func blind() async throws {
            let folder = try TemporaryFolder("acl")
            let acl = try folder.write(
                "topic readwrite #\nuser ci\ntopic write otaferry/v1/+/in/ci/#\ntopic read otaferry/v1/+/out/ci/#\n"
                    + "user otaferry\ntopic readwrite #\n",
                to: "acl"
            )
            defer { _ = folder }
            let gateway = try await Gateway { $0.brokerConfiguration = "acl_file \(acl)" }
            let files = ["app.bin": TestFirmware(1_000), "boot.bin": TestFirmware(2_000)]
            let push = try await Person(gateway: gateway).run(try words(gateway, files, ["--username", "ci"]))
            #expect(push.ending == .exited(0), "\(push.story)")
        }
    }
}
