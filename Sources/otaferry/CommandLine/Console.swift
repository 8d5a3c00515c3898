import Agent
import FerryCore
import Glibc

/// Where commands speak: results to standard output, all else to standard error.
enum Console {
    /// A result, for a person.
    static func say(_ text: String) { Terminal.write(text + "\n") }

    /// A result, for a program: as it is, wherever it goes.
    static func answer(_ json: JSONValue) { Terminal.write(json.text + "\n", for: .program) }

    /// A message for the person at the terminal, who finds its lines broken between words.
    static func complain(_ text: String) {
        // What the parser and libraries tell has the words of the command line as they are.
        var text = text.split(separator: "\n", omittingEmptySubsequences: false).map {
            ColumnText.printable(String($0))
        }
        .joined(separator: "\n")
        if let columns = Terminal.columns(at: STDERR_FILENO) {
            text = text.split(separator: "\n", omittingEmptySubsequences: false)
                .flatMap { ColumnText.wrapped(String($0), to: columns) }.joined(separator: "\n")
        }
        StandardErrorLog.writeToStandardError(Array((Terminal.readable(text, at: STDERR_FILENO) + "\n").utf8))
    }
}
