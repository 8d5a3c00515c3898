import FerryCore
import FoundationEssentials
import Synchronization
import Testing

@testable import AliyunOTA

@Suite("OTA client: upload", .timeLimit(.minutes(5)))
struct OTAClientUploadTests {
    private static func sum(_ size: Int) -> UInt64 {
        var crc = CRC64()
        crc.update([UInt8](repeating: 7, count: size))
        return crc.value
    }

    private static func peer(_ status: Int, _ headers: [String] = [], body: String = "") throws -> ScriptedPeer {
        try ScriptedPeer { connection in
            while connection.readRequest() != nil { connection.answer(status, headers: headers, body: body) }
        }
    }

    private static func upload(
        _ size: Int,
        to peer: ScriptedPeer,
        crc64: UInt64? = nil,
        ticket: Ticket? = nil
    ) async throws -> (error: CloudError?, receipt: UploadReceipt?) {
        let bench = Bench(endpoint: peer.url)
        let ticket = try ticket ?? Bench.ticket(host: "http://127.0.0.1:\(peer.port)")
        do throws(CloudError) {
            let receipt = try await bench.client.upload(
                fileName: "pumpctl-1.4.2.bin",
                size: Int64(size),
                crc64: crc64,
                ticket: ticket,
                body: Bench.body(size)
            )
            return (nil, receipt)
        } catch {
            return (error, nil)
        }
    }

