import FerryCore
import Synchronization
import Testing
import Threads

@testable import AliyunOTA

@Suite("HTTP client", .timeLimit(.minutes(5)))
struct HTTPClientTests {
    private static func client() -> HTTPClient { HTTPClient(link: LinkSettings(proxy: "", version: "1.2.3")) }

    private static func failure(_ client: HTTPClient, _ request: HTTPRequest) async -> HTTPFailure? {
        do throws(HTTPFailure) {
            _ = try await client.send(request)
            return nil
        } catch {
            return error
        }
    }

    @Test("The target goes out exactly as written, and an empty POST says so")
    func exactTarget() async throws {
        let peer = try ScriptedPeer { connection in
            while connection.readRequest() != nil { connection.answer(200, headers: ["X-Odd:  a b "], body: "ok") }
        }
        defer { peer.stop() }
        let target = "a/../b/./%7e%2F?Signature=a%2Fb%3D%2B&x=%20*'()!~&MultiFiles.10.Name=%E5%9B%BA&empty="
        let response = try await Self.client().send(HTTPRequest(.post, url: peer.url + target))
        #expect(response.status == 200)
        #expect(response.headers["x-ODD"] == "a b")
        #expect(response.body == Array("ok".utf8))
        let request = try #require(peer.requests.first)
        #expect(request.target == "/" + target)
        #expect(request.headers["content-length"] == "0")
        #expect(request.headers["content-type"] == nil)
        #expect(request.headers["expect"] == nil)
        #expect(request.headers["user-agent"] == "otaferry/1.2.3")
    }

    @Test("Connections are used again, except for requests that must leave only once")
    func reuse() async throws {
        let peer = try ScriptedPeer { connection in
            while connection.readRequest() != nil { connection.answer(200) }
        }
        defer { peer.stop() }
        let client = Self.client()
        var request = HTTPRequest(.post, url: peer.url)
        for _ in 0..<3 { _ = try await client.send(request) }
        #expect(peer.connectionCount == 1)
        request.connection = .fresh
        _ = try await client.send(request)
        #expect(peer.connectionCount == 2)
    }

    @Test("Many requests at once each get their own answer")
    func parallel() async throws {
        let peer = try ScriptedPeer { connection in
            while let request = connection.readRequest() { connection.answer(200, body: request.target) }
        }
        defer { peer.stop() }
        let client = Self.client()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<20 {
                group.addTask {
                    let response = try await client.send(HTTPRequest(.get, url: "\(peer.url)\(number)"))
                    return String(decoding: response.body, as: UTF8.self) == "/\(number)"
                }
            }
            for try await isOwn in group { #expect(isOwn) }
        }
    }

    @Test("An upload streams with at most three chunks ahead of the sender")
    func boundedUpload() async throws {
        let gate = Gate()
        let size = 64 << 20
        let peer = try ScriptedPeer.reading(size, after: gate)
        defer { peer.stop() }
        let pulled = Counter()
        let taken = Counter()
        var request = HTTPRequest.upload(to: peer.url, length: Int64(size)) {
            let start = pulled.value
            guard start < Int64(size) else { return nil }
            pulled.add(1 << 20)
            return [UInt8](repeating: 7, count: 1 << 20)
        }
        let highest = Counter()
        request.progress = { now in
            taken.add(now - taken.value)
            // Three chunks in the pipe, and what libcurl's own buffer holds.
            if pulled.value - now > Int64((3 << 20) + TransferOption.uploadBuffer) { highest.add() }
        }
        async let response = Self.client().send(request)
        #expect(await eventually { taken.value > 0 })
        #expect(pulled.value < Int64(size), "the peer does not read, so most of the file is still to be pulled")
        gate.open()
        #expect(try await response.status == 200)
        #expect(pulled.value == Int64(size))
        #expect(highest.value == 0)
    }

    @Test("A pipe holds three chunks and no more")
    func pipe() async {
        let wakes = Counter()
        let pulled = Counter()
        let source = BodySource(next: {
            pulled.add()
            return [UInt8](repeating: 1, count: 10)
        })
        let pipe = BodyPipe(length: 1_000, source: source) { wakes.add() }
        async let filling: Void = pipe.fill()
        #expect(await eventually { pulled.value == 3 })
        var buffer = [UInt8](repeating: 0, count: 10)
        guard case .bytes(10) = buffer.withUnsafeMutableBytes({ pipe.read(into: $0) }) else {
            Issue.record("a full chunk was expected")
            return
        }
        #expect(await eventually { pulled.value == 4 })
        #expect(wakes.value == 0)
        pipe.close()
        await filling
        #expect(pulled.value == 4)
    }

