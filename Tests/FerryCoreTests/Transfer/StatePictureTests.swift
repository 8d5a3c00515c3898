import FerryCore
import Foundation
import Testing

/// The picture of docs/states.md is drawn from the table that the machine is tested with.
@Suite("The picture of the states")
struct StatePictureTests {
    /// What the picture calls the events.
    private static let words: [Event: String] = [
        .attemptBegan: "its turn", .ticketReceived: "ticket", .uploadFinished: "uploaded",
        .firmwareRegistered: "done", .registerWindowEnded: "upload too old", .failedRetry: "again later",
        .failedNewTicket: "new ticket", .failedLookUp: "look up", .failedHold: "a person can mend it",
        .failedFail: "nothing helps", .restarted: "restart", .attemptAbandoned: "paused", .cancelled: "cancel",
        .retried: "retry", .described: "describe", .verified: "complete", .expire: "its time is over",
        .refuse: "refused",
    ]

    private struct Edge: Hashable {
        var from: TransferState
        var to: TransferState
    }

    /// Where events lead to another state, in the order of the table, without what every open state has in common.
    private static func edges() -> [(edge: Edge, events: [Event])] {
        var found: [(edge: Edge, events: [Event])] = []
        func add(_ edge: Edge, _ event: Event) {
            guard edge.from != edge.to else { return }
            guard let index = found.firstIndex(where: { $0.edge == edge }) else { return found.append((edge, [event])) }
            if !found[index].events.contains(event) { found[index].events.append(event) }
        }
        for (place, event, outcome) in rows where event != .cancelled {
            guard let next = states[outcome].flatMap(TransferState.init(rawValue:)) else { continue }
            add(Edge(from: place.state, to: next), event)
        }
        return found
    }

    private static func picture() -> String {
        let order = TransferState.allCases
        let open = order.filter { !$0.isFinal }
        let all = edges().sorted { left, right in
            let key = { (edge: Edge) in (order.firstIndex(of: edge.from) ?? 0, order.firstIndex(of: edge.to) ?? 0) }
            return key(left.edge) < key(right.edge)
        }
        func lines(_ isInside: Bool) -> [String] {
            all.filter { (!$0.edge.from.isFinal && !$0.edge.to.isFinal) == isInside }.map { edge, events in
                let text = events.compactMap { words[$0] }.joined(separator: ", ")
                return (isInside ? "        " : "    ")
                    + "\(edge.from.rawValue) --> \(edge.to.rawValue): \(text)"
            }
        }
        let ends = order.filter { $0 == .registered || $0 == .cancelled || $0 == .expired }
        return
            (["```mermaid", "stateDiagram-v2", "    state \"not over\" as open {", "        [*] --> receiving"]
            + lines(true) + ["        receiving --> held: complete, metadata missing", "    }"] + lines(false)
            + ["    open --> cancelled: cancel"] + ends.map { "    \($0.rawValue) --> [*]" } + ["```"])
            .joined(separator: "\n")
            // What is inside is named, so that the composite state may hold it.
            + (open.isEmpty ? "" : "\n")
    }

    @Test("Cancelling ends every transfer that is not over, as the picture says for all of them at once")
    func cancelling() {
        for (place, event, outcome) in rows where event == .cancelled && !place.state.isFinal {
            #expect(outcome == "canc", "\(place)")
        }
    }

    @Test("A file that is complete and lacks metadata is held, as the picture says")
    func metadata() {
        var transfer = Place("receiving").transfer
        transfer.firmware = FirmwareMetadata()
        transfer.verified(Event.digests, catalog: Known.catalog, at: Place.now)
        #expect(transfer.state == .held)
    }

    @Test("docs/states.md shows what the table says")
    func page() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../docs/states.md")
        let text = try String(contentsOf: path, encoding: .utf8)
        let begin = try #require(text.range(of: "```mermaid"))
        let end = try #require(text.range(of: "```\n", range: begin.upperBound..<text.endIndex))
        let expected = text.replacingCharacters(in: begin.lowerBound..<end.upperBound, with: Self.picture())
        if ProcessInfo.processInfo.environment["OTAFERRY_WRITE_DOCS"] != nil {
            return try expected.write(to: path, atomically: true, encoding: .utf8)
        }
        #expect(text == expected, "draw it anew with OTAFERRY_WRITE_DOCS=1 swift test --filter StatePicture")
    }
}
