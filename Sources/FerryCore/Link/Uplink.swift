/// What is known of the link that uploads leave by, and of how the cloud treats one that outlives its ticket. It is kept
/// in the spool, so that a restart forgets nothing.
///
/// A ticket lives for about a minute, and nobody outside the cloud knows whether an upload has to begin or to end in that
/// time. So uploads begin at once, and what the cloud says to one that outlives its ticket is remembered:
///
/// | known | upload | to |
/// |---|---|---|
/// | nothing, or that it has to end in time | outlives its ticket and is taken | it has to begin in time |
/// | nothing, or that it has to begin in time | outlives its ticket and is refused for it | it has to end in time |
/// | anything | ends in time, or fails for another reason | the same |
/// | that it has to end in time, for a week | any | nothing |
///
/// Where it has to end in time, a file that the link cannot carry is not sent: at once where the link was measured
/// lately, else as soon as its beginning shows it. The next try waits for an hour of the day in which the link was
/// fast enough, or longer and longer.
package struct Uplink: Sendable, Equatable {
    /// What the life of a ticket bounds.
    package enum Bound: String, Sendable {
        /// The beginning of an upload.
        case beginning
        /// The last byte.
        case end
    }

    /// What the cloud was seen to do; nil: nothing yet.
    package private(set) var bound: Bound?
    /// When that was seen.
    private var boundSeen: WallTime?
    /// How long a ticket lives when the upload begins, as seen last.
    package private(set) var ticketLife = Uplink.documentedLife
    /// Bytes a second, as measured last.
    package private(set) var rate: Int64?
    private var measured: WallTime?
    /// Bytes a second in each hour of the day, local time, as measured last.
    private var hours: [Int64?] = Array(repeating: nil, count: 24)

    /// Help page of `GenerateOTAUploadURL`.
    package static let documentedLife = Duration.seconds(60)
    /// A measurement older than this says little of now.
    private static let freshness = Duration.seconds(900)
    /// A link that moves at all moves a socket's buffer in less time than this, unless it is a trickle.
    package static let stillness = Duration.seconds(4)
    /// Uploads that sent less, in less time, measure the start of a connection only.
    private static let least = (bytes: Int64(1 << 20), time: Duration.seconds(2))
    /// How far off the cloud's clock may be.
    private static let clockError = Duration.seconds(2)
    /// After this it is tried again whether uploads really have to end in time.
    private static let boundLife = Duration.seconds(7 * 86_400)
    /// Links are not so even that a file may need all of the time.
    private static let usedPart = 0.9

    /// Nothing is known.
    package init() {}

    // MARK: - Learning

    /// How one upload went.
    package struct Run: Sendable {
        /// Bytes of the file that the link took.
        package var sent: Int64
        package var took: Duration
        /// What was left of the ticket's life when it began.
        package var life: Duration
        package var end: End
        /// Of `took`, the time in which nothing moved at all: the link was away, or this process stood still. It says
        /// nothing of how fast the link is.
        package var still = Duration.zero

        package enum End: Sendable, Equatable {
            case taken
            /// Refused because the ticket was over.
            case expired
            /// Given up because it could not end in time.
            case givenUp
            case other
        }

        package init(sent: Int64, took: Duration, life: Duration, end: End) {
            self.sent = sent
            self.took = took
            self.life = life
            self.end = end
        }

        /// Whether it surely went on after its ticket was over, or, of one that was refused, may have: the cloud's clock
        /// is known to the second.
        fileprivate var isLate: Bool {
            switch end {
            case .taken: took > life + Uplink.clockError
            case .expired: took + Uplink.clockError > life
            case .givenUp, .other: false
            }
        }
        /// Bytes a second; nil where it was too short to tell.
        fileprivate var rate: Int64? {
            let moving = took - still
            // Where it stood still, some bytes may have gone before that was seen.
            let isLong = moving >= Uplink.least.time || still == .zero && sent >= Uplink.least.bytes
            guard moving > .zero, sent > 0, isLong else { return nil }
            return max(1, Int64(Double(sent) / moving.seconds))
        }
    }

    /// Learns from an upload that ended now.
    ///
    /// - Parameter hour: of the day, local time.
    package mutating func learn(_ run: Run, at now: WallTime, hour: Int) {
        if run.life > .zero { ticketLife = run.life }
        if let rate = run.rate {
            self.rate = rate
            measured = now
            if hours.indices.contains(hour) { hours[hour] = rate }
        }
        guard run.isLate else { return }
        bound = run.end == .taken ? .beginning : .end
        boundSeen = now
    }

    /// Another rate limit is in force: what was measured says nothing any more.
    package mutating func limitChanged() {
        rate = nil
        measured = nil
        hours = Array(repeating: nil, count: 24)
    }

    // MARK: - Deciding

    /// What to do with a file.
    package enum Decision: Sendable, Equatable {
        /// Send it, and see.
        case send
        /// Send it, and give up as soon as it is clear that it cannot end in time.
        case sendWatched
        /// The link does not carry it.
        case tooSlow
    }

    /// Whether to send a file of that size now.
    package func decision(size: Int64, at now: WallTime) -> Decision {
        guard isEndBound(at: now) else { return .send }
        guard let rate, let measured, isRecent(measured, at: now, within: Self.freshness) else { return .sendWatched }
        return rate < neededRate(size: size) ? .tooSlow : .sendWatched
    }

    /// Whether an upload is known to have to end while its ticket lives.
    package func isEndBound(at now: WallTime) -> Bool {
        guard bound == .end, let boundSeen else { return false }
        return isRecent(boundSeen, at: now, within: Self.boundLife)
    }

    /// A moment far in the future was written under another clock. A little ahead it may be: after a restart the gateway's
    /// own clock counts, until the server has told its time, which it does to the second only.
    private func isRecent(_ moment: WallTime, at now: WallTime, within limit: Duration) -> Bool {
        let age = now - moment
        return age + Self.clockTolerance > .zero && age < limit
    }

    private static let clockTolerance = Duration.seconds(60)

    /// Bytes a second that a file of that size needs.
    package func neededRate(size: Int64) -> Int64 {
        Int64((Double(size) / (max(ticketLife.seconds, 1) * Self.usedPart)).rounded(.up))
    }

    /// How long a file waits that the link does not carry: until an hour in which it was fast enough, else longer with
    /// every time.
    ///
    /// - Parameters:
    ///   - failures: in a row, at least 1.
    ///   - minute: of the day, local time.
    package func wait(
        size: Int64,
        failures: Int,
        minute: Int,
        using generator: inout some RandomNumberGenerator
    ) -> Duration {
        let jitter = Duration.seconds(Int64.random(in: 0..<600, using: &generator))
        let needed = neededRate(size: size)
        let hour = minute / 60 % 24
        for ahead in 1..<24 {
            guard let rate = hours[(hour + ahead) % 24], rate >= needed else { continue }
            return .seconds(60 * Int64(ahead * 60 - minute % 60)) + jitter
        }
        return min(.seconds(3_600) * (1 << min(max(failures, 1) - 1, 5)), .seconds(86_400)) + jitter
    }

    /// The reason of a file that waits for a faster link.
    package func reason(size: Int64) -> Reason {
        let file = ByteCount(rawValue: size)
        let needed = ByteCount(rawValue: neededRate(size: size))
        let carries = rate.map { "the link carries \(ByteCount(rawValue: $0))/s" } ?? "the link is slower"
        return Reason(
            .linkTooSlow,
            .operator,
            "\(file) have to be sent in \(Int64(ticketLife.seconds.rounded())) s, while their ticket lives: that takes "
                + "\(needed)/s, \(carries)",
            hint:
                "It waits for a better hour; retry when the link is faster. Where a rate limit is in force, which the command "
                + "limits shows, it may be that"
        )
    }
}

