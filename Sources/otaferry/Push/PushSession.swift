import Broker
import FerryCore

/// One push from the files to its end, on the thread that calls.
enum PushSession {
    /// How it ended, and the connection that has to be closed.
    struct Result: Sendable {
        var ending: PushDriver.Ending
        var link: BrokerLink?
    }

    private struct Interrupted: Error {}

    /// Signs and hashes the files, connects and delivers.
    static func run(paths: [String], order: PushOrder, route: BrokerRoute, display: PushDisplay) -> Result {
        var display = display
        do {
            var sources: [FirmwareSource] = []
            for path in paths { sources.append(try FirmwareSource(path: path)) }
            if let problem = PushOrder.problem(withNames: sources.map(\.name)) {
                return Result(ending: .init(.usage, problem, hint: "Nothing was sent"))
            }
            // What is about the file alone is known before it is read.
            for source in sources {
                let named: JSONValue = ["name": .string(source.name)]
                guard let problem = PushOrder.problem(ofFile: named, size: source.size) else { continue }
                return Result(ending: .init(.failed, problem, hint: "Nothing was sent"))
            }
            // By name, so that the order on the command line makes no difference.
            sources.sort { $0.name < $1.name }
            let files = try prepare(sources, order, route, &display)
            for file in files {
                guard let problem = PushOrder.problem(with: file.document, size: file.source.size) else { continue }
                display.finish()
                return Result(ending: .init(.usage, problem, hint: "Nothing was sent"))
            }
            introduce(files, order, route, &display)
            return try deliver(PushDriver.Task(order: order, files: files, route: route), display)
        } catch let error as SourceFileError {
            display.finish()
            return Result(ending: .init(.failed, error.text, hint: error.hint))
        } catch let error as LinkError {
            display.finish()
            return Result(ending: .init(.unreachable, error.text))
        } catch {
            display.finish()
            return Result(ending: .init(.notYet, "Interrupted", hint: "Nothing was sent yet"))
        }
    }

    private static func prepare(
        _ sources: [FirmwareSource],
        _ order: PushOrder,
        _ route: BrokerRoute,
        _ display: inout PushDisplay
    ) throws -> [PushFile] {
        var signatures: [String?] = sources.map { _ in nil }
        if let key = order.signingKey {
            for (index, source) in sources.enumerated() {
                do throws(SourceFileError) {
                    signatures[index] = try FirmwareSigner.sign(source.path, key: key)
                } catch {
                    // Who is stopped at the passphrase has not failed.
                    guard !Interruption.isRequested else { throw Interrupted() }
                    throw error
                }
                guard !Interruption.isRequested else { throw Interrupted() }
            }
        }
        let digests = try hash(sources, &display)
        let parts: [PushOrder.Part] = zip(sources, digests).map { ($0.name, $1) }
        // A file that a person names a part of a package says so by itself.
        let package = sources.count > 1 ? (id: order.packageID(of: parts), files: sources.count) : nil
        return sources.indices.map { index in
            let id = order.transferID(of: parts[index], package: package?.id ?? order.package)
            return PushFile(
                source: sources[index],
                digest: digests[index],
                address: TransferAddress(sender: route.sender, id: id),
                document: order.document(
                    of: parts[index],
                    size: sources[index].size,
                    package: package,
                    signature: signatures[index]
                )
            )
        }
    }

    private static func hash(_ sources: [FirmwareSource], _ display: inout PushDisplay) throws -> [Digest] {
        var meter = RateMeter()
        let started = ContinuousClock.now
        let total = sources.reduce(0) { $0 + $1.size }
        var before: Int64 = 0
        var digests: [Digest] = []
        for source in sources {
            let digest = try source.digest { (done: Int64) throws(Interrupted) in
                guard !Interruption.isRequested else { throw Interrupted() }
                let now = ContinuousClock.now - started
                meter.note(before + done, at: now)
                // A small file is hashed before anyone could read of it.
                guard now > .milliseconds(200) else { return }
                display.update(
                    ProgressLine(
                        phase: "hashing",
                        done: before + done,
                        total: total,
                        rate: meter.rate,
                        remaining: meter.remaining(total - before - done)
                    ),
                    at: now
                )
            }
            guard source.currentStamp == source.stamp else {
                let path = source.path.shownName
                throw SourceFileError(text: "\(path) changed while it was read", hint: "Nothing was sent")
            }
            digests.append(digest)
            before += source.size
        }
        return digests
    }

    /// Says what goes where.
    private static func introduce(
        _ files: [PushFile],
        _ order: PushOrder,
        _ route: BrokerRoute,
        _ display: inout PushDisplay
    ) {
        for file in files {
            display.object([
                "event": "begin", "id": .string(file.address.id.text), "sender": .string(file.address.sender.text),
                "file": .string(file.source.name), "size": .integer(file.source.size),
                "sha256": .string(file.digest.hex),
                "package": file.document["firmware"]?["package"] ?? .null,
            ])
        }
        guard !display.isForPrograms else { return }
        let size = ByteCount(rawValue: files.reduce(0) { $0 + $1.source.size })
        let what = files.count == 1 ? ColumnText.printable(files[0].source.name) : "\(files.count) files"
        display.note("\(what), \(size), as \(order.product) \(order.version) to \(route.gateway)")
    }

    private static func deliver(_ task: PushDriver.Task, _ display: PushDisplay) throws(LinkError) -> Result {
        guard let mailbox = Mailbox() else { throw LinkError(.library, "No file descriptor is left") }
        var settings = BrokerLinkSettings(
            name: "push",
            address: task.route.access,
            clientID: CommandClient.clientID("push"),
            session: .clean
        )
        let root = task.route.root
        let topics = task.files.map { PushTopics(root: root, address: $0.address) }
        // Who may not read states or the status is told by the agent's answers alone.
        settings.subscriptions =
            ([PushTopics.status(root: root)] + topics.flatMap { [$0.state, $0.progress] })
            .map { Subscription($0, retained: .send, need: .optional) }
            + topics.map { Subscription($0.acknowledgement, retained: .send) }
        let link = try BrokerLink(
            settings: settings,
            receive: { batch, done in
                for message in batch.messages { mailbox.append(.message(message)) }
                done(.done)
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
