import Agent
import Glibc

/// Where commands speak: results to standard output, all else to standard error.
enum Console {
    /// A result.
    static func say(_ text: String) { print(text) }

    /// A message for the person at the terminal.
    static func complain(_ text: String) {
        // What was said before comes before, also where both go to one file.
        fflush(nil)
        StandardErrorLog.writeToStandardError(Array((text + "\n").utf8))
    }
}
