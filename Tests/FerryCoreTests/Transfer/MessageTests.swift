import FerryCore
import Testing

private let since = WallTime(milliseconds: 1_777_622_400_000)

@Suite("What is said of a transfer")
struct MessageTests {
    private static func receiving() -> Transfer {
        var transfer = Transfer(key: 1, address: Known.address, door: .segments, seq: 17, at: since)
        transfer.request = Known.request([
            "name": "pumpctl-1.4.2.bin", "size": 100, "checksum": .string(Known.digest(0x0a).hex),
        ])
        transfer.firmware = Known.metadata(["product": "pumpctl", "version": "1.4.2"])
        return transfer
    }

    @Test("An acknowledgement has every member of the contract")
    func acknowledgement() {
        var transfer = Self.receiving()
        transfer.received = ByteRanges(0..<40)
        transfer.received.insert(60..<70)
        #expect(
            transfer.acknowledgement(credit: 8_388_608, segment: 262_144, reason: .gap, text: "Send again") == [
                "id": "one", "seq": 17, "received": 50, "durable": 40, "missing": [[40, 60]], "more": false,
                "credit": 8_388_608, "segment": 262_144, "state": "receiving", "reason": "gap", "text": "Send again",
            ]
        )
        transfer.end = .init(size: 90, checksum: nil)
        #expect(transfer.acknowledgement(credit: 0, segment: 1)["missing"] == [[40, 60], [70, 90]])
    }

    @Test("At most 64 ranges are listed, and more says that there are others", arguments: [63, 64, 65, 100])
    func missing(holes: Int) throws {
        var transfer = Self.receiving()
        for index in 0...Int64(holes) { transfer.received.insert(index * 10..<index * 10 + 5) }
        let message = transfer.acknowledgement(credit: 0, segment: 1)
        #expect(message["missing"]?.array?.count == min(holes, 64))
        #expect(message["more"] == .bool(holes > 64))
        #expect(transfer.stateMessage(catalog: Known.catalog)["received"]?["missing"]?.array?.count == min(holes, 64))
    }

    @Test("What does not exist has no state and no bytes")
    func unknown() {
        let message = Transfer.acknowledgement(
            ofUnknown: "one",
            seq: 3,
            credit: 4,
            segment: 5,
            reason: .unknownTransfer,
            text: "None"
        )
        #expect(
            message == [
                "id": "one", "seq": 3, "received": 0, "durable": 0, "missing": [], "more": false, "credit": 4,
                "segment": 5, "state": nil, "reason": "unknown-transfer", "text": "None",
            ]
        )
    }

    @Test("A state message has every member of the contract, and what is not known is null")
    func newState() {
        #expect(
            Self.receiving().stateMessage(catalog: Known.catalog) == [
                "v": 1, "id": "one", "sender": "ci", "file": "pumpctl-1.4.2.bin", "file_id": nil, "size": 100,
                "sha256": .string(Known.digest(0x0a).hex),
                "firmware": [
                    "product": "pumpctl", "product_key": "a1B2c3D4e5F", "alias": "pumpctl", "version": "1.4.2",
                    "name": "pumpctl-1_4_2-mcu",
                    "module": "mcu", "type": "full", "sign_method": "MD5", "priority": 0, "source_version": "",
                    "description": "", "verify": true, "custom": [:],
                ],
                "state": "receiving", "since": "2026-05-01T08:00:00.000Z", "seq": 17,
                "received": ["durable": 0, "bytes": 0, "missing": [], "more": false],
                "cloud": [
                    "attempt": 0, "next_attempt": nil, "sent": 0, "firmware_url": nil, "firmware_id": nil,
                    "request_id": nil,
                ],
                "reason": nil, "paused": false,
            ]
        )
    }

    @Test("A transfer that nobody described is told with nulls")
    func leastState() {
        let message = Transfer(key: 1, address: Known.address, door: .segments, seq: 1, at: since)
            .stateMessage(catalog: Known.catalog)
        #expect(
            message.object?.keys.sorted() == Self.receiving().stateMessage(catalog: Known.catalog).object?.keys.sorted()
        )
        for member in ["file", "size", "sha256", "reason"] { #expect(message.object?[member] == .null, "\(member)") }
        #expect(
            message["firmware"]?.object?["product"] == .null && message["firmware"]?.object?["product_key"] == .null
        )
    }

    @Test("A failed attempt is told with its reason, its class and the cloud's code")
    func reason() throws {
        var transfer = Self.receiving()
        transfer.reason = Reason(.uploadStalled, .retry, "t", hint: "h", cloudCode: "RequestTimeout")
        #expect(
            transfer.stateMessage(catalog: Known.catalog)["reason"] == [
                "code": "upload-stalled", "class": "retry", "text": "t", "hint": "h", "cloud_code": "RequestTimeout",
            ]
        )
        #expect(Reason(.ok, .permanent, "").json.object?["cloud_code"] == .null)
    }

    @Test("What is registered has been received and sent whole, although its bytes are gone")
    func registered() throws {
        var transfer = Self.receiving()
        transfer.received = ByteRanges(0..<100)
        transfer.end = .init(size: 100, checksum: nil)
        transfer.verified(
            .init(sha256: Known.digest(0x0a), md5: Digest(bytes: [1]), crc64: 1),
            catalog: Known.catalog,
            at: since
        )
        #expect(transfer.acknowledgement(credit: 0, segment: 1)["received"] == 100)
        _ = transfer.attemptBegan(at: since)
        transfer.ticketReceived(at: since)
        #expect(transfer.stateMessage(sent: 55, catalog: Known.catalog)["cloud"]?["sent"] == 55)
        transfer.uploadFinished(firmwareURL: "https://u", serverTime: since, at: since)
        transfer.firmwareRegistered(id: "f", requestID: "r", at: since)
        let message = transfer.stateMessage(catalog: Known.catalog)
        #expect(message["received"] == ["durable": 100, "bytes": 100, "missing": [], "more": false])
        #expect(message["cloud"]?["sent"] == 100 && message["cloud"]?["attempt"] == 1)
        #expect(message["cloud"]?["firmware_url"] == "https://u" && message["cloud"]?["firmware_id"] == "f")
        let acknowledgement = transfer.acknowledgement(credit: 0, segment: 1)
        #expect(
            acknowledgement["durable"] == 100 && acknowledgement["missing"] == []
                && acknowledgement["state"] == "registered"
        )
    }

    @Test("Room is kept for the announced size while bytes are to come, afterwards for the bytes")
    func reserved() {
        var transfer = Self.receiving()
        #expect(transfer.reservedBytes == 100)
        transfer.received = ByteRanges(0..<120)
        #expect(transfer.reservedBytes == 120)
        transfer.end = .init(size: 500, checksum: nil)
        #expect(transfer.reservedBytes == 500)
        #expect(transfer.completeness == .incomplete)
        transfer.received = ByteRanges(0..<500)
        #expect(transfer.completeness == .unverified)
    }
}
