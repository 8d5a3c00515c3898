import FerryCore
import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

/// One of the three calls, with what the proxy knows it by.
enum Step: String, CaseIterable {
    case ticket
    case upload
    case register

    /// Stands in the first bytes of its request and of no other.
    var mark: String {
        switch self {
        case .ticket: "Action=GenerateOTAUploadURL"
        case .upload: "multipart/form-data"
        case .register: "Action=CreateOTAFirmware"
        }
    }

    /// Bytes of a request of which half has passed.
    var half: Int { self == .upload ? 150_000 : 250 }
}

/// A fault of the way to the cloud, by the name that tables give it.
struct WayFault {
    let name: String
    let fault: FaultProxy.Fault

    /// Every kind, on one of the calls. `pause` is how long what ends by itself lasts.
    static func all(on step: Step, pause: Duration = .seconds(1)) -> [WayFault] {
        [
            WayFault(name: "latency of 200 ms", fault: .latency(.milliseconds(200))),
            WayFault(name: "down", fault: .down(pause)),
            WayFault(name: "bandwidth", fault: .bandwidth(step == .upload ? 200_000 : 2_000)),
            WayFault(name: "slices", fault: .slice(step == .upload ? 100 : 1)),
            WayFault(name: "slow close", fault: .slowClose(pause)),
            WayFault(name: "black hole", fault: .blackHole(afterBytes: step.half)),
            WayFault(name: "reset before", fault: .reset(.toServer, afterBytes: 0)),
            WayFault(name: "reset in the request", fault: .reset(.toServer, afterBytes: step.half)),
            WayFault(name: "cut in the request", fault: .cut(.toServer, afterBytes: step.half)),
            WayFault(name: "cut before the answer", fault: .cut(.toClient, afterBytes: 0)),
            WayFault(name: "cut in the head", fault: .cut(.toClient, afterBytes: 60)),
            // A ticket's answer has about 900 bytes, the others 250 and 400; the heads have about 150.
            WayFault(name: "cut in the body", fault: .cut(.toClient, afterBytes: 220)),
            WayFault(name: "reset in the answer", fault: .reset(.toClient, afterBytes: 100)),
        ]
    }
}

extension Step {
    /// The simulator's name for it.
    var call: Call {
        switch self {
        case .ticket: .generateUploadURL
        case .upload: .postObject
        case .register: .createFirmware
        }
    }
}

extension SystemTests {
    @Suite("The way to the cloud breaks")
    struct WayTests {
        private static let isTableWanted = ProcessInfo.processInfo.environment["OTAFERRY_HEALING"] != nil

        @Test("Whatever the link does to a call, there is exactly one firmware")
        func heals() async {
            let work = Step.allCases.flatMap { step in
                WayFault.all(on: step).map { fault in
                    (step: step, fault: CallFault(name: fault.name) { $0.way?.strike(step.mark, fault.fault) })
                }
            }
            let results = await Healing.measureAll(work, settings: ["upload.stall-timeout": "1s"], atOnce: 5)
            #expect(results.values.reduce(0) { $0 + $1.count } == work.count)
        }

        /// What lasts by itself lasts so long in the table.
        private static let pause = Duration.seconds(5)

        @Test(
            "How long healing takes after each fault, with the defaults (make soak-healing)",
            .enabled(if: isTableWanted),
            .timeLimit(.minutes(30))
        )
        func table() async {
            let work = Step.allCases.flatMap { step in
                CallFault.all(on: step, pause: Self.pause).map { (step: step, fault: $0) }
            }
            let results = await Healing.measureAll(
                work,
                settings: ["retry.min": "2s", "retry.max": "15m", "quota.calls-per-second": "2"],
                atOnce: 8,
                within: .seconds(200)
            )
            var names: [String] = []
            for (_, fault) in work where !names.contains(fault.name) { names.append(fault.name) }
            var lines = ["| fault | ticket | upload | register |", "|---|---|---|---|"]
            for name in names {
                let cells = Step.allCases.map { step in
                    results[name]?[step].map { String(format: "%.1f s", $0 / .seconds(1)) } ?? ""
                }
                lines.append("| \(name) | \(cells.joined(separator: " | ")) |")
            }
            print(lines.joined(separator: "\n"))
            #expect(results.values.reduce(0) { $0 + $1.count } == work.count)
        }
    }
}

