import Broker
import FerryCore
import Spool
import Testing

@testable import Agent

private let file = Array("firmware!!".utf8)
private let initDocument = Array(
    """
    {"name":"pumpctl-1.bin","firmware":{"product":"pumpctl","version":"1"}}
    """.utf8
)
private let otherDocument = Array("{\"name\":\"other.bin\"}".utf8)

/// What a sender does, and what it is answered in each state of its transfer. The transfer stays where it is, or is
/// `receiving` afterwards where the reason ends with `>`, and gone where it ends with a dot.
private let table = """
              none  orph  recv  ended wrong stor  uplo  regg  done  held  fail  refus canc  expd
    init      ok>   ok    ok    inc   sum   ok    ok    ok    ok    ok    ok    ok>   ok>   ok>
    other     ok>   ok    conf  conf  conf  conf  conf  conf  conf  conf  conf  ok>   ok>   ok>
    same      ok>   ok    ok    inc   sum   ok    ok    ok    ok    ok    ok    big   not   exp
    differ    ok>   conf  conf  conf  conf  conf  conf  conf  ok    conf  conf  big   not   exp
    behind    ok>   ok    ok    big   big   conf  conf  conf  conf  conf  conf  big   not   exp
    fin       unk   unk   inc   inc   sum   ok    ok    ok    ok    ok    ok    unk   not   exp
    finother  unk   unk   inc   conf  conf  conf  conf  conf  conf  conf  conf  unk   not   exp
    finshort  unk   unk   conf  conf  conf  conf  conf  conf  conf  conf  conf  unk   not   exp
    abort     ok    ok.   ok.   ok.   ok.   not   not   not   not   ok.   ok.   ok.   ok.   ok.
    query     unk   ok    ok    inc   sum   ok    ok    ok    ok    ok    ok    big   not   exp
    """

private let reasons = [
    "ok": "ok", "inc": "incomplete", "sum": "checksum-mismatch", "conf": "conflict", "unk": "unknown-transfer",
    "big": "too-large", "not": "not-allowed", "exp": "expired",
]

/// The states of the table: how a test brings a transfer there, and the word in the acknowledgement.
private let states = [
    "none": ("none", "-"), "orph": ("orphan", "receiving"), "recv": ("receiving", "receiving"),
    "ended": ("ended", "receiving"), "wrong": ("wrong", "receiving"), "stor": ("stored", "stored"),
    "uplo": ("uploading", "uploading"), "regg": ("registering", "registering"), "done": ("registered", "registered"),
    "held": ("held", "held"), "fail": ("failed", "failed"), "refus": ("refused", "failed"),
    "canc": ("cancelled", "cancelled"), "expd": ("expired", "expired"),
]

/// `<reason>/<state>` of a cell.
private func answer(_ cell: String, in state: String) -> String {
    let isGone = cell.hasSuffix(".")
    let begins = cell.hasSuffix(">")
    let word = isGone || begins ? String(cell.dropLast()) : cell
    let after = isGone ? "-" : begins ? "receiving" : states[state]?.1 ?? "?"
    return "\(reasons[word] ?? word)/\(after)"
}

private struct Cell: Sendable {
    var step: String
    var state: String
    var answer: String
}

private let cells: [Cell] = {
    let lines = table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    return lines.dropFirst().flatMap { words -> [Cell] in
        precondition(words.count == lines[0].count + 1, "The row of \(words[0]) is not whole")
        return zip(lines[0], words.dropFirst()).map { state, cell in
            Cell(step: words[0], state: states[state]?.0 ?? "?", answer: answer(cell, in: state))
        }
    }
}()

private let messages: [String: (topic: String, payload: [UInt8])] = [
    "init": ("init", initDocument), "other": ("init", otherDocument), "same": ("0", Array(file[..<6])),
    "differ": ("0", Array("F".utf8)), "behind": ("8", Array("!!!".utf8)), "fin": ("fin/10", []),
    "finother": ("fin/11", []), "finshort": ("fin/5", []), "abort": ("abort", []), "query": ("query", []),
]

