import FlyingFox
import FlyingSocks
import Foundation
import Synchronization

/// A cloud to test against: the RPC calls and the bucket that the agent uses, on the loopback interface.
///
/// It checks what the real one is documented to check, remembers what it was asked, and fails on purpose where a test
/// says so. Objects and firmware list live in a folder and survive `stop()` and a later `start()`, also in another
/// process.
package final class SimulatedCloud: Sendable {
    private struct Running {
        let task: Task<Void, any Error>
        let server: HTTPServer
        let port: UInt16
    }

    /// Which moment of a call `waitFor` waits for.
    package enum Moment: Sendable {
        /// It came in; it may be held.
        case received
        /// It was answered or hung up.
        case answered
    }

    /// How a cloud is set up.
    package typealias Configuration = CloudConfiguration

    private let settings: LiveConfiguration
    private let clock: ServerClock
    private let account: Account
    private let bucket: Bucket
    private let log: CallLog
    private let faults = FaultScript()
    private let running = Mutex<Running?>(nil)

    /// Opens the folder. `watcher` is told of every call when it has been answered.
    package init(
        configuration: CloudConfiguration,
        watcher: @escaping @Sendable (CallRecord) -> Void = { _ in }
    ) throws {
        settings = LiveConfiguration(configuration)
        clock = ServerClock(settings: settings)
        log = CallLog(watcher: watcher)
        do {
            bucket = try Bucket(settings: settings, clock: clock)
            account = try Account(settings: settings, clock: clock)
        } catch {
            throw SimulatorError(.folder, "Could not open the folder \(configuration.folder)", underlying: error)
        }
    }

    /// How it is set up now.
    package var configuration: CloudConfiguration { settings.current }

    deinit { running.withLock { $0?.task.cancel() } }

    // MARK: Start and stop

    /// Listens; returns when calls are taken. After `stop()` it may be called again and takes the same port.
    package func start() async throws {
        guard running.withLock({ $0 == nil }) else { return }
        do {
            let server = HTTPServer(
                config: .init(
                    address: try .inet(ip4: "127.0.0.1", port: port ?? configuration.port),
                    // No call is given up by time here: slow and held calls are the point.
                    timeout: 86_400,
                    sharedRequestBufferSize: 4_096,
                    // A body that is not read whole must not be read before the answer either.
                    sharedRequestReplaySize: 0,
                    pool: LoopbackPool(receiveBuffer: configuration.receiveBuffer),
                    logger: .disabled
                ),
                handler: CallHandler(
                    clock: clock,
                    account: account,
                    bucket: bucket,
                    log: log,
                    faults: faults,
                    desk: ControlDesk(settings: settings, account: account, log: log, faults: faults)
                )
            )
            let waiting = Task { try await server.waitUntilListening(timeout: 10) }
            let task = Task {
                do {
                    try await server.run()
                } catch {
                    waiting.cancel()
                    throw error
                }
            }
            do {
                try await waiting.value
            } catch {
                task.cancel()
                try await task.value
                throw error
            }
            guard case .ip4(_, let port) = await server.listeningAddress else {
                task.cancel()
                throw SimulatorError(.start, "Could not find out the port")
            }
            await account.setHost("http://127.0.0.1:\(port)")
            lastPort.withLock { $0 = port }
            running.withLock { $0 = Running(task: task, server: server, port: port) }
        } catch let error as SimulatorError {
            throw error
        } catch SocketError.failed(_, EADDRINUSE, _) {
            throw SimulatorError(
                .start,
                "On port \(port ?? configuration.port) listens another; port 0 takes a free one"
            )
        } catch {
            throw SimulatorError(.start, "Could not listen on port \(configuration.port)", underlying: error)
        }
    }

    /// Closes the port and every connection at once, as a cloud that went away.
    package func stop() async {
        let stopped = running.withLock { running in
            defer { running = nil }
            return running
        }
        guard let stopped else { return }
        await stopped.server.stop()
        stopped.task.cancel()
        _ = await stopped.task.result
    }

    private let lastPort = Mutex<UInt16?>(nil)

    /// The port it listens on, or listened on last; nil before the first start.
    package var port: UInt16? { lastPort.withLock { $0 } }

    /// `http://127.0.0.1:PORT/`, for the agent's `cloud.endpoint`; port 0 before the first start.
    package var endpoint: String { "http://127.0.0.1:\(port ?? 0)/" }

    // MARK: What it saw and holds

    /// Every call since the start of the process, oldest first.
    package var calls: [CallRecord] { log.all }

    /// The calls of one kind.
    package func calls(_ call: Call) -> [CallRecord] { log.all.filter { $0.call == call } }

    /// The objects that are whole, oldest first.
    package var objects: [StoredObject] {
        get async { await account.objects }
    }

    /// The firmware list, oldest first.
    package var firmware: [RegisteredFirmware] {
        get async { await account.firmware }
    }

    /// Adds a package as if somebody else had registered it, past all rules.
    package func plant(_ firmware: RegisteredFirmware) async throws { try await account.plant(firmware) }

    /// Returns the calls of that kind once there are so many; throws after the deadline.
    @discardableResult
    package func waitFor(
        _ call: Call,
        count: Int = 1,
        _ moment: Moment = .answered,
        within limit: Duration = .seconds(20)
    ) async throws -> [CallRecord] {
        try await waitFor("\(count) × \(call.rawValue)", within: limit) { calls in
            let found = calls.filter { $0.call == call && (moment == .received || $0.answered != nil) }
            return found.count >= count ? found : nil
        }
    }

    /// Returns once an upload that is under way has brought so many bytes of its body; throws after the deadline.
    @discardableResult
    package func waitForUpload(bytes: Int64, within limit: Duration = .seconds(20)) async throws -> CallRecord {
        try await waitFor("an upload of \(bytes) bytes", within: limit) { calls in
            calls.last { $0.call == .postObject && $0.bodyBytes >= bytes }
        }
    }

    private func waitFor<Result>(
        _ what: String,
        within limit: Duration,
        _ find: ([CallRecord]) -> Result?
    ) async throws -> Result {
        let deadline = ContinuousClock.now + limit
        while true {
            let calls = log.all
            if let result = find(calls) { return result }
            guard ContinuousClock.now < deadline else {
                let seen = calls.suffix(20).map(\.line).joined(separator: "\n")
                throw SimulatorError(.deadline, "Waited \(limit) for \(what); the calls seen are:\n\(seen)")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    // MARK: What goes wrong

    /// Plays a fault at the next calls of that kind: so many times, or for good where `times` is nil. Several faults
    /// for one call are played one after the other.
    package func setFault(_ call: Call, _ fault: Fault, times: Int? = 1) { faults.add(fault, to: call, times: times) }

    /// Forgets the faults that have not been played: of one call, or of all. Returns how many there were.
    @discardableResult
    package func clearFaults(_ call: Call? = nil) -> Int { faults.clear(call) }

    /// Sets how far the server's clock is ahead of the system's.
    package func setClockOffset(_ offset: Duration) { change { $0.clockOffset = offset } }

    /// Changes how it is set up; counts from the next call on. Port, folder and receive buffer stay as they are.
    package func change(_ body: (inout CloudConfiguration) -> Void) { settings.change(body) }
}
