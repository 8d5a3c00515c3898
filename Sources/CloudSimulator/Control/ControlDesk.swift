import Foundation

/// What can be seen and changed over HTTP while the cloud runs, below `/_control/`.
struct ControlDesk: Sendable {
    static let root = "/_control/"

    let settings: LiveConfiguration
    let account: Account
    let log: CallLog
    let faults: FaultScript

    /// An answer of the desk: a status and a JSON document.
    struct Answer {
        var status = 200
        var document: Any
    }

    /// Why a request cannot be answered.
    struct Refusal: Error {
        let status: Int
        let text: String
    }

    /// Answers one request.
    func answer(method: String, path: String, body: Data) async -> Answer {
        let words = path.dropFirst(Self.root.count).split(separator: "/").map(String.init)
        do {
            return Answer(document: try await document(method, words, body))
        } catch let refusal as Refusal {
            return Answer(status: refusal.status, document: ["error": refusal.text])
        } catch let error as SimulatorError {
            return Answer(status: 400, document: ["error": error.description])
        } catch {
            return Answer(status: 500, document: ["error": "\(error)"])
        }
    }

    private func document(_ method: String, _ words: [String], _ body: Data) async throws -> Any {
        switch (method, words.first ?? "", words.dropFirst().first) {
        case ("GET", "state", nil): return await state()
        case ("GET", "calls", let name): return try calls(name)
        case ("GET", "firmware", nil): return await account.firmware.map(\.members)
        case ("GET", "objects", nil): return await account.objects.map(\.members)
        case ("GET", "faults", nil): return waiting
        case ("GET", "settings", nil): return settings.current.members
        case ("POST", "faults", nil):
            for fault in try Self.faults(in: body) { faults.add(fault.fault, to: fault.call, times: fault.times) }
            return waiting
        case ("POST", "settings", nil):
            try change(Self.object(in: body))
            return settings.current.members
        case ("POST", "firmware", nil):
            let firmware = try RegisteredFirmware(members: Self.object(in: body))
            try await account.plant(firmware)
            return firmware.members
        case ("POST", "release", nil): return ["released": faults.release()]
        case ("DELETE", "faults", let name):
            faults.clear(try name.map(Self.call))
            return waiting
        case ("DELETE", "state", nil):
            faults.clear(nil)
            try await account.forget()
            log.forget()
            return await state()
        default:
            throw Refusal(status: 404, text: "There is no \(method) of \(Self.root)\(words.joined(separator: "/"))")
        }
    }

    private func state() async -> [String: Any] {
        [
            "calls": log.all.suffix(100).map(\.members), "firmware": await account.firmware.map(\.members),
            "objects": await account.objects.map(\.members), "faults": waiting, "settings": settings.current.members,
        ]
    }

    private func calls(_ name: String?) throws -> [[String: Any]] {
        guard let name else { return log.all.map(\.members) }
        let call = try Self.call(name)
        return log.all.filter { $0.call == call }.map(\.members)
    }

    private var waiting: [[String: Any]] {
        faults.waiting.map { call, entry in
            [
                "fault": entry.fault.name, "call": call.rawValue,
                "times": entry.remaining.map { $0 as Any } ?? "always",
            ]
        }
    }

    private func change(_ members: [String: Any]) throws {
        // All are read before the first is set: a mistake changes nothing.
        var changed = settings.current
        for (name, value) in members { try changed.set(name, to: value) }
        settings.change { $0 = changed }
    }

    private static func call(_ name: String) throws -> Call {
        guard let call = Call(parsing: name) else { throw Refusal(status: 404, text: "There is no call \(name)") }
        return call
    }

    // MARK: - Reading

    private static func object(in body: Data) throws -> [String: Any] {
        guard let members = try? JSONSerialization.jsonObject(with: body) as? [String: Any] else {
            throw Refusal(status: 400, text: "The body is no JSON object")
        }
        return members
    }

    /// One fault a line as the command line writes it, or a JSON object with `fault`, `call` and `times`, or a list of
    /// such objects.
    private static func faults(in body: Data) throws -> [ScriptedFault] {
        let text = String(decoding: body, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty else { throw Refusal(status: 400, text: "The body names no fault") }
        guard text.hasPrefix("{") || text.hasPrefix("[") else {
            return try text.split(whereSeparator: \.isNewline).map { try ScriptedFault(parsing: String($0)) }
        }
        let document = try? JSONSerialization.jsonObject(with: body)
        guard let list = document as? [[String: Any]] ?? (document as? [String: Any]).map({ [$0] }) else {
            throw Refusal(status: 400, text: "The body is neither a JSON object nor a list of objects")
        }
        return try list.map(Self.fault)
    }

    private static func fault(of members: [String: Any]) throws -> ScriptedFault {
        if let unknown = members.keys.first(where: { !["fault", "call", "times"].contains($0) }) {
            throw Refusal(status: 400, text: "A fault has fault, call and times, not \(unknown)")
        }
        guard let name = members["fault"] as? String else {
            throw Refusal(status: 400, text: "A fault needs its name in the member fault")
        }
        let times = (members["times"] as? NSNumber)?.intValue
        guard members["times"] == nil || times ?? -1 >= 0 else {
            throw Refusal(status: 400, text: "times is a number, 0 for always")
        }
        return try ScriptedFault(name: name, call: members["call"] as? String, times: times == 0 ? nil : times ?? 1)
    }
}
