import Broker
import FerryCore
import Glibc
import Synchronization
import Threads

/// Hands what a connection hears to the thread of a command.
///
/// It needs no bound: what comes in is a few small messages a second, and one word for each segment that was sent, of
/// which the sender keeps a few on their way.
final class Mailbox: Sendable {
    enum Item: Sendable {
        case message(InboundMessage)
        case event(LinkEvent)
        /// Whether the agent answers.
        case pulse(AgentPulse)
    }

    private let items = Mutex<[Item]>([])
    private let wake: WakeSignal

    /// - Returns: nil when the process has no descriptor left.
    init?() {
        guard let wake = WakeSignal() else { return nil }
        self.wake = wake
    }

    func append(_ item: Item) {
        items.withLock { $0.append(item) }
        wake.signal()
    }

    /// Everything that came in, in order, after waiting for it at most so long.
    func take(waiting limit: Duration) -> [Item] {
        var descriptor = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&descriptor, 1, Int32(clamping: max(0, limit.milliseconds))) > 0 { wake.clear() }
        return items.withLock { items in
            defer { items = [] }
            return items
        }
    }
}

/// Ctrl-C and its kin, noted instead of ending the program at once.
enum Interruption {
    private static let count = Atomic<Int>(0)
    private static let isSuspensionNoted = Atomic<Bool>(false)

    /// From now on SIGINT, SIGTERM and SIGHUP are noted. A second one ends the program.
    static func watch() {
        // Touched here, so that the handler finds it made.
        count.store(0, ordering: .relaxed)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { number in
                Interruption.count.add(1, ordering: .relaxed)
                signal(number, SIG_DFL)
            }
        }
    }

    /// The same for a command that has changed the terminal and has to bring it back: an impatient second press must not
    /// end it in the middle of that, a fourth does. Ctrl-Z is noted too.
    static func watchOnScreen() {
        count.store(0, ordering: .relaxed)
        isSuspensionNoted.store(false, ordering: .relaxed)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { number in
                if Interruption.count.add(1, ordering: .relaxed).newValue >= 3 { signal(number, SIG_DFL) }
            }
        }
        signal(SIGTSTP) { _ in Interruption.isSuspensionNoted.store(true, ordering: .relaxed) }
    }

    static var isRequested: Bool { count.load(ordering: .relaxed) > 0 }

    /// Whether Ctrl-Z was pressed since this was last asked.
    static func takeSuspension() -> Bool { isSuspensionNoted.exchange(false, ordering: .relaxed) }
}
