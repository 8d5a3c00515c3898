import FerryCore
import Foundation
import TestSupport
import Testing

/// A transfer at one place of its life: a state, and with an arrow one whose upload the cloud has confirmed.
struct Place: Sendable, CustomStringConvertible {
    var state: TransferState
    var isUploaded: Bool
    let description: String

    init(_ text: String) {
        description = text
        guard let state = TransferState(rawValue: text.replacingOccurrences(of: "^", with: "")) else {
            preconditionFailure("\(text) is no state")
        }
        self.state = state
        isUploaded = text.hasSuffix("^") || state == .registering || state == .registered
    }

    static let now = WallTime(milliseconds: 1_000_000)

    var transfer: Transfer {
        var publication = Publication()
        publication.attempt = 3
        publication.failures = 2
        publication.nextAttempt = WallTime(milliseconds: 5)
        if isUploaded { publication.firmwareURL = "https://example.com/fw" }
        var transfer = Transfer(
            key: 1,
            address: Known.address,
            door: .segments,
            seq: 1,
            state: state,
            since: WallTime(milliseconds: 1),
            created: WallTime(milliseconds: 1),
            publication: publication,
            isPaused: false
        )
        transfer.request = Known.request(["name": "pumpctl.bin", "size": 10])
        transfer.firmware = Known.metadata(["product": "pumpctl", "version": "1"])
        transfer.end = .init(size: 10, checksum: nil)
        transfer.received = ByteRanges(0..<10)
        if state != .receiving { transfer.digests = Event.digests }
        return transfer
    }
}

/// What can happen to a transfer.
enum Event: String, CaseIterable {
    case attemptBegan, ticketReceived, uploadFinished, firmwareRegistered, registerWindowEnded
    case failedRetry, failedNewTicket, failedLookUp, failedHold, failedHoldFor, failedFail
    case restarted, attemptAbandoned
    case cancelled, retried, paused, resumed, described, prioritized
    case verified, expire, refuse
    case waitsForWindow, windowChanged, packageStands, packageBroke, rateChanged

    static let digests = FileDigests(sha256: Known.digest(1), md5: Digest(bytes: [1]), crc64: 7)
    static let reason = Reason(.cloudBusy, .retry, "busy")

    func apply(to transfer: inout Transfer) throws(OperatorRefusal) {
        let now = Place.now
        switch self {
        case .attemptBegan: _ = transfer.attemptBegan(at: now)
        case .ticketReceived: transfer.ticketReceived(at: now)
        case .uploadFinished: transfer.uploadFinished(firmwareURL: "https://example.com/new", serverTime: now, at: now)
        case .firmwareRegistered: transfer.firmwareRegistered(id: "f1", requestID: "r1", at: now)
        case .registerWindowEnded:
            var generator = SeededGenerator(seed: 1)
            transfer.registerWindowEnded(policy: PublicationPolicy(), at: now, using: &generator)
        case .failedRetry: fail(&transfer, .retry(floor: .zero))
        case .failedNewTicket: fail(&transfer, .newTicket)
        case .failedLookUp: fail(&transfer, .lookUp)
        case .failedHold: fail(&transfer, .hold)
        case .failedHoldFor: fail(&transfer, .holdFor(.seconds(60)))
        case .failedFail: fail(&transfer, .fail)
        case .restarted: transfer.restarted(at: now)
        case .attemptAbandoned: transfer.attemptAbandoned(at: now)
        case .cancelled: try transfer.cancelled(at: now)
        case .retried: try transfer.retried(at: now, catalog: Known.catalog)
        case .paused: try transfer.paused()
        case .resumed: try transfer.resumed()
        case .described:
            try transfer.described(
                as: Known.metadata(["product": "pumpctl", "version": "2"]),
                catalog: Known.catalog,
                at: now
            )
        case .prioritized: try transfer.prioritized(5)
        case .verified: transfer.verified(Self.digests, catalog: Known.catalog, at: now)
        case .expire: transfer.expire(because: "Too late", at: now)
        case .refuse: transfer.refuse(because: Self.reason, at: now)
        case .waitsForWindow: transfer.waitsForWindow(until: now, window: "01:00-02:00")
        case .windowChanged: transfer.windowChanged()
        case .packageStands: _ = transfer.packageStands(arrived: 1, of: 2)
        case .rateChanged: transfer.rateChanged(at: now)
        case .packageBroke: _ = transfer.packageBroke(at: now)
        }
    }

