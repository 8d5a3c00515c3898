import FerryCore
import Logging
import ServiceLifecycle
import Spool

/// Tells of a damaged spool, and ends the program when the file is found damaged while it runs: the next start sets it aside
/// and saves what can be read.
struct DamageWatch: Service {
    private let logger: Logger
    private let wasFound = Signal()

    init(logger: Logger) { self.logger = logger }

    /// From any thread.
    func found(_ error: SpoolError) {
        logger.error("The spool is damaged", metadata: [LogKeys.error: "\(error)"])
        wasFound.send()
    }

    func run() async throws {
        for await _ in wasFound.sends.cancelOnGracefulShutdown() {
            throw AgentError(
                "The spool's file is damaged; the next start sets it aside and saves what can be read of it"
            )
        }
    }

    /// Says what was saved, and which files still lie beside the spool.
    func report(of spool: Spool, path: String, on board: StatusBoard) {
        var text = ""
        if let damage = spool.damage {
            logger.error(
                "The spool was damaged; what could be read is saved in a new one",
                metadata: [
                    LogKeys.path: "\(damage.path)", LogKeys.error: "\(damage.cause)",
                    LogKeys.count: "\(damage.transfers)", LogKeys.bytes: "\(damage.bytes)",
                ]
            )
            text =
                "; \(damage.transfers) transfers and \(ByteCount(rawValue: damage.bytes)) of firmware were saved from it"
        }
        guard let last = Spool.damagedFiles(beside: path).last else { return }
        board.report(
            .spoolDamaged,
            "The spool's file was damaged and is set aside as \(last)\(text)",
            hint:
                "Look at the disk (dmesg, smartctl), send again what failed, then move that file away and restart the agent"
        )
    }
}
