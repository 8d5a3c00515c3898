import FerryCore

/// What the agent's status means for a file that waits for its turn: it tells of the gateway, not of this file.
struct AgentOutlook: Sendable, Equatable {
    /// What keeps everything waiting: a pause, a disk that fails.
    var problem: String?
    /// Whether the last try to reach the cloud, with whatever firmware, failed.
    var isCloudAway = false
    /// How many are on their way to the cloud.
    var publishing: Int64 = 0

    /// These keep nothing waiting that is stored: they are about another firmware, or about what comes in.
    private static let codesOfOthers: Set<String> = ["cloud", "spool-full", "data-link"]

    init() {}

    init(status: JSONValue?) {
        problem =
            status?["problems"]?.array?.first { !Self.codesOfOthers.contains($0["code"]?.string ?? "") }?["text"]?
            .string
        isCloudAway = status?["cloud"]?["reachable"]?.bool == false
        publishing = status?["queue"]?["publishing"]?.count ?? 0
    }

    /// Why a file waits of which nothing more is known, and whether that is more than the wait for a moment.
    ///
    /// - Parameter isLive: shown until the next one comes, so that what changes may be told.
    func note(isLive: Bool) -> (text: String, isTransient: Bool) {
        if let problem { return (ColumnText.printable(problem), false) }
        if isCloudAway { return ("waiting for its turn; the gateway does not reach the cloud now", false) }
        guard isLive, publishing > 0 else { return ("waiting for its turn", true) }
        return ("waiting for its turn behind \(publishing) \(publishing == 1 ? "other" : "others")", true)
    }
}
