import Broker
import FerryCore

/// What becomes of a push whose file is written to on the way: the transfer is named after its former content, and can
/// never be finished.
extension PushDriver {
    /// When nothing is heard of the gateway for so long, it is not waited for any more.
    private static let takingBackPatience = Duration.seconds(5)

    private struct Interrupted: Error {}

    /// Throws unless the file has the content that was hashed at the beginning. It is read again only where it was written
    /// to since, or where the agent has found other bytes.
    func confirmContent(_ index: Int, isDoubted: Bool = false) throws(SourceFileError) {
        let file = deliveries[index].file
        let stamp = file.source.currentStamp
        guard isDoubted || stamp != deliveries[index].stamp else { return }
        let isSame: Bool
        do {
            isSame = try file.source.fits(file.digest) { (_) throws(Interrupted) in
                guard !Interruption.isRequested else { throw Interrupted() }
            }
        } catch let error as SourceFileError {
            throw error
        } catch {
            // Interrupted: the push ends before anything else is said.
            return
        }
        guard isSame else { throw SourceFileError(text: "", isChange: true) }
        deliveries[index].stamp = stamp
    }

    /// Looks at the files of which the agent has found other bytes: whether they have changed, or the bytes are damaged.
    func settleDoubts() -> Ending? {
        for index in deliveries.indices where deliveries[index].isDoubted {
            deliveries[index].isDoubted = false
            do {
                try confirmContent(index, isDoubted: true)
            } catch {
                return error.isChange ? changed(index) : Ending(.failed, error.text, hint: error.hint)
            }
            if !deliveries[index].isSettled {
                display.note("What the gateway has of it is damaged; it is sent anew", .attention)
            }
        }
        return nil
    }

    /// Takes back what was sent, and ends. It does not go on with the new content by itself: a file that is written to may
    /// be half of the next firmware, and a version once registered stays.
    func changed(_ index: Int) -> Ending {
        let text = "\(deliveries[index].file.source.path.shownName) changed while it was sent"
        let address = deliveries[index].file.address
        let again = "The same command sends the file as it is now"
        let left =
            takeBack([index])
            ? "Nothing of it is published, and the gateway has forgotten what had come"
            : "Nothing of it is published. What had come waits on the gateway until it expires or is cancelled: "
                + task.route.followUp.command("cancel", address)
        return Ending(.failed, text, hint: PushHints.sentences([left, again, siblings(of: index)]))
    }

    /// Without a name of its own a package is named after the content of all its files: those that are stored wait in
    /// vain, and a sender cannot take back what is stored.
    func siblings(of index: Int) -> String {
        guard task.order.package == nil else { return "" }
        let stored = deliveries.indices.filter { other in
            guard other != index else { return false }
            return deliveries[other].state.map { !$0.isFinal } ?? (deliveries[other].machine.received > 0)
        }
        guard !stored.isEmpty else { return "" }
        let commands = stored.map { task.route.followUp.command("cancel", deliveries[$0].file.address) }
        return "The other files of the package that came wait there in vain: " + commands.joined(separator: ", ")
    }

    /// Asks the gateway to forget what it has of these files.
    ///
    /// - Returns: whether it has.
    func takeBack(_ indexes: [Int]) -> Bool {
        guard isConnected else { return false }
        var waiting: [String] = []
        for index in indexes {
            publish("abort", [], index)
            waiting.append(deliveries[index].topics.acknowledgement)
        }
        heardAt = now
        while isConnected, !Interruption.isRequested, now - heardAt < Self.takingBackPatience {
            for item in mailbox.take(waiting: .milliseconds(100)) {
                switch item {
                case .message(let message):
                    heardAt = now
                    guard let ack = Acknowledgement(payload: message.payload), ack.state == nil, ack.reason == .ok
                    else { continue }
                    waiting.removeAll { $0 == message.topic }
                    if waiting.isEmpty { return true }
                // The bytes before it are still on their way.
                case .event(.acknowledged): heardAt = now
                case .event(.lost), .event(.refused): isConnected = false
                case .event(.connected), .event(.hasRoomAgain), .pulse: break
                }
            }
        }
        return false
    }
}