extension Uplink {
    /// Whether enough has changed since to be kept: another bound, or a rate that is a quarter higher or lower. Rates that
    /// carry the largest file there is are all the same: each change costs the flash a page.
    package func differs(from later: Uplink) -> Bool {
        guard bound == later.bound, let rate, let laterRate = later.rate else { return self != later }
        if bound == .end, let boundSeen, let laterSeen = later.boundSeen, laterSeen - boundSeen > Self.freshness {
            return true
        }
        guard min(rate, laterRate) < later.neededRate(size: CloudLimits.fileBytes) else { return false }
        return abs(rate - laterRate) * 4 > rate
    }

    /// What the spool keeps.
    package var json: JSONValue {
        [
            "bound": .text(bound?.rawValue), "bound_seen": boundSeen.map { .integer($0.milliseconds) } ?? .null,
            "ticket_life": .integer(ticketLife.milliseconds), "rate": rate.map(JSONValue.integer) ?? .null,
            "measured": measured.map { .integer($0.milliseconds) } ?? .null,
            "hours": .array(hours.map { $0.map(JSONValue.integer) ?? .null }),
        ]
    }

    /// Reads what `json` wrote; what cannot be read is not known.
    package init(json: JSONValue) {
        self.init()
        bound = json["bound"]?.string.flatMap(Bound.init(rawValue:))
        boundSeen = json["bound_seen"]?.integer.map { WallTime(milliseconds: $0) }
        if let life = json["ticket_life"]?.integer, life > 0 { ticketLife = .milliseconds(life) }
        if let rate = json["rate"]?.integer, rate > 0 { self.rate = rate }
        measured = json["measured"]?.integer.map { WallTime(milliseconds: $0) }
        guard let hours = json["hours"]?.array, hours.count == 24 else { return }
        self.hours = hours.map(\.integer)
    }
}