    @Test("A source that has bytes at once is asked by the sender, and for chunks only when it wants to give some")
    func immediate() async throws {
        let calls = Mutex<[String]>([])
        let pulled = Counter()
        let source = BodySource(
            next: {
                pulled.add()
                calls.withLock { $0.append("chunk") }
                return [UInt8](repeating: 1, count: 10)
            },
            immediate: { buffer in
                calls.withLock { calls in
                    calls.append("at once")
                    // Every third time it is its turn to wait.
                    guard calls.filter({ $0 == "at once" }).count % 3 != 0 else { return .later(chunks: 2) }
                    buffer[0] = 2
                    return .bytes(1)
                }
            }
        )
        let pipe = BodyPipe(length: 1_000, source: source) {}
        async let filling: Void = pipe.fill()
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 10)
        while bytes.count < 56 {
            switch buffer.withUnsafeMutableBytes({ pipe.read(into: $0) }) {
            case .bytes(let count): bytes += buffer.prefix(count)
            case .starved: #expect(await eventually { pulled.value % 2 == 1 })
            case .failed(let error): throw error
            }
        }
        let chunk = [UInt8](repeating: 1, count: 10)
        #expect(bytes == chunk + [2, 2] + chunk + chunk + [2, 2] + chunk + chunk + [2, 2])
        pipe.close()
        await filling
        #expect(pulled.value == 5)
    }

    @Test("A source that gives more at once than was promised fails")
    func immediatelyTooLong() async throws {
        let pipe = BodyPipe(length: 15, source: BodySource(next: { [1, 2, 3] }, immediate: { _ in .bytes(13) })) {}
        async let filling: Void = pipe.fill()
        var buffer = [UInt8](repeating: 0, count: 20)
        var ends: [String] = []
        while ends.last != "failed" {
            switch buffer.withUnsafeMutableBytes({ pipe.read(into: $0) }) {
            case .bytes(let count): ends.append("\(count)")
            case .starved: await Task.yield()
            case .failed: ends.append("failed")
            }
        }
        #expect(ends == ["3", "failed"])
        pipe.close()
        await filling
    }

    @Test("A refusal that comes while the file is still being sent is the answer")
    func earlyAnswer() async throws {
        let peer = try ScriptedPeer { connection in
            guard connection.readHead() != nil, connection.drain(200_000) else { return }
            connection.answer(403, headers: ["Connection: close"], body: "<Error><Code>AccessDenied</Code></Error>")
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let request = HTTPRequest.upload(to: peer.url, length: 1 << 30) { [UInt8](repeating: 1, count: 1 << 20) }
        let response = try await Self.client().send(request)
        #expect(response.status == 403)
        #expect(StorageAnswer(xml: response.body)?.code == "AccessDenied")
        #expect(response.bytesSent < 1 << 30)
    }

    @Test("A link that takes nothing more is a stall")
    func stall() async throws {
        let peer = try ScriptedPeer { connection in
            _ = connection.readHead()
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let request = HTTPRequest.upload(to: peer.url, length: 1 << 30, stall: .milliseconds(300)) {
            [UInt8](repeating: 1, count: 1 << 20)
        }
        let started = ContinuousClock.now
        let failure = await Self.failure(Self.client(), request)
        #expect(failure?.kind == .stalled)
        #expect(failure?.mayHaveLeft == true)
        #expect(ContinuousClock.now - started < .seconds(10))
    }

    @Test("An answer that stays away after the last byte is a stall")
    func answerStall() async throws {
        let peer = try ScriptedPeer { connection in
            connection.readRequest()
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let chunks = Counter()
        let request = HTTPRequest.upload(to: peer.url, length: 1_000, stall: .milliseconds(300)) {
            chunks.add() == 1 ? [UInt8](repeating: 1, count: 1_000) : nil
        }
        #expect(await Self.failure(Self.client(), request)?.kind == .stalled)
    }

    @Test("Time in which the spool gives nothing is no stall of the link")
    func slowSpool() async throws {
        let peer = try ScriptedPeer { connection in
            connection.readRequest()
            connection.answer(200)
        }
        defer { peer.stop() }
        let chunks = Counter()
        let limit = Duration.milliseconds(200)
        let request = HTTPRequest.upload(to: peer.url, length: 2_000, stall: limit) {
            let number = chunks.add()
            // The time itself is what this test is about.
            if number == 2 { try await Task.sleep(for: limit * 4) }
            return number <= 2 ? [UInt8](repeating: 1, count: 1_000) : nil
        }
        #expect(try await Self.client().send(request).status == 200)
        #expect(peer.requests.first?.body.count == 2_000)
    }

    @Test("Cancelling the task ends an upload at once, and its producer too")
    func cancel() async throws {
        let peer = try ScriptedPeer { connection in
            _ = connection.readHead()
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let client = Self.client()
        let pulled = Counter()
        let request = HTTPRequest.upload(to: peer.url, length: 1 << 30) {
            pulled.add()
            return [UInt8](repeating: 1, count: 1 << 20)
        }
        let task = Task { await Self.failure(client, request) }
        #expect(await eventually { pulled.value >= 1 })
        let started = ContinuousClock.now
        task.cancel()
        let failure = await task.value
        #expect(failure?.kind == .cancelled)
        // Not the stall limit, not a time-out: a busy machine may take its time, a client that waits for one takes longer.
        #expect(ContinuousClock.now - started < .seconds(5))
        let count = pulled.value
        #expect(await Self.failure(client, HTTPRequest(.get, url: "http://127.0.0.1:1/"))?.kind == .unreachable)
        #expect(pulled.value == count)
    }

    @Test("A task that is cancelled already sends nothing")
    func cancelledBefore() async throws {
        let peer = try ScriptedPeer { connection in connection.readRequest() }
        defer { peer.stop() }
        let client = Self.client()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await Self.failure(client, HTTPRequest(.get, url: peer.url))
        }
        #expect(await task.value?.kind == .cancelled)
        #expect(peer.requests.isEmpty)
    }

    @Test("A client that goes away ends what is under way")
    func closing() async throws {
        let peer = try ScriptedPeer { connection in
            connection.readRequest()
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let queue = TransferQueue(rateLimit: nil)
        let job = TransferJob(id: 1, request: HTTPRequest(.get, url: peer.url), pipe: nil)
        startThread { TransferLoop(queue, link: LinkSettings(proxy: "", version: "0"), pulse: Pulse())?.run() }
        queue.post(.start(job))
        #expect(await eventually { !peer.requests.isEmpty })
        queue.close()
        guard case .failure(let failure) = await job.outcome() else {
            Issue.record("a failure was expected")
            return
        }
        #expect(failure.kind == .cancelled)
        #expect(!queue.post(.start(job)))
    }

    @Test("An idle client goes round when it is nudged")
    func pulse() async throws {
        let client = Self.client()
        let before = client.pulse.count
        // The thread may not have begun yet; then it goes round by itself.
        #expect(
            await eventually {
                client.nudge()
                return client.pulse.count > before + 2
            }
        )
    }

    @Test("A refused connection says that the request surely did not leave")
    func refused() async throws {
        let failure = await Self.failure(Self.client(), HTTPRequest(.post, url: "http://127.0.0.1:1/"))
        #expect(failure?.kind == .unreachable)
        #expect(failure?.mayHaveLeft == false)
    }

    @Test("A peer that speaks no TLS is a TLS failure before the request")
    func noTLS() async throws {
        let peer = try ScriptedPeer { connection in
            connection.write("this is not TLS at all\r\n\r\n")
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let failure = await Self.failure(Self.client(), HTTPRequest(.post, url: "https://127.0.0.1:\(peer.port)/"))
        #expect(failure?.kind == .tls)
        #expect(failure?.mayHaveLeft == false)
    }

    @Test("A peer that hangs up without an answer leaves the outcome open")
    func hangUp() async throws {
        let peer = try ScriptedPeer { connection in connection.readRequest() }
        defer { peer.stop() }
        let failure = await Self.failure(Self.client(), HTTPRequest(.post, url: peer.url))
        #expect(failure?.kind == .broken)
        #expect(failure?.mayHaveLeft == true)
    }

    @Test("A cut-off success is a failure, a cut-off refusal still counts")
    func truncated() async throws {
        let peer = try ScriptedPeer { connection in
            let status = connection.number == 1 ? 200 : 503
            connection.readRequest()
            connection.write("HTTP/1.1 \(status) X\r\nContent-Length: 100\r\n\r\nhalf")
        }
        defer { peer.stop() }
        let client = Self.client()
        #expect(await Self.failure(client, HTTPRequest(.post, url: peer.url))?.kind == .broken)
        let response = try await client.send(HTTPRequest(.post, url: peer.url))
        #expect(response.status == 503)
        #expect(response.isTruncated)
    }

    @Test("A slow trickle of an answer is read to its end")
    func trickle() async throws {
        let peer = try ScriptedPeer { connection in
            connection.readRequest()
            for byte in "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc".utf8 {
                connection.write([byte])
            }
        }
        defer { peer.stop() }
        let response = try await Self.client().send(HTTPRequest(.post, url: peer.url))
        #expect(response.status == 200)
        #expect(response.body == Array("abc".utf8))
    }

    @Test("An answer of more than 1 MiB is refused")
    func tooLarge() async throws {
        let peer = try ScriptedPeer { connection in
            connection.readRequest()
            connection.answer(200, body: String(repeating: "x", count: (1 << 20) + 1))
        }
        defer { peer.stop() }
        #expect(await Self.failure(Self.client(), HTTPRequest(.get, url: peer.url))?.kind == .answerTooLarge)
    }

    @Test("A redirect is an answer and is not followed")
    func redirect() async throws {
        let peer = try ScriptedPeer { connection in
            while connection.readRequest() != nil { connection.answer(302, headers: ["Location: /elsewhere"]) }
        }
        defer { peer.stop() }
        #expect(try await Self.client().send(HTTPRequest(.get, url: peer.url)).status == 302)
        #expect(peer.requests.count == 1)
    }

    @Test("An error of the body's producer ends the upload and is kept")
    func producerError() async throws {
        struct DiskError: Error {}
        let peer = try ScriptedPeer { connection in connection.readRequest() }
        defer { peer.stop() }
        let chunks = Counter()
        let request = HTTPRequest.upload(to: peer.url, length: 1_000_000) {
            if chunks.add() > 2 { throw DiskError() }
            return [UInt8](repeating: 1, count: 1_000)
        }
        let failure = await Self.failure(Self.client(), request)
        #expect(failure?.kind == .bodyFailed)
        #expect(failure?.cause is DiskError)
    }

    @Test("A body that is not as long as promised is an error", arguments: [999, 1_001])
    func wrongLength(given: Int) async throws {
        let peer = try ScriptedPeer { connection in
            connection.readRequest()
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let chunks = Counter()
        let request = HTTPRequest.upload(to: peer.url, length: 1_000) {
            switch chunks.add() {
            case 1: [UInt8](repeating: 1, count: 500)
            case 2: [UInt8](repeating: 1, count: given - 500)
            default: nil
            }
        }
        #expect(await Self.failure(Self.client(), request)?.kind == .bodyLength)
    }

    @Test("A rate limit is kept")
    func rateLimit() async throws {
        let peer = try ScriptedPeer { connection in
            connection.readRequest()
            connection.answer(200)
        }
        defer { peer.stop() }
        let client = HTTPClient(link: LinkSettings(proxy: "", version: "0"), rateLimit: .kibibytes(512))
        let chunks = Counter()
        let request = HTTPRequest.upload(to: peer.url, length: 768 << 10) {
            chunks.add() <= 3 ? [UInt8](repeating: 1, count: 256 << 10) : nil
        }
        let started = ContinuousClock.now
        #expect(try await client.send(request).status == 200)
        #expect(ContinuousClock.now - started > .milliseconds(800))
    }
}

@Suite("Stall watch")
struct StallWatchTests {
    @Test("Bytes taken and a starved sender count as movement; nothing else does")
    func movement() {
        let start = SuspendingClock.now
        var watch = StallWatch(limit: .seconds(10), now: start)
        let rows: [(at: Int, taken: Int64, isStarved: Bool, isStalled: Bool)] = [
            (9, 0, false, false), (9, 100, false, false), (18, 100, false, false), (18, 100, true, false),
            (27, 100, false, false), (28, 100, false, true),
        ]
        for row in rows {
            let isStalled = watch.isStalled(
                now: start + .seconds(row.at),
                taken: row.taken,
                isStarved: row.isStarved
            )
            #expect(isStalled == row.isStalled, "at \(row.at) s")
        }
    }
}