extension IntakeBench {
    /// Brings the transfer `ci/<id>` to a state of the table.
    fileprivate func bring(_ id: String, to state: String) async throws {
        let start = "t/\(id)/"
        if state == "none" { return }
        if state == "orphan" {
            _ = try await send([(start + "0", Array(file[..<6]))])
            return
        }
        _ = try await send([(start + "init", initDocument), (start + "0", Array(file[..<6]))])
        switch state {
        case "receiving": return
        case "ended":
            _ = try await send([(start + "fin/10", [])])
            return
        case "cancelled": return try await change("ci/\(id)") { try? $0.cancelled(at: .now()) }
        case "expired": return try await change("ci/\(id)") { $0.expire(because: "Too late", at: .now()) }
        case "refused":
            try await spool.transact { (ledger) throws(SpoolError) in
                let address = Known.address("ci/\(id)")
                guard let former = try ledger.transfer(at: address) else { return }
                try ledger.remove(former)
                var transfer = ledger.begin(address, door: .oneShot, at: .now())
                transfer.refuse(because: Reason(.tooLarge, .permanent, "Too large"), at: .now())
                try ledger.save(transfer)
            }
            return
        default: break
        }
        let sum = state == "wrong" ? String(repeating: "0", count: 64) : Known.sha256(file).hex
        _ = try await send([(start + "6", Array(file[6...])), (start + "fin/10/\(sum)", [])])
        try await change("ci/\(id)") { transfer in
            var generator = SystemRandomNumberGenerator()
            if state == "held" { transfer.firmware = FirmwareMetadata() }
            transfer.verified(
                FileDigests(sha256: Known.sha256(file), md5: FerryCore.Digest(bytes: [1]), crc64: 1),
                catalog: Known.catalog,
                at: .now()
            )
            if state == "wrong" || state == "stored" || state == "held" { return }
            _ = transfer.attemptBegan(at: .now())
            transfer.ticketReceived(at: .now())
            if state == "failed" {
                let reason = Reason(.uploadRefused, .permanent, "Refused")
                return transfer.attemptFailed(
                    PublicationFailure(reason: reason, remedy: .fail),
                    policy: PublicationPolicy(),
                    at: .now(),
                    using: &generator
                )
            }
            if state == "uploading" { return }
            transfer.uploadFinished(firmwareURL: "https://u", serverTime: .now(), at: .now())
            if state == "registered" { transfer.firmwareRegistered(id: "f", requestID: nil, at: .now()) }
        }
    }
}

@Suite("What a sender is answered")
struct IntakeTableTests {
    @Test("Every step in every state of its transfer")
    func table() async throws {
        let bench = try IntakeBench(openTransfersMax: 10_000)
        for (number, cell) in cells.enumerated() {
            let message = try #require(messages[cell.step])
            let what = "\(cell.step) in \(cell.state)"
            let id = "c\(number)"
            try await bench.bring(id, to: cell.state)
            let former = try await bench.transfer("ci/\(id)")
            let outcome = try await bench.send([("t/\(id)/" + message.topic, message.payload)])
            #expect(outcome.replies.count == 1, "\(what)")
            let reply = try #require(outcome.replies.last)
            #expect(reply.address == Known.address("ci/\(id)"), "\(what)")
            #expect(reply.payload.reasonAndState == cell.answer, "\(what)")
            let (reason, state) = (cell.answer.split(separator: "/")[0], cell.answer.split(separator: "/")[1])
            #expect(reason == "ok" || reply.payload["text"]?.string?.isEmpty == false, "\(what): a sentence is missing")

            let transfer = try await bench.transfer("ci/\(id)")
            #expect((transfer?.state.rawValue ?? "-") == state, "\(what)")
            if cell.step == "query" || reason == "conflict" || reason == "not-allowed" || reason == "too-large" {
                #expect(transfer == former, "\(what) changed something")
            }
            if state == "-" { #expect(outcome.removed.count == (cell.state == "none" ? 0 : 1), "\(what)") }
            if let transfer, transfer.hasBytes, ["receiving", "ended", "wrong", "orphan"].contains(cell.state) {
                let bytes = try await bench.bytes("ci/\(id)")
                #expect(bytes.prefix(6) == file[..<6], "\(what): the stored bytes do not stay")
            }
        }
    }
}
