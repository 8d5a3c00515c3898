import FerryCore
import Foundation
import Synchronization
import TestSupport
import Testing
import Threads

@testable import Broker

@Suite("A connection to Mosquitto")
struct MosquittoLinkTests {
    @Test("Messages come with their MQTT 5 properties, and go with them")
    func properties() async throws {
        let broker = try await MosquittoBroker()
        let bench = try LinkBench(LinkBench.settings(port: broker.port))
        try await bench.connected()
        let welcome = try #require(bench.welcomes.first)
        #expect(welcome.protocolVersion == 5 && !welcome.sessionIsPresent)
        try await MQTTProbe.publish(
            port: broker.port,
            topic: "in/a",
            text: "hello",
            properties: [
                ["response-topic", "back"], ["correlation-data", "c1"], ["user-property", "module", "m"],
                ["user-property", "module", "ü"],
            ]
        )
        try await MQTTProbe.publish(port: broker.port, topic: "in/b", [], version: .v311)
        try await eventually { bench.messages.count == 2 }
        let message = bench.messages[0]
        #expect(message.topic == "in/a" && message.payload == Array("hello".utf8) && !message.isRetained)
        #expect(message.properties.responseTopic == "back" && message.properties.correlationData == Array("c1".utf8))
        #expect(
            message.properties.userProperties == [.init(name: "module", value: "m"), .init(name: "module", value: "ü")]
        )
        #expect(bench.messages[1].properties == MessageProperties() && bench.messages[1].payload.isEmpty)

