import Foundation
import TestSupport
import Testing

@Suite("What tests are made of works")
struct TestSupportTests {
    @Test("No two tests are given the same port")
    func ports() throws {
        let ports = try (0..<1_000).map { _ in try LoopbackSocket.freePort() }
        #expect(Set(ports).count == ports.count)
    }

    @Test("A program's output, ending and signals are seen")
    func programs() async throws {
        let echo = try await ProgramRunner.run("sh", ["-c", "echo one; echo two >&2; exit 3"])
        #expect(echo.ending == .exited(3))
        #expect(echo.lines() == ["one"])
        #expect(echo.lines(.errors) == ["two"])
        let sleeping = try ProgramRunner("sh", ["-c", "echo ready; exec sleep 100"])
        try await sleeping.waitForLine(containing: "ready")
        await #expect(throws: TestSupportError.self) { try await sleeping.waitForExit(within: .milliseconds(50)) }
        #expect(sleeping.peakResidentBytes ?? 0 > 0)
        #expect(try await sleeping.stop() == .killed(signal: SIGTERM))
        let folder = try TemporaryFolder()
        let inside = try await ProgramRunner.run("cat", input: folder.write("text\n", to: "input"))
        #expect(inside.text() == "text\n")
        let elsewhere = try ProgramRunner("pwd", folder: folder.path)
        try await elsewhere.waitForLine(containing: folder.path)
    }

    @Test("A program ends when the test lets go of it")
    func letGo() async throws {
        var runner: ProgramRunner? = try ProgramRunner("sleep", ["100"])
        let processID = try #require(runner).processID
        #expect(kill(processID, 0) == 0)
        runner = nil
        try await eventually { kill(processID, 0) != 0 }
    }

    @Test("A program without the line that is waited for says what it wrote instead")
    func noLine() async throws {
        let program = try ProgramRunner("sh", ["-c", "echo something else"])
        let error = await #expect(throws: TestSupportError.self) { try await program.waitForLine(containing: "ready") }
        #expect(error?.description.contains("something else") == true)
    }

    @Test(
        "A message goes through a real broker, with its payload and properties as they were",
        arguments: MQTTProbe.versions
    )
    func broker(version: MQTTProbe.Version) async throws {
        let broker = try await MosquittoBroker()
        let probe = try await MQTTProbe(port: broker.port, version: version)
        let payload = TemporaryFolder.bytes(70_000)
        let properties = version == .v5 ? [["response-topic", "r/1"], ["correlation-data", "c1"]] : []
        try await MQTTProbe.publish(
            port: broker.port,
            topic: "a/b c",
            payload,
            version: version,
            properties: properties
        )
        try await MQTTProbe.publish(port: broker.port, topic: "a/empty", [])
        let message = try await probe.waitFor(topic: "a/b c")
        #expect(message.payload == payload)
        #expect(message.qos == 1)
        #expect(message.responseTopic == (version == .v5 ? "r/1" : ""))
        #expect(message.correlationData == (version == .v5 ? "c1" : ""))
        #expect(try await probe.waitFor(topic: "a/empty").payload.isEmpty)
        await #expect(throws: TestSupportError.self) {
            try await probe.waitFor(topic: "other", within: .milliseconds(20))
        }
    }

    @Test("A broker keeps what it has to over a restart on its port, and knows its users")
    func persistence() async throws {
        let broker = try await MosquittoBroker(access: .users(["ci": "secret", "ops": "other"]), persistence: .on)
        let login = MQTTProbe.Login("ci", "secret")
        await #expect(throws: TestSupportError.self) {
            try await MQTTProbe.publish(port: broker.port, topic: "kept", text: "x")
        }
        try await MQTTProbe.publish(port: broker.port, topic: "kept", text: "value", retained: true, login: login)
        try await broker.restart()
        let probe = try await MQTTProbe(port: broker.port, login: .init("ops", "other"))
        let message = try await probe.waitFor(topic: "kept")
        #expect(message.text == "value")
        #expect(message.isRetained)
        try await broker.kill()
        #expect(!LoopbackSocket.isOpen(broker.port))
    }

    @Test("The proxy tells when each packet passed, and can hold and cut connections", arguments: MQTTProbe.versions)
    func proxy(version: MQTTProbe.Version) async throws {
        let broker = try await MosquittoBroker()
        let proxy = try RecordingProxy(target: broker.port)
        let probe = try await MQTTProbe(port: proxy.port, topics: ["t"], version: version, clientID: "the-probe")
        proxy.pause([.toServer])
        try await MQTTProbe.publish(port: broker.port, topic: "t", text: "hello", version: version)
        try await probe.waitFor(topic: "t")
        #expect(proxy.recording(clientID: "the-probe")?.packets(.toServer).contains { $0.kind == .puback } == false)
        proxy.resume()
        let recording = try await firstValue {
            proxy.recording(clientID: "the-probe").flatMap { recording in
                recording.packets(.toServer).contains { $0.kind == .puback } ? recording : nil
            }
        }
        #expect(recording.packets(.toServer).prefix(2).map(\.kind) == [.connect, .subscribe])
        let publish = try #require(recording.packets(.toClient).first { $0.kind == .publish })
        let acknowledgement = try #require(recording.packets(.toServer).first { $0.kind == .puback })
        #expect(publish.topic == "t")
        #expect(publish.qos == 1)
        #expect(acknowledgement.packetID == publish.packetID)
        #expect(acknowledgement.time > publish.time)
        proxy.refuse()
        proxy.cut()
        try await eventually { proxy.recordings.allSatisfy(\.isClosed) }
        await #expect(throws: TestSupportError.self) {
            try await MQTTProbe.publish(port: proxy.port, topic: "t", text: "x", version: version)
        }
        proxy.accept()
        try await MQTTProbe.publish(port: proxy.port, topic: "t", text: "x", version: version)
    }

    @Test("A stream is cut into the same packets in whatever pieces it comes")
    func splitter() {
        var stream: [UInt8] = [0x10, 0x0D, 0, 4] + Array("MQTT".utf8) + [4, 2, 0, 60, 0, 1] + Array("c".utf8)
        stream += [0x32, 0x87, 0x01, 0, 3] + Array("a/b".utf8) + [0x12, 0x34] + Array(repeating: 7, count: 128)
        stream += [0x40, 2, 0x12, 0x34, 0x40, 3, 0x12, 0x35, 0x10, 0xC0, 0]
        for size in 1...stream.count {
            var splitter = MQTTPacketSplitter()
            let packets = stride(from: 0, to: stream.count, by: size).flatMap { start in
                splitter.feed(Array(stream[start..<min(start + size, stream.count)]), at: .now)
            }
            #expect(packets.map(\.kind) == [.connect, .publish, .puback, .puback, .pingreq])
            #expect(packets.map(\.packetID) == [nil, 0x1234, 0x1234, 0x1235, nil])
            #expect(packets.map(\.reasonCode) == [nil, nil, nil, 0x10, nil])
            #expect(packets.first?.clientID == "c")
            #expect(packets.map(\.size).reduce(0, +) == stream.count)
        }
    }
}

extension MQTTProbe {
    fileprivate static let versions = [Version.v311, .v5]
}
