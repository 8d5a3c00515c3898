import FerryCore
import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

/// A moment at which the answer to a registration is lost, and what is lost with it.
private enum Loss: CaseIterable {
    case beforeTheRequest
    case halfOfTheRequest
    case beforeTheAnswer
    case inTheHead
    case afterTheHead
    case halfOfTheBody
    case halfAsIfWhole
    case afterTheEffect
    case errorAfterTheEffect
    case pageAfterTheEffect
    case giantAfterTheEffect
    case duringTheLookUp
    case unreadableLookUp
    case laggingList
    case takenAndLagging
    case killBeforeTheEffect
    case killAfterTheEffect
    case killDuringTheLookUp
    case killAndLaggingList
    case killTwice

    func provoke(_ gateway: Gateway) throws {
        guard let way = gateway.way else { throw TestSupportError("There is no proxy") }
        let cloud = gateway.cloud
        let register = Step.register.mark
        switch self {
        case .beforeTheRequest: way.strike(register, .reset(.toServer, afterBytes: 0))
        case .halfOfTheRequest: way.strike(register, .cut(.toServer, afterBytes: 250))
        case .beforeTheAnswer: way.strike(register, .reset(.toClient, afterBytes: 0))
        case .inTheHead: way.strike(register, .cut(.toClient, afterBytes: 30))
        case .afterTheHead: way.strike(register, .cut(.toClient, afterBytes: 190))
        case .halfOfTheBody: cloud.setFault(.createFirmware, .cutAnswer)
        case .halfAsIfWhole: cloud.setFault(.createFirmware, .halfAnswer)
        case .afterTheEffect: cloud.setFault(.createFirmware, .hangUpAfterwards)
        case .errorAfterTheEffect:
            cloud.setFault(.createFirmware, .refuseAfterwards(status: 500, code: "InternalError", message: "Done."))
        case .pageAfterTheEffect: cloud.setFault(.createFirmware, .answerAfterwards(.captivePortal(status: 200)))
        case .giantAfterTheEffect: cloud.setFault(.createFirmware, .answerAfterwards(.large(3_000_000)))
        case .duringTheLookUp:
            cloud.setFault(.createFirmware, .hangUpAfterwards)
            cloud.setFault(.listFirmware, .hangUp)
            cloud.setFault(.listFirmware, .unavailable)
        case .unreadableLookUp:
            cloud.setFault(.createFirmware, .hangUpAfterwards)
            cloud.setFault(.listFirmware, .answer(.captivePortal(status: 200)))
            cloud.setFault(.listFirmware, .halfAnswer)
        case .laggingList:
            cloud.change { $0.listingDelay = .seconds(3) }
            cloud.setFault(.createFirmware, .hangUpAfterwards)
        case .takenAndLagging:
            cloud.change { $0.listingDelay = .seconds(2) }
            cloud.setFault(
                .createFirmware,
                .failAfterwards(code: "iot.firmware.AlreadyExistedFirmwareName", message: "Done.")
            )
        case .killBeforeTheEffect: cloud.setFault(.createFirmware, .hold(Gate()))
        case .killAfterTheEffect: cloud.setFault(.createFirmware, .holdAfterwards(Gate()))
        case .killDuringTheLookUp:
            cloud.setFault(.createFirmware, .hangUpAfterwards)
            cloud.setFault(.listFirmware, .hold(Gate()))
        case .killAndLaggingList:
            cloud.change { $0.listingDelay = .seconds(3) }
            cloud.setFault(.createFirmware, .holdAfterwards(Gate()))
        case .killTwice:
            cloud.setFault(.createFirmware, .holdAfterwards(Gate()))
            cloud.setFault(.listFirmware, .hold(Gate()))
        }
    }

    /// The calls during which the agent is killed, one after the other.
    var kills: [Call] {
        switch self {
        case .killBeforeTheEffect, .killAfterTheEffect, .killAndLaggingList: [.createFirmware]
        case .killDuringTheLookUp: [.listFirmware]
        case .killTwice: [.createFirmware, .listFirmware]
        default: []
        }
    }

    /// Whether the firmware is there when the agent is killed during its registration.
    var isDoneBeforeTheKill: Bool { self != .killBeforeTheEffect }
}

