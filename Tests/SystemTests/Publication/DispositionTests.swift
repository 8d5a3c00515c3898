import FerryCore
import Foundation
import TestSupport
import Testing

@testable import AliyunOTA
@testable import CloudSimulator

/// A cloud that answers with one code, and what the agent has to make of it.
private struct Script: Sendable {
    let code: String
    let step: Step
    let faults: [Fault]
    let verdict: Verdict
    /// The call says the code in this form.
    let name: String

    /// Where the transfer has to be after the answer, as the interface's page promises.
    var state: TransferState {
        switch verdict.disposition {
        case .retry: step == .register ? .registering : .stored
        case .lookUp: .registering
        case .newTicket: .stored
        case .hold: .held
        case .fail: .failed
        }
    }

    var kind: String {
        switch verdict.disposition {
        case .retry, .newTicket, .lookUp: "retry"
        case .hold: "operator"
        case .fail: "permanent"
        }
    }

    /// The least and the most that may lie between the answer and the next attempt; nil: none follows by itself.
    var wait: ClosedRange<Int64>? {
        switch verdict.disposition {
        case .retry(let floor): max(floor.milliseconds, 50)...max(floor.milliseconds, 1_000)
        case .newTicket, .lookUp: 50...1_000
        case .hold: 500...1_000
        case .fail: nil
        }
    }
}

extension Script {
    /// Every code of the table, on every call that can give it; beginnings are tried with an ending of their own.
    static let all: [Script] = {
        func codes(_ rows: [CloudCodes.Row]) -> [(code: String, verdict: Verdict)] {
            rows.flatMap { row in row.codes.map { ($0.replacing("*", with: "Anything"), row.verdict) } }
        }
        var scripts: [Script] = []
        for (code, verdict) in codes(CloudCodes.gatewayRows) {
            // The client repeats these at once, with a new nonce and time.
            let times = ["SignatureNonceUsed", "InvalidTimeStamp.Expired", "IllegalTimestamp"].contains(code) ? 2 : 1
            let fault = Fault.refuse(status: 400, code: code, message: "No.")
            for step in [Step.ticket, .register] {
                scripts.append(Script(code, step, Array(repeating: fault, count: times), verdict, "HTTP 400"))
            }
        }
        for (code, verdict) in codes(CloudCodes.platformRows) where !code.hasPrefix("iot.firmware.AlreadyExisted") {
            for step in [Step.ticket, .register] where step == .register || verdict.disposition != .lookUp {
                scripts.append(Script(code, step, [.fail(code: code, message: "No.")], verdict, "Success=false"))
            }
        }
        for (code, verdict) in codes(CloudCodes.storageRows) {
            let fault = Fault.refuse(status: 403, code: code, message: "No.")
            scripts.append(Script(code, .upload, [fault], verdict, "XML"))
        }
        return scripts + told + unknown
    }()

    /// Codes of which the message tells more.
    private static let told = [
        Script(
            "AccessDenied",
            .upload,
            [.policyExpired],
            Verdict(.newTicket, .ticketExpired, ""),
            "policy expired"
        ),
        Script(
            "AccessDenied",
            .upload,
            [
                .refuse(
                    status: 403,
                    code: "AccessDenied",
                    message: "Invalid according to Policy: Policy Condition failed: [x]"
                )
            ],
            Verdict(.fail, .ticketUnusable, ""),
            "policy condition"
        ),
        Script(
            "Throttling.User",
            .ticket,
            [.throttling(retryAfter: .milliseconds(2_500))],
            Verdict(.retry(floor: .milliseconds(2_500)), .cloudThrottled, ""),
            "x-acs-retry-after"
        ),
    ]

    /// The rule for codes that nobody knows: permanent, unless the status says that it passes.
    private static let unknown: [Script] = {
        var scripts: [Script] = []
        for (status, verdict) in [
            (400, Verdict(.fail, .cloudRefused, "")), (403, Verdict(.fail, .cloudRefused, "")),
            (429, Verdict(.retry(floor: .seconds(1)), .cloudThrottled, "")),
            (500, Verdict(.retry(floor: .seconds(1)), .cloudBusy, "")),
            (503, Verdict(.retry(floor: .seconds(1)), .cloudBusy, "")),
        ] {
            let fault = Fault.refuse(status: status, code: "Something.New", message: "No.")
            scripts.append(Script("Something.New", .ticket, [fault], verdict, "HTTP \(status)"))
            // After a fault of the server nobody knows whether it was done.
            let register = status >= 500 ? Verdict(.lookUp, .registerUnknown, "") : verdict
            scripts.append(Script("Something.New", .register, [fault], register, "HTTP \(status)"))
            let upload = verdict.disposition == .fail ? Verdict(.fail, .uploadRefused, "") : verdict
            scripts.append(Script("Something.New", .upload, [fault], upload, "HTTP \(status)"))
        }
        scripts.append(
            Script(
                "iot.firmware.SomethingNew",
                .register,
                [.fail(code: "iot.firmware.SomethingNew", message: "No.")],
                Verdict(.fail, .cloudRefused, ""),
                "Success=false"
            )
        )
        return scripts
    }()

    private init(_ code: String, _ step: Step, _ faults: [Fault], _ verdict: Verdict, _ name: String) {
        self.code = code
        self.step = step
        self.faults = faults
        self.verdict = verdict
        self.name = name
    }
}

