/// Why the spool could not do something.
package struct SpoolError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// No space on the device, or the quota of the file system.
        case full
        /// The device or the file system failed.
        case inputOutput
        /// What is stored is not what was written.
        case damaged
        /// Written by a newer version of this program.
        case newerSchema
        /// Another agent works on this spool.
        case inUse
        /// The file or folder cannot be used as it is.
        case unusable
        /// A mistake in this program.
        case misuse
    }

    package var code: Code
    /// What was to be done, with its object: "store bytes of ci/7f3c".
    package var operation: String
    /// What the system or SQLite said.
    package var underlying: String
    /// SQLite's extended result code, or 0.
    package var resultCode: Int32
    /// What a person can do, or empty.
    package var hint: String

    package init(
        _ code: Code,
        operation: String,
        underlying: String,
        resultCode: Int32 = 0,
        hint: String = ""
    ) {
        self.code = code
        self.operation = operation
        self.underlying = underlying
        self.resultCode = resultCode
        self.hint = hint
    }

    package var description: String {
        "Could not \(operation): \(underlying)\(hint.isEmpty ? "" : ". \(hint)")"
    }
}