        let probe = try await MQTTProbe(port: broker.port, topics: ["out/#"])
        var answer = OutboundMessage(topic: "out/x", payload: Array("answer".utf8), receipt: 5)
        answer.correlationData = Array("c2".utf8)
        answer.responseTopic = "again"
        #expect(bench.link.publish(answer))
        let seen = try await probe.waitFor(topic: "out/x")
        #expect(seen.text == "answer" && seen.correlationData == "c2" && seen.responseTopic == "again" && seen.qos == 1)
        try await eventually { bench.receipts[5] == 0 }
        await bench.link.stop()
    }

    @Test("A message that nobody subscribed to, or that the broker refuses, is reported so, and the connection stays")
    func receipts() async throws {
        let rights = try TemporaryFolder("acl")
        let accessFile = try rights.write("topic readwrite in/#\ntopic write out/#\n", to: "acl")
        let broker = try await MosquittoBroker(configuration: "max_packet_size 20000\nacl_file \(accessFile)")
        let bench = try LinkBench(LinkBench.settings(port: broker.port))
        try await bench.connected()
        #expect(bench.welcomes.first?.maximumPacket == ByteCount(20_000))
        for (receipt, topic, count) in [
            (1, "out/x", 1), (2, "secret/x", 1), (3, "out/large", 30_000), (4, "out/#", 1), (5, "in/y", 1),
        ] as [(Int64, String, Int)] {
            #expect(
                bench.link.publish(
                    OutboundMessage(topic: topic, payload: [UInt8](repeating: 7, count: count), receipt: receipt)
                )
            )
        }
        try await eventually { bench.receipts.count == 5 }
        #expect(bench.receipts[1] == 16 && bench.receipts[5] == 0)
        for receipt in [2, 3, 4] as [Int64] { #expect((bench.receipts[receipt] ?? 0) >= 0x80, "\(bench.receipts)") }
        try await eventually { bench.messages.map(\.topic) == ["in/y"] }
        withExtendedLifetime(rights) {}
        #expect(bench.losses.isEmpty && bench.welcomes.count == 1)
        await bench.link.stop()
    }

    @Test("The broker keeps the session and what came meanwhile")
    func session() async throws {
        let broker = try await MosquittoBroker()
        let settings = LinkBench.settings(port: broker.port, session: .persistent(expiry: .seconds(600)))
        let first = try LinkBench(settings)
        try await first.connected()
        #expect(first.welcomes.first?.sessionIsPresent == false)
        await first.link.stop()
        for number in 0..<50 {
            try await MQTTProbe.publish(
                port: broker.port,
                topic: "in/x",
                text: "\(number)",
                version: number % 2 == 0 ? .v5 : .v311
            )
        }
        let second = try LinkBench(settings)
        try await second.connected()
        #expect(second.welcomes.first?.sessionIsPresent == true)
        try await eventually { second.texts == (0..<50).map(String.init) }
        await second.link.stop()

        let clean = try LinkBench(LinkBench.settings(port: broker.port))
        try await clean.connected()
        #expect(clean.welcomes.first?.sessionIsPresent == false)
        await clean.link.stop()
    }

    @Test("Retained messages come where they are wanted, and are told from others", arguments: [true, false])
    func retained(areWanted: Bool) async throws {
        let broker = try await MosquittoBroker()
        try await MQTTProbe.publish(port: broker.port, topic: "in/old", text: "old", retained: true)
        var settings = LinkBench.settings(port: broker.port)
        settings.subscriptions = [Subscription("in/#", retained: areWanted ? .send : .withhold)]
        let bench = try LinkBench(settings)
        try await bench.connected()
        try await MQTTProbe.publish(port: broker.port, topic: "in/kept", text: "kept", retained: true)
        try await MQTTProbe.publish(port: broker.port, topic: "in/new", text: "new")
        try await eventually { bench.texts.contains("new") }
        #expect(bench.texts == (areWanted ? ["old", "kept", "new"] : ["kept", "new"]))
        #expect(bench.messages.map(\.isRetained) == (areWanted ? [true, true, false] : [true, false]))
        await bench.link.stop()
    }

    @Test("A batch that could not be stored is delivered again")
    func redelivery() async throws {
        let broker = try await MosquittoBroker()
        let settings = LinkBench.settings(port: broker.port, session: .persistent(expiry: .seconds(600)))
        let bench = try LinkBench(settings) { $0 < 3 ? .failed : .done }
        try await bench.connected()
        try await MQTTProbe.publish(port: broker.port, topic: "in/x", text: "one")
        try await eventually { bench.texts == ["one", "one", "one", "one"] }
        #expect(bench.losses.count == 3)
        try await MQTTProbe.publish(port: broker.port, topic: "in/x", text: "two")
        try await eventually { bench.texts.last == "two" }
        #expect(bench.texts.count == 5)
        await bench.link.stop()
    }

    @Test("A clean stop says its farewell and no will; a broken connection leaves the will")
    func farewellAndWill() async throws {
        let broker = try await MosquittoBroker()
        let proxy = try RecordingProxy(target: broker.port)
        let probe = try await MQTTProbe(port: broker.port, topics: ["status"])
        var settings = LinkBench.settings(port: proxy.port)
        settings.will = OutboundMessage(topic: "status", payload: Array("will".utf8), isRetained: true)
        let bench = try LinkBench(settings)
        try await bench.connected()
        proxy.cut()
        try await bench.connected(2)
        try await probe.waitFor(topic: "status") { $0.text == "will" }
        #expect(bench.link.publish(OutboundMessage(topic: "status", payload: Array("last".utf8))))
        await bench.link.stop(farewell: [OutboundMessage(topic: "status", payload: Array("bye".utf8), isRetained: true)]
        )
        try await probe.waitFor(topic: "status", count: 3)
        try await MQTTProbe.publish(port: broker.port, topic: "status", text: "end")
        try await probe.waitFor(topic: "status") { $0.text == "end" }
        #expect(probe.messages(on: "status").map(\.text) == ["will", "last", "bye", "end"])
        let late = try await MQTTProbe(port: broker.port, topics: ["status"])
        #expect(try await late.waitFor(topic: "status").text == "bye")
    }

    @Test("A login that is refused is told from a broker that is away")
    func login() async throws {
        let broker = try await MosquittoBroker(access: .users(["gw": "right"]))
        var settings = LinkBench.settings(port: broker.port)
        for (user, password) in [(nil, nil), ("gw", "wrong"), ("gw", nil), ("nobody", "right")] as [(String?, String?)]
        {
            settings.address.username = user
            settings.address.password = password
            let bench = try LinkBench(settings)
            try await eventually { !bench.refusals.isEmpty }
            #expect(bench.refusals.first?.code == .notAuthorized, "\(String(describing: user))")
            await bench.link.stop()
        }
        settings.address.username = "gw"
        settings.address.password = "right"
        let bench = try LinkBench(settings)
        try await bench.connected()
        #expect(bench.refusals.isEmpty)
        await bench.link.stop()
    }

    @Test("A Unix socket is as good as TCP")
    func unixSocket() async throws {
        let folder = try TemporaryFolder("socket")
        let broker = try await MosquittoBroker(configuration: "listener 0 \(folder.file("mqtt"))\nallow_anonymous true")
        let bench = try LinkBench(LinkBench.settings(.unixSocket(path: folder.file("mqtt"))))
        try await bench.connected()
        try await MQTTProbe.publish(port: broker.port, topic: "in/x", text: "hello")
        try await eventually { bench.texts == ["hello"] }
        await bench.link.stop()
        let away = try LinkBench(LinkBench.settings(.unixSocket(path: folder.file("nobody"))))
        try await eventually { !away.losses.isEmpty }
        #expect(away.losses.first?.code == .unreachable && away.losses.first?.text.contains("nobody") == true)
        await away.link.stop()
    }

    @Test("It comes back after the broker was restarted, and after it was away when we started")
    func restart() async throws {
        let port = try LoopbackSocket.freePort()
        let bench = try LinkBench(LinkBench.settings(port: port))
        try await eventually { bench.losses.count > 1 }
        #expect(bench.losses.first?.code == .unreachable)
        #expect(!bench.link.publish(OutboundMessage(topic: "x", payload: [])))
        let broker = try await MosquittoBroker(port: port)
        try await bench.connected()
        try await broker.restart()
        try await bench.connected(2)
        try await broker.kill()
        try await broker.start()
        try await bench.connected(3)
        try await MQTTProbe.publish(port: port, topic: "in/x", text: "hello")
        try await eventually { bench.texts == ["hello"] }
        await bench.link.stop()
    }

    @Test("A queue that is full refuses, and its owner is told when there is room again")
    func overflow() async throws {
        let broker = try await MosquittoBroker()
        let proxy = try RecordingProxy(target: broker.port, memory: .nothing)
        var settings = LinkBench.settings(port: proxy.port)
        settings.queueLimit = (messages: 10, bytes: .mebibytes(1))
        settings.sendMaximum = 2
        let bench = try LinkBench(settings)
        try await bench.connected()
        // Without acknowledgements nothing leaves the queue but the first two.
        proxy.pause([.toClient])
        var accepted: Set<Int64> = []
        for receipt in 0..<40 as Range<Int64> {
            if bench.link.publish(OutboundMessage(topic: "out/x", payload: [1], receipt: receipt)) {
                accepted.insert(receipt)
            }
        }
        #expect(accepted.count >= 10 && accepted.count <= 12)
        #expect(!bench.isRoomTold)
        proxy.resume()
        try await eventually { bench.isRoomTold }
        try await eventually { Set(bench.receipts.keys) == accepted }
        #expect(bench.link.publish(OutboundMessage(topic: "out/x", payload: [1])))
        await bench.link.stop()
    }

    @Test("A flood of large messages is handed over in batches of the limit, none lost and none twice")
    func batches() async throws {
        let broker = try await MosquittoBroker()
        var settings = LinkBench.settings(port: broker.port)
        settings.receiveMaximum = 8
        settings.batchLimit = BatchLimit(messages: 3, bytes: .kibibytes(100))
        let bench = try LinkBench(settings)
        try await bench.connected()
        var source = LinkBench.settings(port: broker.port, id: "source")
        source.subscriptions = []
        let sender = try LinkBench(source)
        try await sender.connected()
        for number in 0..<100 {
            #expect(
                sender.link.publish(
                    OutboundMessage(topic: "in/x", payload: [UInt8(number)] + TemporaryFolder.bytes(40_000))
                )
            )
        }
        try await eventually { bench.messages.count == 100 }
        #expect(bench.messages.map { Int($0.payload[0]) } == Array(0..<100))
        #expect(bench.messages.allSatisfy { $0.payload.count == 40_001 })
        await sender.link.stop()
        await bench.link.stop()
    }
}

