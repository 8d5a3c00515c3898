import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

@Suite("Faults are played as they were set")
struct FaultTests {
    private func prepared() async throws -> (TestCloud, [String: String]) {
        let test = try await TestCloud()
        let url = try await test.client.uploaded(try test.folder.write([1, 2, 3], to: "fw.bin"))
        return (test, ["FirmwareName": "fw", "DestVersion": "1.0", "FirmwareUrl": url])
    }

    @Test("The answer to a registration is lost, and the firmware is there")
    func lostAnswer() async throws {
        for fault in [
            Fault.hangUpAfterwards, .cutAnswer, .refuseAfterwards(status: 500, code: "InternalError", message: ""),
        ] {
            let (test, arguments) = try await prepared()
            test.cloud.setFault(.createFirmware, fault)
            let response = try? await test.client.call("CreateOTAFirmware", arguments)
            #expect(response == nil || response?.status == 500)
            #expect(await test.cloud.firmware.count == 1)
            #expect(
                try await test.client.call("CreateOTAFirmware", arguments).code
                    == "iot.firmware.AlreadyExistedFirmwareName"
            )
        }
    }

    @Test("A call that is hung up or refused before is not done")
    func notDone() async throws {
        let (test, arguments) = try await prepared()
        test.cloud.setFault(.createFirmware, .hangUp)
        test.cloud.setFault(.createFirmware, .throttling(retryAfter: .milliseconds(1_500)))
        test.cloud.setFault(.createFirmware, .fail(code: "iot.system.SystemException", message: "later"), times: 2)
        await #expect(throws: TestSupportError.self) { try await test.client.call("CreateOTAFirmware", arguments) }
        let throttled = try await test.client.call("CreateOTAFirmware", arguments)
        #expect(throttled.code == "Throttling.User")
        #expect(throttled.headers["x-acs-retry-after"] == "1500")
        for _ in 0..<2 {
            let failed = try await test.client.call("CreateOTAFirmware", arguments)
            #expect(failed.code == "iot.system.SystemException")
            #expect(failed.status == 200)
        }
        #expect(await test.cloud.firmware.isEmpty)
        #expect(try await test.client.call("CreateOTAFirmware", arguments).code == "")
        #expect(test.cloud.calls(.createFirmware).map(\.status) == [nil, 400, 200, 200, 200])
    }

    @Test("A call waits at the gate, before or after it is done")
    func held() async throws {
        for isAfter in [false, true] {
            let (test, arguments) = try await prepared()
            let gate = Gate()
            test.cloud.setFault(.createFirmware, isAfter ? .holdAfterwards(gate) : .hold(gate))
            async let response = test.client.call("CreateOTAFirmware", arguments)
            try await test.cloud.waitFor(.createFirmware, .received)
            if isAfter { try await eventually { await test.cloud.firmware.count == 1 } }
            #expect(await test.cloud.firmware.count == (isAfter ? 1 : 0))
            #expect(test.cloud.calls(.createFirmware).first?.answered == nil)
            gate.open()
            #expect(try await response.code == "")
        }
    }

    @Test("A cloud that is stopped lets go of calls that are held")
    func stopped() async throws {
        let test = try await TestCloud()
        test.cloud.setFault(.generateUploadURL, .hold(Gate()))
        async let response = test.client.call("GenerateOTAUploadURL")
        try await test.cloud.waitFor(.generateUploadURL, .received)
        await test.cloud.stop()
        let answer = try? await response
        #expect(answer?.status == nil)
    }

    @Test("An upload is hung up after so many bytes, slowed down, refused or answered with a wrong CRC")
    func uploads() async throws {
        let test = try await TestCloud()
        let file = try test.folder.write(TemporaryFolder.bytes(400_000), to: "fw.bin")
        func upload() async throws -> CloudClient.Response {
            try await test.client.upload(CloudClient.form(try await test.client.ticket()), file: file)
        }
        test.cloud.setFault(.postObject, .hangUpUpload(afterBytes: 100_000))
        await #expect(throws: TestSupportError.self) { try await upload() }
        #expect(test.cloud.calls(.postObject).last?.status == nil)
        test.cloud.setFault(.postObject, .policyExpired)
        #expect(try await upload().body.contains("Policy expired"))
        test.cloud.setFault(.postObject, .refuse(status: 503, code: "ServiceUnavailable", message: "later"))
        #expect(try await upload().status == 503)
        #expect(await test.cloud.objects.isEmpty)
        test.cloud.setFault(.postObject, .wrongChecksum)
        let wrong = try await upload()
        let object = try #require(await test.cloud.objects.last)
        #expect(wrong.headers["x-oss-hash-crc64ecma"] != String(object.checksum))
        test.cloud.setFault(.postObject, .noChecksum)
        #expect(try await upload().headers["x-oss-hash-crc64ecma"] == nil)
        test.cloud.setFault(.postObject, .slowUpload(bytesPerSecond: 800_000))
        let start = ContinuousClock.now
        #expect(try await upload().status == 200)
        #expect(ContinuousClock.now - start > .milliseconds(450))
    }

    @Test("With a small receive buffer the sender of a held upload soon gets nothing off any more")
    func receiveBuffer() async throws {
        let test = try await TestCloud { $0.receiveBuffer = 32_768 }
        let proxy = try RecordingProxy(target: try #require(test.cloud.port))
        let gate = Gate()
        test.cloud.setFault(.postObject, .holdUpload(afterBytes: 10_000, gate))
        let file = try test.folder.write([UInt8](repeating: 1, count: 30_000_000), to: "big.bin")
        let words = CloudClient.form(try await test.client.ticket()).flatMap { ["--form-string", "\($0.0)=\($0.1)"] }
        let curl = try ProgramRunner(
            "curl",
            ["-s", "-S", "-H", "Expect:"] + words + ["-F", "file=@\(file)", "http://127.0.0.1:\(proxy.port)/"]
        )
        try await test.cloud.waitForUpload(bytes: 9_000)
        var passed = -1
        try await eventually(within: .seconds(20)) {
            let now = proxy.recordings.first?.pieces[.toServer]?.map(\.bytes.count).reduce(0, +) ?? 0
            defer { passed = now }
            try await Task.sleep(for: .milliseconds(100))
            return now == passed
        }
        #expect(passed < 10_000_000)
        #expect(curl.isRunning)
        gate.open()
        #expect(try await curl.waitForExit(within: .seconds(60)) == .exited(0))
        #expect(await test.cloud.objects.first?.size == 30_000_000)
    }

    @Test("Every word of the command line names a fault", arguments: Fault.words.map(\.word))
    func words(word: String) throws {
        let entry = try #require(Fault.words.first { $0.word == word })
        let isNeeded = !entry.value.isEmpty && !entry.value.hasPrefix("[")
        let value = word == "shape" ? "xml" : "500"
        #expect(throws: Never.self) { try Fault(parsing: entry.value.isEmpty ? word : "\(word)=\(value)") }
        if isNeeded { #expect(throws: SimulatorError.self) { try Fault(parsing: word) } }
        #expect(throws: SimulatorError.self) { try Fault(parsing: word + "s") }
    }

    @Test(
        "A fault is listed under the words that name it",
        arguments: Fault.words.map { entry in
            if entry.value.isEmpty { return entry.word }
            return entry.word + (entry.word == "shape" ? "=xml" : "=500")
        } + ["throttle", "throttle=0.25", "html", "html-after", "error=Busy/403", "error-after=Busy/503", "fail=iot.x"]
    )
    func name(text: String) throws { #expect(try Fault(parsing: text).name == text) }

    @Test(
        "A value that does not fit is refused with what would",
        arguments: [
            ("throttle=x", "The fault throttle takes a number of seconds from 0 to 1000000, not x"),
            (
                "throttle=x@nosuch",
                "The fault throttle takes a number of seconds from 0 to 1000000, not x. There is no call nosuch; there are"
            ),
            ("slow=…", "The fault slow takes a number of bytes from 1 to 2147483647, not …"),
            ("slow=-1", "from 1 to 2147483647, not -1"), ("slow=0", "not 0"), ("slow-answer=0", "not 0"),
            ("slow", "The fault slow needs a number of bytes from 1 to 2147483647, as in slow=…"),
            ("stall=-1", "0 or more, not -1"), ("break=", "0 or more, not nothing"),
            ("delay=inf", "not inf"), ("late=nan", "not nan"), ("delay=1e300", "not 1e300"), ("delay=-1", "not -1"),
            ("status=20", "an HTTP status from 200 to 599, not 20"), ("html=x", "not x"),
            ("status-after=600", "not 600"),
            ("error=/500", "The fault error takes CODE, CODE/STATUS or"), ("error=A/b", "not A/b"),
            ("error=A/99", "not A/99"), ("fail=/x", "not /x"), ("redirect=", "a URL, not nothing"),
            ("oversize=9999999999999", "not 9999999999999"), ("oversize=-5", "not -5"),
            ("shape=yaml", "The fault shape takes xml, json or small, not yaml"), ("shape", "needs xml, json or small"),
            ("hang-up=3", "The fault hang-up takes no value, and so not 3"), ("no-crc=", "takes no value"),
            ("", "The name of the fault is missing; there are pass"), ("@register", "The name of the fault is missing"),
            ("hang-up@registerx-2", "There is no call registerx-2"),
        ]
    )
    func values(text: String, words: String) throws {
        let error = #expect(throws: SimulatorError.self) { try ScriptedFault(parsing: text) }
        #expect("\(try #require(error))".contains(words), "\(String(describing: error))")
    }

    @Test("Options of the command line are held to what the settings take")
    func options() {
        var configuration = CloudConfiguration(folder: "/nowhere")
        #expect(configuration.set(options: [("ticket-life", 5), ("clock-offset", -7200)]).isEmpty)
        #expect(configuration.ticketLife == .seconds(5) && configuration.clockOffset == .seconds(-7_200))
        let mistakes = configuration.set(options: [
            ("ticket-life", .infinity), ("list-delay", -1), ("clock-offset", .nan), ("calls-per-second", -3),
            ("size-maximum", -1),
        ])
        #expect(mistakes.count == 5 && mistakes[0] == "--ticket-life is a number of seconds, 0 or more", "\(mistakes)")
        #expect(configuration.ticketLife == .seconds(5))
    }
}
