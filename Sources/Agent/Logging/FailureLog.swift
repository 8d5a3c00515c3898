import FerryCore
import Logging
import Synchronization

/// Logs a failure that may repeat: when it begins, then at most every 30 s with how often, and once when it is over.
final class FailureLog: Sendable {
    private let logger: Logger
    private let level: Logger.Level
    private let sentence: String
    private let ending: String
    private let failure: Mutex<RepeatingFailure>

    /// - Parameters:
    ///   - sentence: what happened: `The spool could not be tidied`.
    ///   - ending: what is said when it works again: `The spool is tidied again`.
    init(
        _ logger: Logger,
        level: Logger.Level = .warning,
        _ sentence: String,
        _ ending: String,
        interval: Duration = RepeatingFailure.defaultInterval
    ) {
        self.logger = logger
        self.level = level
        self.sentence = sentence
        self.ending = ending
        failure = Mutex(RepeatingFailure(interval: interval))
    }

    /// It failed (again).
    func failed(_ error: String, hint: String = "", metadata: Logger.Metadata = [:]) {
        var values = metadata
        values[LogKeys.error] = "\(error)"
        if !hint.isEmpty { values[LogKeys.hint] = "\(hint)" }
        switch failure.withLock({ $0.failed(at: .now) }) {
        case .quiet, .ended: return
        case .began: break
        case .goesOn(let count, let duration):
            values[LogKeys.count] = "\(count)"
            values[LogKeys.duration] = "\(Int(duration.seconds))s"
        }
        logger.log(level: level, "\(sentence)", metadata: values)
    }

    /// It went well.
    func succeeded() {
        guard case .ended(let count, let duration) = failure.withLock({ $0.succeeded(at: .now) }) else { return }
        let values: Logger.Metadata = [
            LogKeys.count: "\(count)", LogKeys.duration: "\(Int(duration.seconds))s",
        ]
        logger.notice("\(ending)", metadata: values)
    }
}
