import Foundation

extension Duration {
    /// For what takes moments, on a machine that does much else meanwhile.
    package static let longEnough = Duration.seconds(30)
}

/// Returns as soon as the condition holds, which it is asked every few milliseconds; throws after the deadline.
package func eventually(
    within limit: Duration = .longEnough,
    _ what: String = "the condition",
    _ condition: () async throws -> Bool
) async throws {
    try await firstValue(within: limit, what) { try await condition() ? () : nil }
}

/// Returns the first value that is there, which is asked for every few milliseconds; throws after the deadline.
package func firstValue<Value>(
    within limit: Duration = .longEnough,
    _ what: String = "the value",
    _ value: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        if let value = try await value() { return value }
        guard ContinuousClock.now < deadline else { throw TestSupportError("Waited \(limit) for \(what)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}