extension SystemTests {
    @Suite("What the agent makes of every code of the cloud")
    struct DispositionTests {
        /// Codes are played one after the other to each gateway.
        private static let gateways = 3

        @Test("Every code leads to the state, reason, class and next attempt that the documents promise")
        func everyCode() async throws {
            let scripts = Script.all
            #expect(scripts.count > 230)
            await withTaskGroup(of: Void.self) { group in
                for part in 0..<Self.gateways {
                    let mine = scripts.indices.filter { $0 % Self.gateways == part }.map {
                        (number: $0, script: scripts[$0])
                    }
                    group.addTask {
                        do { try await Self.play(mine) } catch { Issue.record("\(error)") }
                    }
                }
            }
        }

        @concurrent
        private static func play(_ scripts: [(number: Int, script: Script)]) async throws {
            let gateway = try await Gateway()
            for (number, script) in scripts {
                let problems = try await problems(of: script, number, gateway)
                for problem in problems { Issue.record("\(script.step) \(script.code) (\(script.name)): \(problem)") }
            }
        }

        private static func problems(of script: Script, _ number: Int, _ gateway: Gateway) async throws -> [String] {
            for fault in script.faults { gateway.cloud.setFault(script.step.call, fault) }
            let firmware = TestFirmware(2_000, version: "1.0.\(number)", seed: UInt64(number))
            let id = firmware.oneShotID
            try await gateway.send("put/pumpctl/1.0.\(number)", firmware.bytes)
            let said: JSONValue
            do {
                said = try await gateway.waitForState(script.state, of: id, within: .seconds(10)) {
                    $0["reason"]?["code"] != nil
                }
            } catch {
                gateway.cloud.clearFaults()
                return ["\(script.state) did not come; the last state is \(gateway.states(id).last?.text ?? "none")"]
            }
            // The next code is for the next firmware: this one is not to ask again.
            try await gateway.command("cancel", ["sender": "ci", "transfer": .string(id)])
            gateway.cloud.clearFaults()
            return differences(said, script)
        }

        private static func differences(_ said: JSONValue, _ script: Script) -> [String] {
            var problems: [String] = []
            let reason = said["reason"]
            if reason?["code"]?.string != script.verdict.code.rawValue {
                problems.append(
                    "the reason is \(reason?["code"]?.string ?? "none"), not \(script.verdict.code.rawValue)"
                )
            }
            if reason?["class"]?.string != script.kind {
                problems.append("the class is \(reason?["class"]?.string ?? "none"), not \(script.kind)")
            }
            if reason?["text"]?.string?.isEmpty ?? true { problems.append("there is no sentence") }
            if script.kind == "operator", reason?["hint"]?.string?.isEmpty ?? true {
                problems.append("there is no hint")
            }
            if reason?["cloud_code"]?.string != script.code {
                problems.append("the cloud's code is \(reason?["cloud_code"]?.text ?? "missing")")
            }
            if said["cloud"]?["request_id"]?.string?.isEmpty ?? true { problems.append("the request id is missing") }
            let next = said["cloud"]?["next_attempt"]?.string
            switch (script.wait, next) {
            case (nil, nil): break
            case (nil, .some(let next)): problems.append("it is tried again at \(next)")
            case (.some, nil): problems.append("it is never tried again")
            case (.some(let wait), .some(let next)):
                let waits = Self.milliseconds(from: said["since"]?.string, to: next)
                // A state that stays has its old beginning: there only the floor can be seen.
                let isOld = script.state == .registering
                // What was throttled before has made this gateway's share of the calls small: it may wait for its turn.
                let isPaced = isOld || script.verdict.code == .cloudThrottled
                let most = wait.upperBound + (isPaced ? 15_000 : 50)
                if !(wait.lowerBound...most ~= waits) { problems.append("it waits \(waits) ms, not \(wait)") }
            }
            return problems
        }

        private static func milliseconds(from: String?, to: String) -> Int64 {
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            guard let from = from.flatMap({ try? Date($0, strategy: style) }), let to = try? Date(to, strategy: style)
            else { return -1 }
            return Int64((to.timeIntervalSince(from) * 1_000).rounded())
        }

        @Test(
            "A name or a version that somebody else has holds the firmware; its own, from a lost answer, is found",
            arguments: ["iot.firmware.AlreadyExistedFirmwareName", "iot.firmware.AlreadyExistedFirmwareVersion"]
        )
        func taken(code: String) async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(2_000)
            let isName = code.hasSuffix("Name")
            try await gateway.cloud.plant(
                RegisteredFirmware(
                    name: isName ? "pumpctl-1_4_2" : "theirs",
                    version: isName ? "0.1" : "1.4.2",
                    productKey: isName ? "b1AbCdEfGhI" : Gateway.productKey
                )
            )
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let held = try await gateway.waitForState(.held, of: firmware.oneShotID)
            #expect(held.reasonCode == (isName ? "name-taken" : "version-taken"))
            #expect(held["reason"]?["class"]?.string == "operator")
            #expect(gateway.cloud.calls(.createFirmware).map(\.code) == [code])

            let own = TestFirmware(2_000, version: "1.4.3", seed: 9)
            gateway.cloud.setFault(.createFirmware, .failAfterwards(code: code, message: "Done, and says otherwise."))
            try await gateway.send("put/pumpctl/1.4.3", own.bytes)
            try await gateway.waitForState(.registered, of: own.oneShotID)
            #expect(await gateway.cloud.firmware.filter { $0.version == "1.4.3" }.count == 1)
        }
    }
}
