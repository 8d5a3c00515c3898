import FerryCore
import Spool
import Synchronization

/// What the publisher has learned of the way to the cloud: how fast the uplink is, how the cloud treats slow uploads, and
/// which share of the account's calls is this gateway's. It survives a restart in the spool's settings.
final class LearnedLink: Sendable {
    private struct State {
        var uplink = Uplink()
        /// As they are in the spool.
        var savedUplink = Uplink()
        var savedInterval = Duration.zero
    }

    private let state = Mutex(State())
    private let pacer: CallPacer

    private static let uplinkSetting = "uplink"
    private static let intervalSetting = "call-interval"

    init(pacer: CallPacer) { self.pacer = pacer }

    /// What is known of the uplink.
    var uplink: Uplink { state.withLock { $0.uplink } }

    /// Learns from an upload.
    func learn(_ run: Uplink.Run, at now: WallTime) {
        let hour = LocalTime.minuteOfDay() / 60
        state.withLock { $0.uplink.learn(run, at: now, hour: hour) }
    }

    /// Another rate limit is in force.
    func limitChanged() { state.withLock { $0.uplink.limitChanged() } }

    /// Takes over what the spool has kept. Before the first call.
    func load(_ ledger: Ledger) throws(SpoolError) {
        let texts = (try ledger.setting(Self.uplinkSetting), try ledger.setting(Self.intervalSetting))
        // What cannot be read is learned anew.
        let uplink = texts.0.flatMap { try? JSONValue(parsing: $0) }.map { Uplink(json: $0) }
        let interval = texts.1.flatMap { Int64($0) }.map { Duration.milliseconds($0) }
        state.withLock { state in
            state.uplink = uplink ?? Uplink()
            state.savedUplink = state.uplink
            state.savedInterval = interval ?? .zero
        }
        if let interval, interval > .zero { pacer.remember(interval) }
    }

    /// Keeps what has changed enough to be worth a page of flash. Part of a transaction that writes anyway.
    func save(in ledger: Ledger) throws(SpoolError) {
        let uplink = uplink
        let interval = pacer.interval
        let (isUplinkNew, isIntervalNew) = state.withLock { state in
            (
                state.savedUplink.differs(from: uplink),
                abs(interval.milliseconds - state.savedInterval.milliseconds) * 4 > state.savedInterval.milliseconds
            )
        }
        if isUplinkNew { try ledger.setSetting(Self.uplinkSetting, uplink.json.text) }
        if isIntervalNew { try ledger.setSetting(Self.intervalSetting, String(interval.milliseconds)) }
        guard isUplinkNew || isIntervalNew else { return }
        ledger.afterCommit { [self] in
            state.withLock { state in
                if isUplinkNew { state.savedUplink = uplink }
                if isIntervalNew { state.savedInterval = interval }
            }
        }
    }
}
