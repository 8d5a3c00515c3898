import FerryCore
import Glibc
import Logging
import Spool

/// Keeps a file for the textfile collector of Prometheus' node_exporter: written when something has changed, at most
/// every 15 seconds, and always whole.
struct MetricsFile: Sendable {
    let path: String
    let gateway: Name
    let spool: Spool
    let board: StatusBoard
    let logger: Logger

    /// Between two looks.
    private static let interval = Duration.seconds(15)
    /// Both connections have had time to stand before the first, on a gateway that is well.
    private static let firstLook = Duration.seconds(1)

    /// Works until the task is cancelled; then says that the agent is gone.
    func run() async {
        let failures = FailureLog(logger, "The metrics could not be written", "The metrics are written again")
        var said = ""
        // Cancelled: the loop does not begin.
        try? await Task.sleep(for: Self.firstLook)
        while !Task.isCancelled {
            let status = await status()
            let text = status.map { Metric.text(of: $0, gateway: gateway.text, isRestless: false) } ?? said
            if let status, text != said {
                do throws(FileText.Failure) {
                    try Self.write(Metric.text(of: status, gateway: gateway.text), to: path)
                    said = text
                    failures.succeeded()
                } catch {
                    failures.failed("\(path): \(error.text)", hint: "The agent's user must be able to write its folder")
                }
            }
            // Cancelled: the loop ends.
            try? await Task.sleep(for: Self.interval)
        }
        // Nobody hears of a failure any more, and the age of the file tells it.
        try? Self.write(Metric.text(of: ["state": "offline"], gateway: gateway.text), to: path)
    }

    private func status() async -> JSONValue? {
        let board = board
        // A spool that cannot be read now is read at the next look.
        return try? await spool.read { (ledger) throws(SpoolError) in board.message(ledger) }
    }

    /// Writes beside the file and renames, so that nobody reads half of it.
    static func write(_ text: String, to path: String) throws(FileText.Failure) {
        let draft = path + ".tmp"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileText.Failure(code: errno) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                let failure = FileText.Failure(code: errno)
                close(descriptor)
                unlink(draft)
                throw failure
            }
            bytes = bytes.dropFirst(count)
        }
        close(descriptor)
        guard rename(draft, path) == 0 else { throw FileText.Failure(code: errno) }
    }
}
