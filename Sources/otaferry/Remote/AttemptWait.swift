import FerryCore

/// Waits for an attempt that keeps a transfer from being described, and describes it then.
///
/// While the cloud is asked to register a firmware, or whether it has, nothing of what it is called may change: it could be
/// registered twice. The agent asks by itself now and then, also about what is held, so a person meets that by chance.
struct AttemptWait {
    /// How the agent refuses what an attempt forbids.
    static let code = "publishing"

    let client: CommandClient
    let address: TransferAddress
    /// Whether nothing is said of the wait.
    let isSilent: Bool

    /// A name that the cloud does not list is looked for during a minute.
    private static let limit = Duration.seconds(90)
    private static let interval = Duration.milliseconds(500)

    /// How it stands with the attempt.
    enum Standing: Equatable {
        case ended
        /// It ends by itself.
        case ending
        /// It is not waited for.
        case goesOn
        /// It cannot end while publication rests: of this one, or of everything.
        case resting(isAll: Bool)

        /// - Parameter answer: that to the command `get`.
        init(_ answer: JSONValue) {
            let state = answer["state"]?["state"]?.string.flatMap(TransferState.init(rawValue:))
            guard let state, state.isPublishing else {
                self = .ended
                return
            }
            let isPaused = answer["state"]?["paused"]?.bool == true
            let isAllPaused = answer["paused"]?.bool == true
            switch state {
            case .registering where isPaused || isAllPaused: self = .resting(isAll: !isPaused)
            case .registering: self = .ending
            // What was paused goes back within a second; what was not may take hours.
            default: self = isPaused || isAllPaused ? .ending : .goesOn
            }
        }
    }

    /// - Parameter refusal: what the agent said at first.
    func call(
        _ verb: String,
        _ members: [String: JSONValue],
        _ refusal: CommandClient.Failure
    ) async throws(CommandClient.Failure) -> JSONValue {
        let end = ContinuousClock.now + Self.limit
        var refusal = refusal
        var isSaid = isSilent
        while ContinuousClock.now < end {
            switch Standing(try await client.call("get", address.members)) {
            case .ended:
                do throws(CommandClient.Failure) {
                    return try await client.call(verb, members)
                } catch {
                    // The next attempt has begun meanwhile.
                    guard error.code == Self.code else { throw error }
                    refusal = error
                }
            case .ending: break
            case .goesOn: throw refusal
            case .resting(let isAll):
                let resume =
                    isAll ? client.route.followUp.command("resume") : client.route.followUp.command("resume", address)
                refusal.hint = "\(resume) lets the cloud answer; describe it then"
                throw refusal
            }
            if !isSaid {
                Console.complain("\(refusal.text): waiting for the answer")
                isSaid = true
            }
            // Cancelled: the program ends.
            guard (try? await Task.sleep(for: Self.interval)) != nil else { break }
        }
        refusal.exit = .notYet
        throw refusal
    }
}

extension TransferAddress {
    /// How commands of the agent name a transfer.
    var members: [String: JSONValue] { ["sender": .string(sender.text), "transfer": .string(id.text)] }
}
