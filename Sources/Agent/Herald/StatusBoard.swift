import FerryCore
import Logging
import Spool
import Synchronization

/// What the status message says that is not in the spool: links, the cloud, problems. From any thread.
final class StatusBoard: Sendable {
    /// A problem that a person can see. The raw values are published.
    enum Problem: String, Sendable, CaseIterable {
        case dataLink = "data-link"
        case spoolFull = "spool-full"
        case spoolFailing = "spool-failing"
        case spoolDamaged = "spool-damaged"
        case cloud = "cloud"
        case paused = "paused"

        /// Whether firmware cannot come in while it lasts.
        var degrades: Bool {
            switch self {
            case .dataLink, .spoolFull, .spoolFailing: true
            case .spoolDamaged, .cloud, .paused: false
            }
        }

        /// What follows from it.
        var consequence: String {
            switch self {
            case .dataLink, .spoolFull, .spoolFailing: "no firmware comes in while it lasts"
            case .spoolDamaged: "firmware whose bytes were lost has to be sent again"
            case .cloud, .paused: "firmware waits while it lasts"
            }
        }

        /// What a person can do, where nothing better is known.
        var standardHint: String {
            switch self {
            case .dataLink: "Look at the broker's log, and run otaferry doctor"
            case .spoolFull: "Make room on the file system of the spool; everything goes on by itself"
            case .spoolFailing: "Look at the disk: dmesg, df, the rights of spool.path"
            case .spoolDamaged: "Look at the disk: dmesg; docs/spool.md tells what was saved"
            case .cloud: "It is tried again by itself; otaferry doctor tells more"
            case .paused: "otaferry resume lets publication go on"
            }
        }
    }

    private struct Contents {
        var isStopping = false
        var isCreditDenied = false
        var since = WallTime.now()
        var problems: [Problem: (text: String, hint: String)] = [:]
        var isDataLinkUp = false
        var isControlLinkUp = false
        var maximumPacket: ByteCount?
        var brokerVersion: String?
        var isCloudReachable: Bool?
        var lastCloudSuccess: WallTime?
        /// When uploads start and how fast they go, as `limits` tells it.
        var uploads: JSONValue = [:]
        /// Transfers by state, when they could last be counted.
        var counts: [TransferState: Int] = [:]
    }

    /// What was done since the start.
    let totals = Totals()
    private let contents = Mutex(Contents())
    private let unsaid = Atomic<Bool>(false)
    private let gateway: Name
    private let limits: Limits
    /// Told that the status message has to be made anew.
    private let changed: Signal
    private let clockOffset: @Sendable () -> Duration?
    /// For the journal: that there is no room, and that there is again.
    private let roomLog: FailureLog?

    /// Figures of the configuration that senders want to know.
    struct Limits: Sendable {
        var oneShotMax: ByteCount
        var packetMax: ByteCount
        var credit: ByteCount
    }

    init(
        gateway: Name,
        limits: Limits,
        changed: Signal,
        logger: Logger? = nil,
        clockOffset: @escaping @Sendable () -> Duration?
    ) {
        self.gateway = gateway
        self.limits = limits
        self.changed = changed
        self.clockOffset = clockOffset
        // It is looked for every few seconds, and may last for days.
        roomLog = logger.map {
            FailureLog($0, "The spool is full", "The spool has room again", interval: .seconds(3_600))
        }
    }

    /// Something in the spool changed that the status counts.
    func touch() { change() }

    private func change() {
        unsaid.store(true, ordering: .relaxed)
        changed.send()
    }

    /// Whether the status has changed since it was said.
    var isUnsaid: Bool { unsaid.load(ordering: .relaxed) }

    /// The status is about to be said as it is now.
    func isBeingSaid() { unsaid.store(false, ordering: .relaxed) }

    func report(_ problem: Problem, _ text: String, hint: String) {
        let hint = hint.isEmpty ? problem.standardHint : hint
        let isNew = contents.withLock { contents in
            let former = contents.problems.updateValue((text, hint), forKey: problem)
            return former?.text != text
        }
        if isNew { change() }
    }