    private func fail(_ transfer: inout Transfer, _ remedy: PublicationFailure.Remedy) {
        var generator = SeededGenerator(seed: 1)
        transfer.attemptFailed(
            PublicationFailure(reason: Self.reason, remedy: remedy),
            policy: PublicationPolicy(),
            at: Place.now,
            using: &generator
        )
    }
}

/// Every state × event. A state is where it leads, `-` stays as it is, `!` is a mistake of the program; `open`, `final`
/// and `busy` are refusals that an operator gets. `^` marks a place after an upload that the cloud has confirmed.
private let table = """
                        recv  stor  tick  uplo  regg  done  held  held^ fail  fail^ canc  expd
    attemptBegan        !     tick  !     !     regg  !     tick  regg  !     !     !     !
    ticketReceived      !     !     uplo  !     !     !     !     !     !     !     !     !
    uploadFinished      !     !     !     regg  !     !     !     !     !     !     !     !
    firmwareRegistered  !     !     !     !     done  !     !     !     !     !     !     !
    registerWindowEnded !     !     !     !     stor  !     !     !     !     !     !     !
    failedRetry         !     !     stor  stor  regg  !     !     !     !     !     !     !
    failedNewTicket     !     !     stor  stor  stor  !     !     !     !     !     !     !
    failedLookUp        !     !     !     !     regg  !     !     !     !     !     !     !
    failedHold          !     !     held  held  held  !     !     !     !     !     !     !
    failedHoldFor       !     !     held  held  held  !     !     !     !     !     !     !
    failedFail          !     !     fail  fail  fail  !     !     !     !     !     !     !
    restarted           -     -     stor  stor  regg  -     -     -     -     -     -     -
    attemptAbandoned    -     -     stor  stor  -     -     -     -     -     -     -     -
    cancelled           canc  canc  canc  canc  canc  final canc  canc  final final final final
    retried             open  stor  busy  busy  regg  final stor  regg  stor  regg  final final
    paused              -     -     -     -     -     final -     -     final final final final
    resumed             -     -     -     -     -     final -     -     final final final final
    described           -     -     busy  busy  busy  final stor  regg  -     -     final final
    prioritized         -     -     -     -     -     final -     -     final final final final
    verified            stor  !     !     !     !     !     !     !     !     !     !     !
    expire              expd  !     !     !     !     !     !     !     !     !     !     !
    refuse              fail  !     !     !     !     !     !     !     !     !     !     !
    waitsForWindow      !     -     !     !     !     !     -     -     !     !     !     !
    windowChanged       -     -     -     -     -     -     -     -     -     -     -     -
    packageStands       -     -     -     -     -     -     -     -     -     -     -     -
    packageBroke        -     -     -     -     stor  -     -     -     -     -     -     -
    rateChanged         -     -     -     -     -     -     -     -     -     -     -     -
    """

/// The words of the table.
let states = [
    "recv": "receiving", "stor": "stored", "tick": "ticketing", "uplo": "uploading", "regg": "registering",
    "done": "registered", "held": "held", "held^": "held^", "fail": "failed", "fail^": "failed^", "canc": "cancelled",
    "expd": "expired",
]

/// The codes of the refusals.
private let refusals = ["open": "receiving", "final": "final", "busy": "publishing"]

let rows: [(place: Place, event: Event, outcome: String)] = {
    let lines = table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    let places = lines[0].map { Place(states[$0] ?? $0) }
    return lines.dropFirst().flatMap { words -> [(place: Place, event: Event, outcome: String)] in
        guard let event = Event(rawValue: words[0]), words.count == places.count + 1 else {
            preconditionFailure("The row of \(words[0]) is not whole")
        }
        return zip(places, words.dropFirst()).map { (place: $0, event: event, outcome: $1) }
    }
}()

@Suite("The life of a transfer")
struct TransferMachineTests {
    @Test("The table below has every state and every event")
    func isWhole() {
        #expect(Set(rows.map(\.place.state)) == Set(TransferState.allCases))
        #expect(Set(rows.map(\.event)) == Set(Event.allCases))
    }