/// Watches one upload that has to end while its ticket lives. Pure: what was sent and how long it took come from outside.
///
/// While nothing moves it is not given up: that costs nothing, and says nothing of how fast the link is when it is back.
package struct UploadWatch: Sendable {
    private typealias Look = (elapsed: Double, sent: Int64)

    private let size: Int64
    private let life: Duration
    /// Since when it moves without a long break.
    private var begun: Look = (0, 0)
    /// When it was last seen to have moved.
    private var moved: Look = (0, 0)
    /// Sent at the last looks, oldest first.
    private var looks: [Look] = []

    /// Before this nothing is judged: connections start slowly.
    private static let grace = 4.0
    /// The recent rate is that of so many seconds.
    private static let span = 4.0
    /// A link may get this much better.
    private static let hope = 1.25

    package init(size: Int64, life: Duration) {
        self.size = size
        self.life = life
    }

    /// Whether the file can still end in time.
    package mutating func canEnd(sent: Int64, elapsed: Duration) -> Bool {
        // All is sent: the answer decides.
        guard sent < size else { return true }
        let elapsed = elapsed.seconds
        let life = life.seconds
        guard elapsed < life else { return false }
        guard sent > moved.sent else { return true }
        if elapsed - moved.elapsed >= Uplink.stillness.seconds {
            begun = (elapsed, sent)
            looks = []
        }
        moved = (elapsed, sent)
        looks.append(moved)
        while let second = looks.dropFirst().first, elapsed - second.elapsed >= Self.span { looks.removeFirst() }
        let moving = elapsed - begun.elapsed
        guard moving >= min(Self.grace, life / 3), let first = looks.first else { return true }
        let recent = elapsed > first.elapsed ? Double(sent - first.sent) / (elapsed - first.elapsed) : 0
        let rate = max(recent, Double(sent - begun.sent) / moving) * Self.hope
        return Double(size - sent) <= rate * (life - elapsed)
    }
}
