import Synchronization

/// The configuration as it is now: what a test, or somebody over HTTP, changed while the cloud runs counts from the next
/// call on.
final class LiveConfiguration: Sendable {
    private let value: Mutex<CloudConfiguration>

    init(_ configuration: CloudConfiguration) { value = Mutex(configuration) }

    var current: CloudConfiguration { value.withLock { $0 } }

    func change(_ body: (inout CloudConfiguration) -> Void) { value.withLock { body(&$0) } }
}