    func solve(_ problem: Problem) {
        let wasThere = contents.withLock { $0.problems.removeValue(forKey: problem) != nil }
        guard wasThere else { return }
        if problem == .spoolFull { roomLog?.succeeded() }
        change()
    }

    /// The device of the spool is full.
    func spoolIsFull() {
        isFull(
            "The disk of the spool is full: nothing more is received",
            hint: "Make room on its file system; everything goes on by itself"
        )
    }

    private func isFull(_ text: String, hint: String) {
        roomLog?.failed(text, hint: hint)
        report(.spoolFull, text, hint: hint)
    }

    /// The spool holds as much as it may.
    func quotaIsUsed(_ quota: Int64) {
        isFull(
            "The spool holds as much as spool.quota allows, \(ByteCount(rawValue: quota)): nothing more is received",
            hint: "otaferry list shows what waits; it goes on when firmware is registered or cancelled"
        )
    }

    /// The device of the spool fails.
    func spoolFailed(_ error: SpoolError) {
        report(.spoolFailing, error.description, hint: "Look at the disk: dmesg, df, the rights of spool.path")
    }

    /// Whether publication of everything rests.
    func paused(_ isPaused: Bool) {
        guard isPaused else { return solve(.paused) }
        report(.paused, "Publication is paused by an operator", hint: "otaferry resume")
    }

    /// When uploads may start and how fast they may go, as the command `limits` tells it.
    func uploads(_ limits: JSONValue) {
        contents.withLock { $0.uploads = limits }
        change()
    }

    /// Whether a problem lasts.
    func has(_ problem: Problem) -> Bool { contents.withLock { $0.problems[problem] != nil } }

    func dataLink(isUp: Bool, maximumPacket: ByteCount? = nil) {
        contents.withLock { contents in
            contents.isDataLinkUp = isUp
            if isUp {
                contents.maximumPacket = maximumPacket
                contents.problems[.dataLink] = nil
            }
        }
        change()
    }

    func controlLink(isUp: Bool) {
        contents.withLock { $0.isControlLinkUp = isUp }
        change()
    }

    func broker(version: String) {
        contents.withLock { $0.brokerVersion = version }
        change()
    }

    /// The cloud did what it was asked for.
    func cloudSucceeded() {
        contents.withLock { contents in
            contents.isCloudReachable = true
            contents.lastCloudSuccess = .now()
            contents.problems[.cloud] = nil
        }
        change()
    }

    /// The cloud refused something, or did not answer.
    func cloudFailed(isReachable: Bool) {
        contents.withLock { $0.isCloudReachable = isReachable }
        change()
    }

    /// Whether a sender was told to pause for want of room.
    var isCreditDenied: Bool { contents.withLock { $0.isCreditDenied } }

    func creditDenied(_ isDenied: Bool) { contents.withLock { $0.isCreditDenied = isDenied } }

    /// The program ends: from now on the status says so.
    func stop() { contents.withLock { $0.isStopping = true } }

    /// Whether the control connection stands, and it is known how the data connection is.
    var canSpeak: Bool {
        contents.withLock { $0.isControlLinkUp && ($0.isDataLinkUp || $0.problems[.dataLink] != nil) }
    }

    /// Whether the subscriptions of both connections stand.
    var isOnline: Bool { contents.withLock { $0.isDataLinkUp && $0.isControlLinkUp } }

    /// The broker takes no larger payload from us; nil: any.
    var largestPayload: Int64? { contents.withLock { $0.maximumPacket }.map { max(0, $0.rawValue - 1_024) } }

    /// Segments of this size fit the broker's packets and our own, with room for topic and properties.
    var segment: Int64 { segment(maximumPacket: contents.withLock { $0.maximumPacket }) }

    private func segment(maximumPacket: ByteCount?) -> Int64 {
        let packet = min(maximumPacket ?? limits.packetMax, limits.packetMax)
        return min(IntakeRules.defaultSegment, max(1_024, packet.rawValue - 1_024))
    }

