import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

@Suite("What can be seen and changed over HTTP")
struct ControlTests {
    private func desk(
        _ test: TestCloud,
        _ method: String,
        _ path: String,
        _ body: String? = nil
    ) async throws -> CloudClient.Response {
        let data = body.map { ["--data-binary", $0] } ?? []
        return try await test.client.curl(["-X", method] + data + ["\(test.cloud.endpoint)_control/\(path)"])
    }

    @Test("Faults set over HTTP are played as often as asked, in order, and are seen waiting")
    func faults() async throws {
        let test = try await TestCloud()
        let set = try await desk(
            test,
            "POST",
            "faults",
            "throttle=2@ticketx2\npass@ticket\nfail=iot.system.SystemException@ticket"
        )
        #expect(set.status == 200)
        let waiting = try JSONSerialization.jsonObject(with: Data(set.body.utf8)) as? [[String: Any]]
        #expect(waiting?.map { $0["fault"] as? String } == ["throttle=2", "pass", "fail=iot.system.SystemException"])
        #expect(waiting?.first?["times"] as? Int == 2)
        var codes: [String?] = []
        for _ in 0..<5 { codes.append(try await test.client.call("GenerateOTAUploadURL").code) }
        #expect(codes == ["Throttling.User", "Throttling.User", "", "iot.system.SystemException", ""])
        #expect(test.cloud.calls.first?.code == "Throttling.User")
    }