@Suite("The queue of a connection")
struct OutboundQueueTests {
    private func message(_ count: Int) -> OutboundMessage {
        OutboundMessage(topic: "x", payload: [UInt8](repeating: 1, count: count))
    }

    @Test("It keeps the order, over its inner housekeeping too")
    func order() {
        let queue = OutboundQueue(countLimit: 1_000, byteLimit: 1 << 20)
        #expect(!queue.append(message(1)))
        queue.open()
        var (put, taken) = (0, 0)
        for round in 1...400 {
            for _ in 0..<(round % 5) {
                #expect(queue.append(OutboundMessage(topic: "\(put)", payload: [])))
                put += 1
            }
            for _ in 0..<(round % 4) where !queue.isEmpty {
                #expect(queue.takeFirst()?.topic == "\(taken)")
                taken += 1
            }
        }
        while let message = queue.takeFirst() {
            #expect(message.topic == "\(taken)")
            taken += 1
        }
        #expect(put == taken && queue.isEmpty)
    }

    @Test("It is bounded by number and by bytes, and lets one large message through")
    func bounds() {
        let queue = OutboundQueue(countLimit: 4, byteLimit: 100)
        queue.open()
        #expect(queue.append(message(500)))
        #expect(!queue.append(message(1)))
        #expect(!queue.takeOverflow())
        _ = queue.takeFirst()
        #expect(queue.takeOverflow() && !queue.takeOverflow())
        for _ in 0..<4 { #expect(queue.append(message(10))) }
        #expect(!queue.append(message(0)))
        _ = queue.takeFirst()
        #expect(!queue.takeOverflow())
        _ = queue.takeFirst()
        _ = queue.takeFirst()
        #expect(queue.takeOverflow())
    }

    @Test("A closed one takes nothing and forgets what it had")
    func closed() {
        let queue = OutboundQueue(countLimit: 4, byteLimit: 100)
        queue.open()
        #expect(queue.append(message(1)))
        queue.close()
        #expect(queue.isEmpty && !queue.append(message(1)) && queue.takeFirst() == nil && !queue.takeOverflow())
    }

    @Test("It goes round when it is nudged: idle, and while it waits for a broker; not while a batch hangs")
    func pulse() async throws {
        let broker = try await MosquittoBroker()
        let isHeld = Mutex(true)
        let bench = try LinkBench(LinkBench.settings(port: broker.port)) { _ in
            while isHeld.withLock({ $0 }) { usleep(1_000) }
            return .done
        }
        try await bench.connected()
        func goesRound() async throws {
            let before = bench.link.pulse.count
            try await eventually("two rounds") {
                bench.link.nudge()
                return bench.link.pulse.count >= before + 2
            }
        }
        try await goesRound()
        try await MQTTProbe.publish(port: broker.port, topic: "in/a", text: "hello")
        try await eventually("the batch") { bench.messages.count == 1 }
        let before = bench.link.pulse.count
        for _ in 0..<20 {
            bench.link.nudge()
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(bench.link.pulse.count == before && !bench.link.pulse.isAway)
        isHeld.withLock { $0 = false }
        try await goesRound()
        try await broker.stop()
        try await eventually("the loss") { !bench.losses.isEmpty }
        try await goesRound()
        await bench.link.stop()
    }

    @Test("It works with a file descriptor above 1024, where select(2) ends")
    func manyDescriptors() async throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let former = limit
        limit.rlim_cur = min(limit.rlim_max, 4_096)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        defer {
            var former = former
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &former)
        }
        let broker = try await MosquittoBroker()
        let taken = (0..<1_100).map { _ in open("/dev/null", O_RDONLY | O_CLOEXEC) }
        defer { for descriptor in taken { close(descriptor) } }
        #expect(taken.contains { $0 > 1_024 })
        let bench = try LinkBench(LinkBench.settings(port: broker.port))
        try await bench.connected()
        try await MQTTProbe.publish(port: broker.port, topic: "in/a", text: "hello")
        try await eventually { bench.messages.count == 1 }
        await bench.link.stop()
    }
}
