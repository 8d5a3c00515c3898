import Broker
import FerryCore

/// One push from the file to its end, on the thread that calls.
enum PushSession {
    /// How it ended, and the connection that has to be closed.
    struct Result: Sendable {
        var ending: PushDriver.Ending
        var link: BrokerLink?
    }

    private struct Interrupted: Error {}

    /// Hashes the file, connects and delivers.
    static func run(path: String, order: PushOrder, route: BrokerRoute, display: PushDisplay) -> Result {
        var display = display
        do {
            let source = try FirmwareSource(path: path)
            let digest = try hash(source, &display)
            let document = order.document(name: source.name, size: source.size, digest: digest)
            if let problem = problem(with: document, size: source.size) {
                display.finish()
                return Result(ending: .init(.failed, problem))
            }
            let address = TransferAddress(sender: route.sender, id: order.transferID(of: digest))
            display.object([
                "event": "begin", "id": .string(address.id.text), "sender": .string(address.sender.text),
                "size": .integer(source.size), "sha256": .string(digest.hex),
            ])
            let task = PushDriver.Task(order: order, source: source, digest: digest, address: address, route: route)
            return try deliver(task, display)
        } catch let error as SourceFileError {
            display.finish()
            return Result(ending: .init(.failed, error.text))
        } catch let error as LinkError {
            display.finish()
            return Result(ending: .init(.unreachable, error.text))
        } catch {
            display.finish()
            return Result(ending: .init(.notYet, "Interrupted", hint: "Nothing was sent yet"))
        }
    }

    private static func hash(_ source: FirmwareSource, _ display: inout PushDisplay) throws -> Digest {
        var meter = RateMeter()
        let started = ContinuousClock.now
        return try source.digest { (done: Int64) throws(Interrupted) in
            guard !Interruption.isRequested else { throw Interrupted() }
            let now = ContinuousClock.now - started
            meter.note(done, at: now)
            // A small file is hashed before anyone could read of it.
            guard now > .milliseconds(200) else { return }
            let rest = source.size - done
            display.update(
                ProgressLine(
                    phase: "hashing",
                    done: done,
                    total: source.size,
                    rate: meter.rate,
                    remaining: meter.remaining(rest)
                ),
                at: now
            )
        }
    }

    /// What the agent would refuse, found out before a byte is sent.
    private static func problem(with document: JSONValue, size: Int64) -> String? {
        guard size > 0 else { return "The file is empty; the cloud takes no empty firmware" }
        guard size <= CloudLimits.fileBytes else {
            return "The file has \(ByteCount(rawValue: size)); the cloud takes at most "
                + "\(ByteCount(rawValue: CloudLimits.fileBytes))"
        }
        do throws(FirmwareMetadata.Problem) {
            _ = try TransferRequest(document: document)
            return nil
        } catch {
            return error.text
        }
    }

    private static func deliver(_ task: PushDriver.Task, _ display: PushDisplay) throws(LinkError) -> Result {
        guard let mailbox = Mailbox() else { throw LinkError(.library, "No file descriptor is left") }
        var settings = BrokerLinkSettings(
            name: "push",
            address: task.route.access,
            clientID: CommandClient.clientID("push"),
            session: .clean
        )
        let topics = PushTopics(root: task.route.root, address: task.address)
        settings.subscriptions = topics.incoming.map { Subscription($0, retained: .send) }
        let link = try BrokerLink(
            settings: settings,
            receive: { messages, _ in
                for message in messages { mailbox.append(.message(message)) }
                return .done
            },
            observe: { mailbox.append(.event($0)) }
        )
        try link.start()
        let driver = PushDriver(task: task, link: link, mailbox: mailbox, display: display)
        let ending = driver.run()
        driver.display.finish()
        return Result(ending: ending, link: link)
    }
}