extension SystemTests {
    @Suite("A firmware is registered exactly once")
    struct RegisterOnceTests {
        private struct Tally {
            var registered = 0
            var kills = 0
            var registerCalls = 0
            var refusedAsTaken = 0

            mutating func add(_ other: Tally) {
                registered += other.registered
                kills += other.kills
                registerCalls += other.registerCalls
                refusedAsTaken += other.refusedAsTaken
            }
        }

        /// `make soak-register` asks for 200.
        private static let runs =
            ProcessInfo.processInfo.environment["OTAFERRY_REGISTER_RUNS"].flatMap(Int.init) ?? Loss.allCases.count
        private static let gateways = 4

        @Test(
            "Wherever the answer of the registration is lost, there is exactly one firmware",
            .timeLimit(.minutes(30))
        )
        func once() async throws {
            let sum = await withTaskGroup(of: Tally.self) { group in
                for part in 0..<Self.gateways {
                    let mine = (0..<Self.runs).filter { $0 % Self.gateways == part }
                    group.addTask {
                        do {
                            return try await Self.run(mine)
                        } catch {
                            Issue.record("\(error)")
                            return Tally()
                        }
                    }
                }
                return await group.reduce(into: Tally()) { $0.add($1) }
            }
            #expect(sum.registered == Self.runs)
            print(
                "register once: \(Self.runs) lost answers at \(Loss.allCases.count) points, \(sum.kills) kills: "
                    + "\(sum.registered) registered exactly once with the right bytes; \(sum.registerCalls) calls, "
                    + "\(sum.refusedAsTaken) of them told that the firmware was there"
            )
        }

        @concurrent
        private static func run(_ numbers: [Int]) async throws -> Tally {
            let gateway = try await Gateway { $0.hasFaultyWay = true }
            var tally = Tally()
            for number in numbers {
                let loss = Loss.allCases[number % Loss.allCases.count]
                do {
                    tally.kills += try await lose(loss, number, gateway)
                    tally.registered += 1
                } catch {
                    Issue.record("run \(number), \(loss): \(error)")
                    // What is left of this run is not to count for the next.
                    gateway.cloud.clearFaults()
                    if gateway.agent?.isRunning != true { try await gateway.start() }
                }
            }
            let calls = gateway.cloud.calls(.createFirmware)
            tally.registerCalls = calls.count
            tally.refusedAsTaken = calls.filter { $0.code.contains("AlreadyExisted") && $0.fault == nil }.count
            #expect(await gateway.cloud.firmware.count == numbers.count)
            return tally
        }

        /// Loses the answer for one firmware; returns how often the agent was killed.
        private static func lose(_ loss: Loss, _ number: Int, _ gateway: Gateway) async throws -> Int {
            let version = "2.\(number)"
            let firmware = TestFirmware(5_000 + number, version: version, seed: UInt64(number))
            let lists = gateway.cloud.calls(.listFirmware).count
            let registrations = gateway.cloud.calls(.createFirmware).count
            try loss.provoke(gateway)
            try await gateway.send("put/pumpctl/\(version)", firmware.bytes)
            for call in loss.kills {
                let before = call == .listFirmware ? lists : registrations
                try await gateway.cloud.waitFor(call, count: before + 1, .received)
                if call == .createFirmware, loss.isDoneBeforeTheKill {
                    try await eventually("the firmware") {
                        await gateway.cloud.firmware.contains { $0.version == version }
                    }
                }
                try await gateway.killAndRestart()
            }
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID, within: .seconds(90))
            gateway.cloud.change { $0.listingDelay = .zero }
            let found = await gateway.cloud.firmware.filter { $0.version == version }
            guard found.count == 1, let only = found.first else {
                throw TestSupportError("The cloud has it \(found.count) times")
            }
            guard state["cloud"]?["firmware_id"]?.string == only.id else {
                throw TestSupportError("The state names another id: \(state.text)")
            }
            let key = only.files.first?.key
            guard let object = await gateway.cloud.objects.first(where: { $0.key == key }),
                object.sha256 == firmware.sha256, only.files.first?.sign == firmware.md5
            else { throw TestSupportError("The cloud has other bytes") }
            let unplayed = gateway.cloud.clearFaults()
            guard unplayed == 0, gateway.way?.waiting == 0 else { throw TestSupportError("The fault was not played") }
            try gateway.expectGrowingSequence(firmware.oneShotID)
            return loss.kills.count
        }
    }
}
