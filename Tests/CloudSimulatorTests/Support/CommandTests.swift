import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

@Suite("otaferry-cloud")
struct CommandTests {
    @Test(
        "It says when it is ready and what it was asked, plays faults, and ends on a signal",
        arguments: [SIGTERM, SIGINT]
    )
    func run(signal: Int32) async throws {
        let folder = try TemporaryFolder()
        let program = try ProgramRunner(
            "otaferry-cloud",
            [
                "--port", "0", "--folder", folder.file("cloud"), "--port-file", folder.file("port"), "--access-key",
                "me:mine", "--fault", "throttle@ticket",
            ]
        )
        let ready = try await program.waitForLine(containing: "ready at http://127.0.0.1:")
        #expect(ready.contains("access key me, secret mine"))
        let port = try String(contentsOfFile: folder.file("port"), encoding: .utf8).trimmingCharacters(in: .newlines)
        #expect(ready.contains(":\(port)/"))
        let client = CloudClient(endpoint: "http://127.0.0.1:\(port)/")
        let signing = CloudClient.Signing(id: "me", secret: "mine")
        #expect(try await client.call("GenerateOTAUploadURL", [:], signing).code == "Throttling.User")
        #expect(try await client.call("GenerateOTAUploadURL", [:], .init(id: "me", secret: "mine")).status == 200)
        try await program.waitForLine(containing: "#1 GenerateOTAUploadURL 400 Throttling.User")
        try await program.waitForLine(containing: "#2 GenerateOTAUploadURL 200")
        program.send(signal)
        #expect(try await program.waitForExit() == .exited(0))
    }

    @Test("With --json every line is an object")
    func json() async throws {
        let folder = try TemporaryFolder()
        let program = try ProgramRunner("otaferry-cloud", ["--port", "0", "--folder", folder.path, "--json"])
        let ready = try await program.waitForLine { $0.hasPrefix("{") }
        let object = try JSONSerialization.jsonObject(with: Data(ready.utf8)) as? [String: Any]
        let endpoint = try #require(object?["endpoint"] as? String)
        _ = try await CloudClient(endpoint: endpoint).ticket()
        let call = try await program.waitForLine(containing: "GenerateOTAUploadURL")
        let record = try JSONSerialization.jsonObject(with: Data(call.utf8)) as? [String: Any]
        #expect(record?["status"] as? Int == 200)
    }

    @Test("A fault that is none is refused with the exit code for usage")
    func usage() async throws {
        let program = try await ProgramRunner.run("otaferry-cloud", ["--fault", "nonsense"])
        #expect(program.ending == .exited(64))
        #expect(program.text(.errors).contains("There is no fault nonsense"))
    }

    @Test("A port that is taken is said at once, with what to do")
    func takenPort() async throws {
        let test = try await TestCloud()
        let port = try #require(test.cloud.port)
        let folder = try TemporaryFolder()
        let program = try await ProgramRunner.run(
            "otaferry-cloud",
            ["--port", "\(port)", "--folder", folder.path],
            within: .seconds(5)
        )
        #expect(program.ending == .exited(1))
        #expect(program.text(.errors).contains("port \(port)"))
        #expect(program.text(.errors).contains("port 0 takes a free one"))
    }

    @Test("Without --folder nothing stays behind")
    func temporaryFolder() async throws {
        let folder = try TemporaryFolder()
        let program = try ProgramRunner("otaferry-cloud", ["--port", "0"], environment: ["TMPDIR": folder.path])
        try await program.waitForLine(containing: "folder \(folder.path)/otaferry-cloud-")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)
        program.send(SIGTERM)
        #expect(try await program.waitForExit() == .exited(0))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
}