    @Test("Every event leads from every state where the table says")
    func everyStateAndEvent() {
        for (place, event, outcome) in rows where outcome != "!" {
            let former = place.transfer
            var transfer = former
            let what = "\(event) in \(place)"
            do throws(OperatorRefusal) {
                try event.apply(to: &transfer)
                let next = outcome == "-" ? place.state : TransferState(rawValue: states[outcome] ?? outcome)
                #expect(transfer.state == next, "\(what)")
                let isEntered = next != place.state || event == .retried && place.state.isFinal
                if isEntered { #expect(transfer.since == Place.now, "\(what)") }
            } catch {
                #expect(error.code == refusals[outcome], "\(what)")
                #expect(!error.text.isEmpty)
                #expect(transfer == former, "\(what) was refused and changed something all the same")
            }
        }
    }

    @Test("What cannot happen stops the program with a sentence, and is not carried on with")
    func impossible() async {
        await #expect(processExitsWith: .failure) {
            var transfer = Place("held").transfer
            transfer.ticketReceived(at: Place.now)
        }
        await #expect(processExitsWith: .failure) {
            var transfer = Place("stored").transfer
            transfer.uploadFinished(firmwareURL: "x", serverTime: Place.now, at: Place.now)
        }
        await #expect(processExitsWith: .failure) {
            var transfer = Place("uploading").transfer
            transfer.firmwareRegistered(id: "x", requestID: nil, at: Place.now)
        }
        await #expect(processExitsWith: .failure) {
            var transfer = Place("cancelled").transfer
            _ = transfer.attemptBegan(at: Place.now)
        }
        await #expect(processExitsWith: .failure) {
            var transfer = Place("cancelled").transfer
            try Event.failedRetry.apply(to: &transfer)
        }
        await #expect(processExitsWith: .failure) {
            var transfer = Place("stored").transfer
            transfer.expire(because: "x", at: Place.now)
        }
    }

    // MARK: - The table in the documentation

    /// The words of the drawn table, as events of the table above.
    private static let words: [String: [Event]] = [
        "attemptBegan": [.attemptBegan], "ticketReceived": [.ticketReceived], "uploadFinished": [.uploadFinished],
        "firmwareRegistered": [.firmwareRegistered], "registerWindowEnded": [.registerWindowEnded],
        "attemptFailed (retry, new ticket)": [.failedRetry, .failedNewTicket],
        "attemptFailed (retry, look up)": [.failedRetry, .failedLookUp],
        "attemptFailed (new ticket), registerWindowEnded": [.failedNewTicket, .registerWindowEnded],
        "attemptFailed (hold)": [.failedHold, .failedHoldFor], "packageBroke": [.packageBroke],
        "attemptFailed (fail)": [.failedFail], "restarted": [.restarted],
        "restarted, attemptAbandoned": [.restarted, .attemptAbandoned], "cancelled": [.cancelled],
        "retried": [.retried],
        "retried, described": [.retried, .described], "described": [.described],
    ]

    private static func places(_ text: String) -> [String] {
        switch text {
        case "any that is not final":
            return ["receiving", "stored", "ticketing", "uploading", "registering", "held", "held^"]
        default:
            let isUploaded = text.contains("after its upload")
            return text.replacingOccurrences(of: " after its upload", with: "")
                .replacingOccurrences(of: " before its upload", with: "")
                .replacingOccurrences(of: " with its bytes", with: "")
                .components(separatedBy: ", ").map { isUploaded ? $0 + "^" : $0 }
        }
    }

    @Test("The table in the source says the same as the machine does")
    func drawnTable() throws {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { folder.deleteLastPathComponent() }
        let source = try String(
            contentsOf: folder.appendingPathComponent("Sources/FerryCore/Publication/Transfer+publication.swift"),
            encoding: .utf8
        )
        let drawn = source.split(separator: "\n").filter { $0.hasPrefix("/// | ") }.dropFirst()
        #expect(drawn.count > 10)
        var told: Set<String> = []
        for line in drawn {
            let cells = line.dropFirst(4).split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            try #require(cells.count == 3, "\(line)")
            let events = try #require(Self.words[cells[1]], "\(line)")
            let next = cells[2].components(separatedBy: ",")[0]
            for place in Self.places(cells[0]) {
                for event in events {
                    let row = try #require(rows.first { $0.place.description == place && $0.event == event }, "\(line)")
                    #expect(states[row.outcome] == next, "\(line)")
                    told.insert("\(place) \(event)")
                }
            }
        }
        let publication: Set<Event> = [.verified, .expire, .refuse]
        for (place, event, outcome) in rows where !publication.contains(event) {
            guard let next = states[outcome].flatMap(TransferState.init(rawValue:)), next != place.state else {
                continue
            }
            #expect(told.contains("\(place) \(event)"), "\(event) in \(place) is not drawn")
        }
    }
}
