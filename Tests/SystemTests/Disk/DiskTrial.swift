import FerryCore
import Foundation
import TestSupport

/// One trial: an agent with a fault below its spool, a sender that keeps sending, and a witness of what was acknowledged.
struct DiskTrial {
    /// What became of it.
    struct Outcome {
        /// Whether the agent came as far as the call.
        var hasStruck = false
        /// Whether the agent ended, by the fault or by itself.
        var hasEnded = false
        /// Whether it said that something is wrong with its spool.
        var hasSaid = false
        /// The calls on the spool's files, as strace wrote them.
        var calls: [String] = []
    }

    let fault: DiskFault
    var firmwareMax = 10

    /// Runs it to the end: whatever befell the agent, everything that the sender began is registered, once and byte for
    /// byte. Throws where anything that was acknowledged is lost or taken back.
    func run() async throws -> Outcome {
        let gateway = try await Gateway { $0.isStarted = false }
        let notes = try TemporaryFolder("strace")
        let log = notes.file("calls")
        let spool = gateway.folder.file("spool/spool.db")
        let traffic = Traffic(client: gateway.probe, limit: firmwareMax)
        try gateway.launch(behind: fault.wrapper(files: DiskFault.files(of: spool), log: log))
        // Before it has its session, what is sent gets lost.
        try await eventually(within: .seconds(30), "the agent to start, or to end") {
            let isOnline = gateway.probe.messages(on: Gateway.root + "/status").contains {
                $0.json?["state"]?.string == "online"
            }
            return isOnline || gateway.agent?.isRunning != true
        }
        async let sending: Void = traffic.run()
        var outcome = Outcome()
        do {
            outcome = try await strike(gateway, traffic, log)
            if outcome.hasEnded || fault.span == .always {
                try await gateway.kill()
                try await Witness(gateway: gateway, items: traffic.items).checkDisk()
                try gateway.launch(behind: [])
                try await gateway.online()
            }
            traffic.stop()
            try await sending
        } catch {
            traffic.stop()
            throw TestSupportError(
                "\(fault.testDescription): \(error)\n\(gateway.agent?.text(.errors).suffix(3_000) ?? "")"
            )
        }
        let witness = Witness(gateway: gateway, items: traffic.items)
        do {
            try await witness.checkCloud()
            try witness.checkWords()
            try await gateway.kill()
            try await witness.checkDisk()
        } catch {
            throw TestSupportError(
                "\(fault.testDescription): \(error)\n\(gateway.agent?.text(.errors).suffix(3_000) ?? "")"
            )
        }
        return outcome
    }

    /// Waits until the fault has struck and the agent has answered it, or until all is sent without it.
    private func strike(_ gateway: Gateway, _ traffic: Traffic, _ log: String) async throws -> Outcome {
        var outcome = Outcome()
        func look() {
            outcome.calls =
                (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").map(String.init) ?? []
            outcome.hasEnded = gateway.agent?.isRunning != true
            outcome.hasStruck = outcome.calls.contains { $0.contains("(INJECTED)") || $0.contains("= ?") }
            outcome.hasSaid = hasSaid(gateway, traffic)
        }
        try await eventually(within: .seconds(120), "the fault to strike") {
            look()
            return outcome.hasStruck || outcome.hasEnded || traffic.isOver
        }
        guard outcome.hasStruck else { return outcome }
        switch (fault.effect, fault.span) {
        case (.kill, _):
            try await gateway.agent?.waitForExit()
        case (_, .always):
            try await eventually(within: .seconds(30), "the agent to say that its spool fails, or to end") {
                look()
                return outcome.hasSaid || outcome.hasEnded
            }
        default:
            // It passes by itself: the transfer under way and another one are delivered.
            let count = traffic.items.count + 1
            try await eventually(within: .seconds(90), "the sender to go on") {
                look()
                return outcome.hasEnded || traffic.isOver || traffic.items.count > count
            }
        }
        look()
        return outcome
    }

    private func hasSaid(_ gateway: Gateway, _ traffic: Traffic) -> Bool {
        let problems = gateway.probe.messages(on: Gateway.root + "/status").compactMap(\.json)
            .flatMap { $0["problems"]?.array ?? [] }.compactMap { $0["code"]?.string }
        return problems.contains { $0.hasPrefix("spool") }
            || traffic.items.contains { item in
                // Of a transfer that is stored the credit is 0 anyway.
                gateway.acknowledgements(item.id).contains {
                    $0.reasonText == "no-room" || ($0["credit"]?.integer == 0 && $0["state"]?.string == "receiving")
                }
            }
    }
}