    /// The payload of `status`, with what the spool says.
    func message(_ ledger: Ledger) -> JSONValue {
        // From a disk that cannot be read nothing can be counted; that it fails has to be said all the more.
        let counts = try? ledger.counts()
        let known = contents.withLock { contents in
            if let counts {
                contents.counts = counts
                // What the cloud refused last is nobody's trouble any more.
                if Self.waitingForCloud.allSatisfy({ counts[$0, default: 0] == 0 }) { contents.problems[.cloud] = nil }
            }
            return contents.counts
        }
        return message(usage: ledger.usage, counts: known, oldest: ledger.oldestUnfinished)
    }

    /// The payload of `status`.
    func message(usage: SpoolUsage, counts: [TransferState: Int], oldest: WallTime? = nil) -> JSONValue {
        contents.withLock { contents in
            let isDegraded = !contents.isDataLinkUp || contents.problems.keys.contains(where: \.degrades)
            let problems = contents.problems.sorted { $0.key.rawValue < $1.key.rawValue }
            return [
                "v": 1, "state": contents.isStopping ? "stopping" : isDegraded ? "degraded" : "online",
                "version": .string(AgentVersion.text),
                "since": .string(contents.since.iso8601), "gateway": .string(gateway.text),
                "limits": limitsJSON(segment: segment(maximumPacket: contents.maximumPacket)),
                "uploads": [
                    "rate_limit": Self.limit("rate-limit", contents.uploads),
                    "window": Self.limit("window", contents.uploads),
                ],
                "spool": [
                    "used": .integer(usage.used), "free": .integer(usage.free), "quota": .integer(usage.quota),
                    "transfers": .integer(Int64(counts.values.reduce(0, +))),
                ],
                "queue": Self.queue(counts), "queue_since": .text(oldest?.iso8601), "totals": totals.json,
                "memory": ["resident": ProcessFigures.residentBytes.map(JSONValue.integer) ?? .null],
                "cloud": [
                    "reachable": contents.isCloudReachable.map(JSONValue.bool) ?? .null,
                    "last_success": .text(contents.lastCloudSuccess?.iso8601),
                    "clock_offset": clockOffset().map { .double($0.seconds) } ?? .null,
                ],
                "broker": [
                    "connected": .bool(contents.isDataLinkUp && contents.isControlLinkUp),
                    "version": .text(contents.brokerVersion),
                    "max_packet": contents.maximumPacket.map { .integer($0.rawValue) } ?? .null,
                ],
                "problems": .array(
                    problems.map { problem, words in
                        ["code": .string(problem.rawValue), "text": .string(words.text), "hint": .string(words.hint)]
                    }
                ),
            ]
        }
    }

    private static let waitingForCloud: [TransferState] = [.stored, .ticketing, .uploading, .registering, .held]

    /// Null where there is none.
    private static func limit(_ name: String, _ limits: JSONValue) -> JSONValue {
        .text(limits[name]?.string.flatMap { $0.isEmpty ? nil : $0 })
    }

    private func limitsJSON(segment: Int64) -> JSONValue {
        [
            "size_max": .integer(CloudLimits.fileBytes), "one_shot_max": .integer(limits.oneShotMax.rawValue),
            "packet_max": .integer(limits.packetMax.rawValue), "segment": .integer(segment),
            "credit": .integer(limits.credit.rawValue),
            "suffixes": .array(FileName.suffixes.map(JSONValue.string)),
        ]
    }

    private static func queue(_ counts: [TransferState: Int]) -> JSONValue {
        func count(_ states: TransferState...) -> JSONValue {
            .integer(Int64(states.reduce(0) { $0 + (counts[$1] ?? 0) }))
        }
        return [
            "receiving": count(.receiving), "stored": count(.stored),
            "publishing": count(.ticketing, .uploading, .registering), "held": count(.held),
            "failed": count(.failed),
        ]
    }
}
