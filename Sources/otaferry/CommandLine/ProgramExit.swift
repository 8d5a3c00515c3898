import ArgumentParser

/// What the program's exit code says; public, documented, only ever added to.
enum ProgramExit: Int32, Sendable, CaseIterable {
    /// Done.
    case done = 0
    /// Failed, and said why.
    case failed = 1
    /// Found errors that keep the agent from working, or warnings that became errors.
    case errorsFound = 2
    /// The command line was wrong.
    case usage = 64
    /// The broker or the agent could not be reached.
    case unreachable = 69
    /// Standard output could not be written.
    case outputFailed = 74
    /// The time limit came first; it may still happen.
    case notYet = 75
    /// The broker or the agent does not allow it.
    case notAllowed = 77
    /// The configuration has mistakes.
    case configuration = 78

    /// To be thrown from a command that has said what there is to say.
    var code: ExitCode { ExitCode(rawValue) }
}
