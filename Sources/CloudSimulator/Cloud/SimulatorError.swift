/// What can go wrong with the simulator itself, as opposed to what it answers.
package struct SimulatorError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure.
    package struct Code: Sendable, Hashable {
        private enum Kind { case start, folder, deadline, faultText }
        private let kind: Kind
        private init(_ kind: Kind) { self.kind = kind }

        /// It could not listen.
        package static let start = Code(.start)
        /// Its folder cannot be read or written.
        package static let folder = Code(.folder)
        /// What was waited for did not happen in time.
        package static let deadline = Code(.deadline)
        /// The text names no fault.
        package static let faultText = Code(.faultText)
    }

    package let code: Code
    /// What was being done.
    package let operation: String
    /// What the system said, where it said something.
    package let underlying: (any Error)?

    init(_ code: Code, _ operation: String, underlying: (any Error)? = nil) {
        self.code = code
        self.operation = operation
        self.underlying = underlying
    }

    package var description: String { underlying.map { "\(operation): \($0)" } ?? operation }
}
