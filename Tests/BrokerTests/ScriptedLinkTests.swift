import FerryCore
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Broker

@Suite("A connection to a broker that misbehaves")
struct ScriptedLinkTests {
    @Test(
        "A broker that says no is told from one that is away",
        arguments: [
            (0x86, .notAuthorized), (0x87, .notAuthorized), (0x85, .refused), (0x88, .refused), (0x89, .refused),
            (0x8A, .refused),
            (0x97, .refused), (0x9F, .refused),
        ] as [(UInt8, LinkError.Code)]
    )
    func refusals(code: UInt8, expected: LinkError.Code) async throws {
        let peer = try ScriptedPeer { client, _ in
            client.readConnect()
            client.write([0x20, 3, 0, code, 0])
            client.readToEnd()
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port))
        try await eventually { bench.refusals.count > 1 }
        let error = try #require(bench.refusals.first)
        #expect(error.code == expected && error.number == Int32(code) && error.text.contains("link-under-test"))
        #expect(bench.welcomes.isEmpty && bench.losses.isEmpty)
        await bench.link.stop()
    }

    @Test("A second client of the same name is told from a broken connection")
    func takenOver() async throws {
        let peer = try ScriptedPeer { client, _ in
            client.welcome()
            // DISCONNECT with the reason "session taken over", as later versions of Mosquitto send it.
            client.write([0xE0, 2, 0x8E, 0])
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port))
        try await eventually { bench.losses.contains { $0.code == .takenOver && $0.text.contains("link-under-test") } }
        await bench.link.stop()
    }

    @Test(
        "A broker without MQTT 5 is spoken to in 3.1.1, and its refusals are understood",
        arguments: [
            (0, nil), (2, .refused), (3, .refused), (4, .notAuthorized), (5, .notAuthorized),
        ] as [(UInt8, LinkError.Code?)]
    )
    func fallsBack(code: UInt8, expected: LinkError.Code?) async throws {
        let levels = Levels()
        let peer = try ScriptedPeer { client, _ in
            let level = client.readConnect()
            levels.append(level)
            client.write([0x20, 2, 0, level == 5 ? 1 : code])
            guard level == 4, code == 0, let packet = client.read() else { return }
            client.write([0x90, 3, packet.body[0], packet.body[1], 1])
            client.write([0x32, 9] + [0, 4] + Array("in/x".utf8) + [0, 7] + [0x21])
            client.readToEnd()
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port))
        if let expected {
            try await eventually { bench.refusals.count > 1 }
            #expect(bench.refusals.first?.code == expected)
            #expect(Array(levels.all.prefix(3)) == [5, 4, 4])
        } else {
            try await bench.connected()
            #expect(bench.welcomes.first?.protocolVersion == 4)
            try await eventually { bench.texts == ["!"] }
            #expect(bench.losses.isEmpty && bench.refusals.isEmpty)
        }
        await bench.link.stop()
    }

    @Test("A broker that hangs up on MQTT 5 without a word is spoken to in 3.1.1")
    func fallsBackAfterHangUps() async throws {
        let peer = try ScriptedPeer { client, _ in
            guard client.readConnect() == 4 else { return }
            client.write([0x20, 2, 0, 0])
            guard let packet = client.read(), packet.first == 0x82 else { return }
            client.write([0x90, 3, packet.body[0], packet.body[1], 1])
            client.readToEnd()
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port))
        try await bench.connected()
        #expect(bench.welcomes.first?.protocolVersion == 4)
        #expect(!bench.losses.isEmpty)
        await bench.link.stop()
    }

    @Test("A trial of 3.1.1 leaves alone what the broker keeps, and acknowledges nothing")
    func trialTouchesNothing() async throws {
        let trials = Mutex<[[UInt8]]>([])
        let peer = try ScriptedPeer { client, _ in
            guard let connect = client.read(), connect.body.count > 9, connect.body[6] == 4,
                trials.withLock({ $0.isEmpty })
            else { return }
            // CONNACK and a message in one piece, as a broker sends them that has kept some.
            client.write([0x20, 2, 0, 0] + [0x32, 9] + [0, 4] + Array("in/x".utf8) + [0, 7] + [0x21])
            trials.withLock { $0.append([connect.body[7]] + client.readToEnd()) }
        }
        var settings = LinkBench.settings(port: peer.port, session: .persistent(expiry: .seconds(60)))
        settings.will = OutboundMessage(topic: "will", payload: [1])
        let bench = try LinkBench(settings)
        try await eventually { !trials.withLock { $0.isEmpty } }
        let trial = try #require(trials.withLock { $0.first })
        // Connect flags: a clean session, no will.
        #expect(trial.first == 2)
        // PUBACK is 0x40.
        #expect(!trial.dropFirst().contains(0x40))
        #expect(bench.messages.isEmpty)
        await bench.link.stop()
    }

    @Test("A forwarder that hangs up until its broker is there does not make it 3.1.1", arguments: [2, 3, 4])
    func waitsForBroker(hangUps: Int) async throws {
        let levels = Levels()
        let peer = try ScriptedPeer { client, number in
            guard number >= hangUps else { return }
            let level = client.readConnect()
            levels.append(level)
            client.write(level == 5 ? [0x20, 3, 0, 0, 0] : [0x20, 2, 0, 0])
            guard let packet = client.read(), packet.first == 0x82 else { return }
            client.write([0x90, 4, packet.body[0], packet.body[1], 0, 1])
            client.readToEnd()
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port))
        try await bench.connected()
        #expect(bench.welcomes.map(\.protocolVersion) == [5])
        #expect(levels.all.last == 5)
        await bench.link.stop()
    }

    private final class Levels: Sendable {
        private let levels = Mutex<[UInt8]>([])
        func append(_ level: UInt8) { levels.withLock { $0.append(level) } }
        var all: [UInt8] { levels.withLock { $0 } }
    }

    @Test(
        "A subscription that is refused ends the connection where it is needed, and only there",
        arguments: [true, false]
    )
    func refusedSubscription(isRequired: Bool) async throws {
        let peer = try ScriptedPeer { client, _ in
            client.welcome(grant: 0x87)
            client.readToEnd()
        }
        var settings = LinkBench.settings(port: peer.port)
        settings.subscriptions = [Subscription("in/#", retained: .send, need: isRequired ? .required : .optional)]
        let bench = try LinkBench(settings)
        if isRequired {
            try await eventually { bench.refusals.count > 1 }
            #expect(bench.refusals.first?.code == .subscriptionRefused)
            #expect(bench.refusals.first?.text.contains("in/#") == true)
        } else {
            try await bench.connected()
        }
        await bench.link.stop()
    }

    @Test(
        "Garbage is no reason to end: the connection comes back",
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0x00, 0x00], [0x36, 0x02, 0x00, 0x00], [0x32, 2, 0xFF, 0xFF],
            [0xE0, 2, 0x8B, 0], [0xE0, 0],
        ] as [[UInt8]]
    )
    func garbage(bytes: [UInt8]) async throws {
        let peer = try ScriptedPeer { client, number in
            client.welcome()
            if number == 0 { client.write(bytes) }
            client.readToEnd()
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port))
        try await bench.connected(2)
        #expect(bench.losses.count == 1 && bench.messages.isEmpty)
        await bench.link.stop()
    }

    @Test(
        "A peer that speaks another protocol is lost, not understood",
        arguments: ["HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-x\r\n", ""]
    )
    func otherProtocol(answer: String) async throws {
        let peer = try ScriptedPeer { client, _ in
            client.readConnect()
            client.write(Array(answer.utf8))
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port))
        try await eventually { bench.losses.count > 1 }
        #expect(bench.welcomes.isEmpty && bench.refusals.isEmpty)
        await bench.link.stop()
    }

    @Test("A broker that never answers CONNECT, or never the subscription, is given up", arguments: [true, false])
    func neverAnswers(answersConnect: Bool) async throws {
        let peer = try ScriptedPeer { client, _ in
            client.readConnect()
            if answersConnect { client.write([0x20, 3, 0, 0, 0]) }
            client.readToEnd()
        }
        var settings = LinkBench.settings(port: peer.port)
        settings.handshakeLimit = .milliseconds(100)
        let bench = try LinkBench(settings)
        try await eventually { bench.losses.count > 1 }
        #expect(bench.losses.first?.code == .silent && bench.welcomes.isEmpty)
        await bench.link.stop()
    }

    @Test("A connection that is half open is given up after one and a half keep-alives")
    func halfOpen() async throws {
        let peer = try ScriptedPeer { client, number in
            client.welcome()
            client.readToEnd()
        }
        var settings = LinkBench.settings(port: peer.port)
        settings.keepAlive = .seconds(5)
        let bench = try LinkBench(settings)
        try await bench.connected()
        try await eventually(within: .seconds(20)) { !bench.losses.isEmpty && peer.count > 1 }
        let first = peer.times[0]
        let life = try #require(first.closed) - first.opened
        #expect(life > .seconds(7) && life < .seconds(12), "\(life)")
        #expect(bench.losses.first?.code == .silent)
        await bench.link.stop()
    }

    @Test("A batch that could not be stored is not acknowledged")
    func noAcknowledgement() async throws {
        let peer = try ScriptedPeer { client, number in
            client.welcome()
            client.write([0x32, 10, 0, 4] + Array("in/x".utf8) + [0, 7] + [0, 0x21])
            let seen = client.readToEnd()
            if number == 0 && seen.contains(0x40) { preconditionFailure("PUBACK came before the bytes were durable") }
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port)) { $0 == 0 ? .failed : .done }
        try await eventually { bench.texts == ["!", "!"] }
        #expect(bench.losses.count == 1)
        await bench.link.stop()
    }

    @Test("What arrived with the end of the connection is not acknowledged, and handed over when it comes again")
    func brokenInBatch() async throws {
        let peer = try ScriptedPeer { client, number in
            client.welcome()
            client.write([0x32, 10, 0, 4] + Array("in/x".utf8) + [0, 7] + [0, 0x21])
            if number > 0 { client.readToEnd() }
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port))
        try await bench.connected()
        try await eventually { bench.texts.contains("!") }
        #expect(peer.count > 1)
        await bench.link.stop()
    }

    // MARK: - Back-off

    @Test("A broker that lets us in and hangs up at once is not hammered")
    func shortLives() async throws {
        let peer = try ScriptedPeer { client, _ in client.welcome() }
        var settings = LinkBench.settings(port: peer.port)
        settings.backoff = Backoff(minimum: .milliseconds(20), maximum: .seconds(60))
        let bench = try LinkBench(settings)
        try await eventually { peer.count > 6 }
        let intervals = peer.intervals
        for (index, ceiling) in [20, 40, 80, 160, 320, 640].enumerated() {
            #expect(intervals[index] >= .milliseconds(ceiling / 2 - 5), "\(intervals)")
        }
        await bench.link.stop()
    }

    @Test("A broker that takes connections and never answers is not hammered, however long each try took")
    func slowFailures() async throws {
        let peer = try ScriptedPeer { client, _ in client.readToEnd() }
        var settings = LinkBench.settings(port: peer.port)
        settings.handshakeLimit = .milliseconds(60)
        settings.soundAfter = .milliseconds(40)
        settings.backoff = Backoff(minimum: .milliseconds(20), maximum: .seconds(60))
        let bench = try LinkBench(settings)
        try await eventually(within: .seconds(30)) { peer.count > 5 }
        #expect(peer.pauses[4] >= .milliseconds(160 - 5), "\(peer.pauses)")
        await bench.link.stop()
    }

    @Test("A connection that lived for a while ends the row of failures")
    func soundLife() async throws {
        let release = DispatchSemaphore(value: 0)
        let peer = try ScriptedPeer { client, number in
            if number < 6 { return }
            client.welcome()
            if number == 6 { release.wait() } else { client.readToEnd() }
        }
        var settings = LinkBench.settings(port: peer.port)
        settings.soundAfter = .milliseconds(100)
        settings.backoff = Backoff(minimum: .milliseconds(20), maximum: .seconds(60))
        let bench = try LinkBench(settings)
        try await bench.connected()
        let start = ContinuousClock.now
        try await eventually { ContinuousClock.now - start > .milliseconds(150) }
        release.signal()
        try await bench.connected(2)
        // Without the reset it would be 640 ms at least.
        #expect(try #require(peer.pauses.last) < .milliseconds(600), "\(peer.pauses)")
        await bench.link.stop()
    }

    // MARK: - The end

    @Test("Stopping does not wait for a broker that does not answer", arguments: [true, false])
    func stopsInTime(isWelcome: Bool) async throws {
        let peer = try ScriptedPeer { client, _ in
            if isWelcome { client.welcome() }
            client.readToEnd()
        }
        let bench = try LinkBench(LinkBench.settings(port: peer.port))
        if isWelcome { try await bench.connected() } else { try await eventually { peer.count > 0 } }
        let start = ContinuousClock.now
        await bench.link.stop(farewell: [OutboundMessage(topic: "bye", payload: [1])])
        #expect(ContinuousClock.now - start < .seconds(15))
        #expect(!bench.link.publish(OutboundMessage(topic: "x", payload: [])) || isWelcome)
    }

    @Test("Stopping ends the wait between two attempts")
    func stopsInPause() async throws {
        var settings = LinkBench.settings(port: try LoopbackSocket.freePort())
        settings.name = "pausing"
        settings.backoff = Backoff(minimum: .seconds(600), maximum: .seconds(600))
        let bench = try LinkBench(settings)
        try await eventually { !bench.losses.isEmpty }
        #expect(bench.losses.first?.code == .unreachable)
        #expect(Self.isRunning(thread: "mqtt-pausing"))
        await bench.link.stop()
        try await eventually { !Self.isRunning(thread: "mqtt-pausing") }
    }

    private static func isRunning(thread name: String) -> Bool {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        return tasks.contains { task in
            (try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8)) == name + "\n"
        }
    }
}