    @Test("The form has exactly the six fields in their order, and a known length")
    func form() async throws {
        let size = 300_000
        let peer = try Self.peer(
            200,
            [
                "x-oss-hash-crc64ecma: \(Self.sum(size))", "x-oss-request-id: OSS1",
                "Date: Fri, 31 Dec 2100 12:00:00 GMT",
            ]
        )
        defer { peer.stop() }
        let ticket = try Bench.ticket(host: "http://127.0.0.1:\(peer.port)")
        let seen = Mutex<[Int64]>([])
        let bench = Bench(endpoint: peer.url)
        let receipt = try await bench.client.upload(
            fileName: "a.bin",
            size: Int64(size),
            ticket: ticket,
            body: Bench.body(size)
        ) { now in seen.withLock { $0.append(now) } }
        #expect(receipt.requestID == "OSS1")
        #expect(receipt.crc64 == Self.sum(size))
        #expect(receipt.completedAt.iso8601Seconds.hasPrefix("2100-12-31T12:00:0"))
        let request = try #require(peer.requests.first)
        let type = try #require(request.headers["content-type"])
        let boundary = String(type.split(separator: "=")[1])
        let expected = UploadForm(fields: ticket.formFields, fileName: "firmware", boundary: boundary)
        #expect(request.body == expected.head + [UInt8](repeating: 7, count: size) + expected.tail)
        #expect(
            ticket.formFields.map(\.name) == ["key", "policy", "OSSAccessKeyId", "signature", "success_action_status"]
        )
        #expect(request.headers["content-length"] == String(request.body.count))
        #expect(request.headers["transfer-encoding"] == nil)
        let progress = seen.withLock { $0 }
        #expect(progress == progress.sorted() && progress.last == Int64(size))
    }

    @Test("200, 201 and 204 are success, with or without a checksum", arguments: [200, 201, 204])
    func success(status: Int) async throws {
        let peer = try Self.peer(status)
        defer { peer.stop() }
        let (error, receipt) = try await Self.upload(10, to: peer)
        #expect(error == nil)
        #expect(receipt != nil && receipt?.crc64 == nil)
    }

    @Test("The page of a captive portal is no success, whatever its status")
    func portal() async throws {
        let peer = try Self.peer(200, ["Content-Type: text/html"], body: "<html>Log in</html>")
        defer { peer.stop() }
        let error = try await Self.upload(1_000, to: peer).error
        #expect(error?.reason.code == .cloudUnreachable)
        #expect(error?.disposition == .retry(floor: .seconds(30)))
    }

    @Test("Another checksum than the caller's, or than that of the bytes sent, is a damaged upload")
    func damaged() async throws {
        let peer = try Self.peer(200, ["x-oss-hash-crc64ecma: \(Self.sum(10))"])
        defer { peer.stop() }
        #expect(try await Self.upload(10, to: peer).error == nil)
        #expect(try await Self.upload(10, to: peer, crc64: Self.sum(10)).error == nil)
        #expect(try await Self.upload(11, to: peer).error?.reason.code == .uploadDamaged)
        #expect(try await Self.upload(10, to: peer, crc64: 1).error?.reason.code == .uploadDamaged)
    }

    @Test("An expired policy wants a new ticket")
    func policyExpired() async throws {
        let peer = try Self.peer(
            403,
            ["x-oss-request-id: OSS2"],
            body: """
                <?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code>\
                <Message>Invalid according to Policy: Policy expired.</Message><RequestId>OSS2</RequestId></Error>
                """
        )
        defer { peer.stop() }
        let error = try await Self.upload(10, to: peer).error
        #expect(error?.disposition == .newTicket)
        #expect(error?.reason.code == .ticketExpired)
        #expect(error?.requestID == "OSS2")
        #expect(error?.reason.text.contains("pumpctl-1.4.2.bin") == true)
    }

    @Test(
        "Refusals without a readable document are judged by their status",
        arguments: [
            (502, "<html>Bad gateway</html>", Disposition.retry(floor: .seconds(1))),
            (503, "", .retry(floor: .seconds(1))),
            (403, "<Error><Code>Acc", .newTicket), (413, "<html>", .fail), (302, "", .retry(floor: .seconds(30))),
        ]
    )
    func unreadable(status: Int, body: String, disposition: Disposition) async throws {
        let peer = try Self.peer(status, body: body)
        defer { peer.stop() }
        let error = try await Self.upload(10, to: peer).error
        #expect(error?.disposition == disposition)
        #expect(error?.httpStatus == status)
    }

    @Test(
        "What the policy would refuse is not sent",
        arguments: [
            (#"["content-length-range",1,9]"#, Duration.seconds(60), ReasonCode.tooLarge, Disposition.fail),
            (#"["content-length-range",11,99]"#, .seconds(60), .ticketUnusable, .fail),
            (#"["eq","$key","ota/other.bin"]"#, .seconds(60), .ticketUnusable, .fail),
            (#"["starts-with","$key","ota/"]"#, .seconds(-1), .ticketExpired, .newTicket),
        ]
    )
    func policy(conditions: String, expiresIn: Duration, code: ReasonCode, disposition: Disposition) async throws {
        let peer = try Self.peer(200)
        defer { peer.stop() }
        let ticket = try Bench.ticket(
            host: "http://127.0.0.1:\(peer.port)",
            conditions: conditions,
            expiresIn: expiresIn
        )
        let error = try await Self.upload(10, to: peer, ticket: ticket).error
        #expect(error?.reason.code == code)
        #expect(error?.disposition == disposition)
        #expect(peer.connectionCount == 0)
    }

    @Test(
        "A ticket for a host that is not allowed is not used",
        arguments: [
            "https://evil.example", "http://iotx-ota.oss-cn-shanghai.aliyuncs.com",
            "https://x.aliyuncs.com@evil.example", "",
        ]
    )
    func host(host: String) async throws {
        let peer = try Self.peer(200)
        defer { peer.stop() }
        var fixed = try Bench.ticket(host: "http://127.0.0.1:\(peer.port)")
        if !host.isEmpty { fixed = try Bench.ticket(host: host) } else { fixed = try Bench.ticket(host: "garbage") }
        let error = try await Self.upload(10, to: peer, ticket: fixed).error
        #expect(error?.reason.code == .hostNotAllowed)
        #expect(error?.reason.kind == .operator)
        #expect(peer.connectionCount == 0)
    }

    @Test("A server that hangs up in the middle breaks the upload")
    func hangUp() async throws {
        let peer = try ScriptedPeer { connection in
            _ = connection.readHead()
            connection.drain(100_000)
        }
        defer { peer.stop() }
        let error = try await Self.upload(50_000_000, to: peer).error
        #expect(error?.reason.code == .uploadBroken)
        #expect(error?.disposition == .newTicket)
    }

    @Test("A stalled upload says how long nothing moved")
    func stalled() async throws {
        let peer = try ScriptedPeer { connection in
            _ = connection.readHead()
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url, stall: .milliseconds(300))
        let ticket = try Bench.ticket(host: "http://127.0.0.1:\(peer.port)")
        let error = await Bench.failure { () async throws(CloudError) in
            try await bench.client.upload(
                fileName: "a",
                size: 100_000_000,
                ticket: ticket,
                body: Bench.body(100_000_000)
            )
        }
        #expect(error?.reason.code == .uploadStalled)
        #expect(error?.underlying.contains("300ms") == true)
    }

    @Test("An error of the spool is kept as the cause")
    func spool() async throws {
        struct SpoolError: Error {}
        let peer = try ScriptedPeer { connection in connection.readRequest() }
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let ticket = try Bench.ticket(host: "http://127.0.0.1:\(peer.port)")
        let error = await Bench.failure { () async throws(CloudError) in
            let body = BodySource(next: { throw SpoolError() })
            return try await bench.client.upload(fileName: "a", size: 10, ticket: ticket, body: body)
        }
        #expect(error?.cause is SpoolError)
        #expect(error?.reason.code == .spoolDamaged)
    }

    @Test("No message of an upload holds policy or signature")
    func secrets() async throws {
        let ticket = try Bench.ticket(host: "http://127.0.0.1:1")
        let peer = try Self.peer(
            403,
            body: """
                <Error><Code>SignatureDoesNotMatch</Code>\
                <Message>not \(ticket.signature.text) for \(ticket.policyText.text)\
                </Message></Error>
                """
        )
        defer { peer.stop() }
        let own = try Bench.ticket(host: "http://127.0.0.1:\(peer.port)")
        let error = try #require(try await Self.upload(10, to: peer, ticket: own).error)
        #expect(!"\(error.reason) \(error.underlying)".contains(own.signature.text))
        #expect(!"\(ticket)".contains(ticket.policyText.text))
    }

    @Test("An answer before the whole file was sent confirms nothing", arguments: [200, 204])
    func early(status: Int) async throws {
        let peer = try ScriptedPeer { connection in
            guard connection.readHead() != nil else { return }
            connection.answer(status, headers: ["Connection: close"])
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let outcome = try await Self.upload(30_000_000, to: peer)
        #expect(outcome.receipt == nil)
        let error = try #require(outcome.error)
        #expect(error.reason.code == .uploadBroken && error.disposition == .newTicket, "\(error)")
    }
}