/// What goes wrong with one call: on the way, or in the cloud.
struct CallFault: Sendable {
    let name: String
    let strike: @Sendable (Gateway) -> Void

    /// Every kind that the call can meet, the way's first.
    static func all(on step: Step, pause: Duration) -> [CallFault] {
        let way = WayFault.all(on: step, pause: pause).map { fault in
            CallFault(name: fault.name) { $0.way?.strike(step.mark, fault.fault) }
        }
        var cloud: [(String, Fault)] = [
            ("500 without a body", .answer(.init(status: 500))), ("503 ServiceUnavailable", .unavailable),
            ("closed before it is done", .hangUp), ("closed after it is done", .hangUpAfterwards),
            ("half of the answer", .cutAnswer), ("a login page", .answer(.captivePortal(status: 200))),
            ("an answer of 3 MB", .answer(.large(3_000_000))),
        ]
        if step == .upload {
            cloud += [
                ("Policy expired", .policyExpired), ("another CRC-64", .wrongChecksum),
                ("closed in the file", .hangUpUpload(afterBytes: 150_000)),
            ]
        } else {
            cloud += [
                ("Throttling.User", .throttling()),
                ("x-acs-retry-after of 5 s", .throttling(retryAfter: .seconds(5))),
                ("Success=false, SystemException", .fail(code: "iot.system.SystemException", message: "Later.")),
            ]
        }
        return way + cloud.map { name, fault in CallFault(name: name) { $0.cloud.setFault(step.call, fault) } }
    }
}

/// How long a gateway takes from the moment at which a fault strikes until its firmware is registered.
enum Healing {
    @concurrent
    static func measure(
        _ step: Step,
        _ fault: CallFault,
        settings: [String: String] = [:],
        within limit: Duration = .seconds(90)
    ) async throws -> Duration {
        let gateway = try await Gateway {
            $0.hasFaultyWay = true
            $0.settings = settings
        }
        guard let way = gateway.way else { throw TestSupportError("There is no proxy") }
        let firmware = TestFirmware(300_000)
        fault.strike(gateway)
        try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
        let state = try await gateway.waitForState(.registered, of: firmware.oneShotID, within: limit)
        let end = ContinuousClock.now
        let played = gateway.cloud.calls(step.call).first { $0.fault != nil }?.received
        guard let struck = way.struck.first ?? played, way.waiting == 0 else {
            throw TestSupportError("The fault did not strike")
        }
        try await gateway.expectRegisteredOnce(firmware, state)
        try gateway.expectGrowingSequence(firmware.oneShotID)
        return end - struck
    }

    /// Measures many, so many at once; what cannot be measured becomes an issue of the test.
    static func measureAll(
        _ work: [(step: Step, fault: CallFault)],
        settings: [String: String],
        atOnce: Int,
        within limit: Duration = .seconds(90)
    ) async -> [String: [Step: Duration]] {
        await withTaskGroup(of: (String, Step, Duration)?.self) { group in
            var results: [String: [Step: Duration]] = [:]
            func keep(_ result: (String, Step, Duration)?) {
                if let (name, step, time) = result { results[name, default: [:]][step] = time }
            }
            for (number, (step, fault)) in work.enumerated() {
                if number >= atOnce, let done = await group.next() { keep(done) }
                group.addTask {
                    do {
                        return (fault.name, step, try await measure(step, fault, settings: settings, within: limit))
                    } catch {
                        Issue.record("\(step.rawValue), \(fault.name): \(error)")
                        return nil
                    }
                }
            }
            for await done in group { keep(done) }
            return results
        }
    }
}