    @Test("A fault may be a JSON object or a list of them, and is taken away again")
    func json() async throws {
        let test = try await TestCloud()
        _ = try await desk(test, "POST", "faults", #"{"fault": "hang-up", "call": "ticket", "times": 0}"#)
        await #expect(throws: TestSupportError.self) { try await test.client.call("GenerateOTAUploadURL") }
        await #expect(throws: TestSupportError.self) { try await test.client.call("GenerateOTAUploadURL") }
        #expect(try await desk(test, "DELETE", "faults/register").body.contains("hang-up"))
        #expect(try await desk(test, "DELETE", "faults/ticket").body.contains("hang-up") == false)
        #expect(try await test.client.call("GenerateOTAUploadURL").code == "")
        let list = #"[{"fault":"status=500","call":"ticket"},{"fault":"no-crc"}]"#
        #expect(try await desk(test, "POST", "faults", list).body.contains("PostObject"))
    }

    @Test(
        "What is no fault, setting or path is refused by name, and changes nothing",
        arguments: [
            ("faults", "nonsense", "There is no fault nonsense"),
            ("faults", "hang-up@tickets", "There is no call tickets"),
            ("faults", "delay", "needs a number of seconds"), ("faults", "", "names no fault"),
            ("faults", #"{"fault":"pass","count":3}"#, "not count"),
            ("faults", #"{"call":"ticket"}"#, "needs its name"),
            ("faults", #"{"fault":"pass","times":-1}"#, "times is a number"), ("faults", "{", "neither"),
            (
                "settings", #"{"list-delay":1,"clok-offset":1}"#,
                "There is no setting clok-offset; there are clock-offset"
            ),
            ("settings", #"{"list-delay":"soon"}"#, "a number of seconds"), ("settings", "[]", "no JSON object"),
            ("settings", #"{"expiry-check":"never"}"#, "form or whole-request"),
            ("firmware", #"{"name":"x"}"#, "needs the text version"), ("elsewhere", "{}", "There is no POST"),
        ]
    )
    func refused(path: String, body: String, words: String) async throws {
        let test = try await TestCloud()
        let answer = try await desk(test, "POST", path, body)
        #expect([400, 404].contains(answer.status))
        #expect(answer.body.contains(words), "\(answer.body)")
        #expect(test.cloud.configuration.listingDelay == .zero)
        #expect(try await desk(test, "GET", "faults").body == "[\n\n]\n")
    }

    @Test("The settings change what happens from the next call on")
    func settings() async throws {
        let test = try await TestCloud()
        let url = try await test.client.uploaded(try test.folder.write([1, 2, 3], to: "fw.bin"))
        _ = try await desk(test, "POST", "settings", #"{"list-delay": 3600}"#)
        let arguments = ["FirmwareName": "fw", "DestVersion": "1.0", "FirmwareUrl": url]
        #expect(try await test.client.call("CreateOTAFirmware", arguments).code == "")
        let page = ["CurrentPage": "1", "PageSize": "10"]
        #expect(try await test.client.call("ListOTAFirmware", page).member("Total") == "0")
        _ = try await desk(test, "POST", "settings", #"{"list-delay": 0, "calls-per-second": 1}"#)
        // On a machine that is busy two calls may take longer than their second: then once more.
        try await eventually(within: .seconds(30), "throttling") {
            async let codes = (
                test.client.call("ListOTAFirmware", page).code, test.client.call("ListOTAFirmware", page).code
            )
            async let more = (
                test.client.call("ListOTAFirmware", page).code, test.client.call("ListOTAFirmware", page).code
            )
            let (first, second) = try await (codes, more)
            return [first.0, first.1, second.0, second.1].contains("Throttling.User")
        }
        _ = try await desk(test, "POST", "settings", #"{"calls-per-second": 0, "clock-offset": 7200}"#)
        #expect(try await test.client.call("ListOTAFirmware", page).code == "InvalidTimeStamp.Expired")
        _ = try await desk(test, "POST", "settings", #"{"clock-offset": 0, "ticket-life": 0.001}"#)
        let ticket = try await test.client.ticket()
        let late = try await test.client.upload(CloudClient.form(ticket), file: test.folder.file("fw.bin"))
        #expect(late.body.contains("Policy expired"))
        let shown = try await desk(test, "GET", "settings")
        #expect(shown.member("ticket-life") == "0.001")
        #expect(CloudConfiguration.settingNames.allSatisfy { shown.body.contains("\"\($0)\"") })
    }

    @Test("It tells what it saw and holds, and forgets it when asked to")
    func state() async throws {
        let test = try await TestCloud()
        let url = try await test.client.uploaded(try test.folder.write([1, 2, 3], to: "fw.bin"))
        let arguments = ["FirmwareName": "fw", "DestVersion": "1.0", "FirmwareUrl": url]
        _ = try await test.client.call("CreateOTAFirmware", arguments)
        let planted = try await desk(
            test,
            "POST",
            "firmware",
            #"{"name":"theirs","version":"2.0","product":"a1AbCdEfGhI"}"#
        )
        #expect(planted.member("name") == "theirs")
        let answer = try await desk(test, "GET", "state")
        let state = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any]
        let calls = try #require(state?["calls"] as? [[String: Any]])
        #expect(calls.map { $0["call"] as? String } == ["GenerateOTAUploadURL", "PostObject", "CreateOTAFirmware"])
        #expect((state?["firmware"] as? [[String: Any]])?.map { $0["name"] as? String } == ["fw", "theirs"])
        #expect((state?["objects"] as? [[String: Any]])?.first?["size"] as? Int == 3)
        #expect(try await desk(test, "GET", "calls/upload").body.contains("\"call\" : \"PostObject\""))
        #expect(try await desk(test, "GET", "calls/upload").body.contains("CreateOTAFirmware") == false)
        _ = try await desk(test, "DELETE", "state")
        #expect(test.cloud.calls.isEmpty)
        #expect(await test.cloud.firmware.isEmpty)
        _ = try await test.client.ticket()
        #expect(test.cloud.calls.map(\.number) == [4])
    }

    @Test("A call that is held goes on when it is released")
    func release() async throws {
        let test = try await TestCloud()
        _ = try await desk(test, "POST", "faults", "hold@ticket")
        async let answer = test.client.call("GenerateOTAUploadURL")
        try await test.cloud.waitFor(.generateUploadURL, .received)
        #expect(test.cloud.calls.first?.answered == nil)
        #expect(try await desk(test, "POST", "release").member("released") == "1")
        #expect(try await answer.code == "")
    }

    @Test("Answers come as pages, redirects, halves, giants, drops, and in the other form")
    func answers() async throws {
        let test = try await TestCloud()
        func play(_ fault: String) async throws -> CloudClient.Response {
            _ = try await desk(test, "POST", "faults", fault + "@ticket")
            return try await test.client.call("GenerateOTAUploadURL")
        }
        let page = try await play("html")
        #expect(page.status == 200)
        #expect(page.headers["content-type"]?.hasPrefix("text/html") == true)
        #expect(try await play("html=511").status == 511)
        #expect(try await play("redirect=http://elsewhere.example/").headers["location"] == "http://elsewhere.example/")
        #expect(try await play("oversize=3000000").body.utf8.count == 3_000_000)
        let half = try await play("half-answer")
        #expect(half.headers["content-length"] == "\(half.body.utf8.count)")
        #expect(half.code == nil)
        #expect(try await play("shape=xml").body.hasPrefix("<?xml"))
        #expect(try await play("error=Forbidden.RAM/403/Not you.").status == 403)
        #expect(try await play("fail-after=iot.system.SystemException").code == "iot.system.SystemException")
        let begun = ContinuousClock.now
        #expect(try await play("slow-answer=1000").code == "")
        #expect(ContinuousClock.now - begun > .milliseconds(300))
        _ = try await desk(test, "POST", "faults", "shape=small@list")
        let small = try await test.client.call("ListOTAFirmware", [:])
        #expect(small.member("code") == "MissingCurrentPage")
        #expect(small.member("Code") == nil)
    }
}
