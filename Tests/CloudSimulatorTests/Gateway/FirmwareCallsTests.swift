import Crypto
import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

@Suite("Firmware is registered by the rules, listed, queried and deleted")
struct FirmwareCallsTests {
    private let content = TemporaryFolder.bytes(5_000)

    @Test("A firmware that was uploaded is registered with its digest and size, and found again")
    func registered() async throws {
        let test = try await TestCloud()
        let file = try test.folder.write(content, to: "fw.bin")
        let url = try await test.client.uploaded(file)
        let md5 = Hex.encode(Insecure.MD5.hash(data: content))
        let created = try await test.client.call(
            "CreateOTAFirmware",
            [
                "FirmwareName": "网关(A)-1_x", "DestVersion": "1.0", "FirmwareUrl": url, "FirmwareSign": md5,
                "SignMethod": "MD5", "FirmwareSize": "5000", "ProductKey": "a1AbCdEfGhI", "FirmwareDesc": "<&> \"x\"",
                "NeedToVerify": "false", "Udi": "{}",
            ]
        )
        let id = try #require(created.member("Data.FirmwareId"), "\(created.body)")
        let list = try await test.client.call(
            "ListOTAFirmware",
            ["CurrentPage": "1", "PageSize": "100", "ProductKey": "a1AbCdEfGhI", "DestVersion": "1.0"]
        )
        #expect(list.member("Total") == "1")
        #expect(list.body.contains(#""FirmwareName":"网关(A)-1_x""#))
        #expect(list.body.contains(#""FirmwareSign":"\#(md5)""#))
        let query = try await test.client.call("QueryOTAFirmware", ["FirmwareId": id])
        #expect(query.member("FirmwareInfo.FirmwareSize") == "5000")
        #expect(query.member("FirmwareInfo.Status") == "-1")
        #expect(query.member("FirmwareInfo.FirmwareUrl")?.hasPrefix(url + "?Expires=") == true)
        #expect(await test.cloud.firmware.map(\.id) == [id])
        #expect(try await test.client.call("DeleteOTAFirmware", ["FirmwareId": id]).member("Success") == "1")
        #expect(
            try await test.client.call("QueryOTAFirmware", ["FirmwareId": id]).code == "iot.firmware.FirmwareNotFound"
        )
    }

    @Test("Whatever breaks a rule is refused by its name")
    func rules() async throws {
        let test = try await TestCloud { configuration in
            configuration.products = ["a1AbCdEfGhI"]
            configuration.modules = ["mcu"]
        }
        let url = try await test.client.uploaded(try test.folder.write(content, to: "fw.bin"))
        let empty = try await test.client.uploaded(try test.folder.write([UInt8](), to: "empty.bin"))
        let unused = try await test.client.ticket()["FirmwareUrl"] ?? ""
        let good = ["FirmwareName": "fw", "DestVersion": "1.0", "FirmwareUrl": url]
        let cases: [(String, [String: String])] = [
            ("iot.firmware.BlankFirmwareName", ["FirmwareName": ""]),
            ("iot.firmware.IncorrectFormattedFirmwareName", ["FirmwareName": "fw.1"]),
            ("iot.firmware.IncorrectFormattedFirmwareName", ["FirmwareName": "-fw"]),
            ("iot.firmware.IncorrectFormattedFirmwareName", ["FirmwareName": String(repeating: "f", count: 41)]),
            ("iot.firmware.NullFirmwareVersion", ["DestVersion": ""]),
            ("iot.firmware.IncorrectFormattedFirmwareVersion", ["DestVersion": "1 0"]),
            ("iot.firmware.IncorrectFormattedFirmwareVersion", ["DestVersion": String(repeating: "1", count: 65)]),
            ("iot.firmware.InvalidFirmwareType", ["Type": "2"]),
            ("iot.firmware.SrcVersionIsMandatory", ["Type": "1"]),
            ("iot.firmware.SrcDestVersionMatched", ["Type": "1", "SrcVersion": "1.0"]),
            ("iot.firmware.FirmwareDescriptionExceedMaxLength", ["FirmwareDesc": String(repeating: "件", count: 101)]),
            ("InvalidParameter", ["FirmwareDesc": ""]),
            ("InvalidParameter", ["Udi": String(repeating: "u", count: 4_097)]),
            ("InvalidParameter", ["NeedToVerify": "perhaps"]),
            ("iot.prod.NotExistedProduct", ["ProductKey": "a1AbCdEfGhX"]),
            ("iot.prod.InvalidFormattedProductkey", ["ProductKey": "pump ctl"]),
            ("iot.ota.OTAModuleNotExist", ["ModuleName": "dsp"]),
            ("iot.firmware.InvalidFirmwareSignMethod", ["SignMethod": "SHA1"]),
            ("iot.firmware.InvalidFirmwareSign", ["FirmwareSign": "00"]),
            ("iot.firmware.InvalidFirmwareSign", ["FirmwareSign": String(repeating: "0", count: 32)]),
            ("iot.firmware.InvalidFirmwareSize", ["FirmwareSize": "5001"]),
            ("iot.firmware.InvalidFirmwareSize", ["FirmwareSize": "4294967296"]),
            ("iot.firmware.MalformedFirmwareUrl", ["FirmwareUrl": "fw.bin"]),
            ("iot.firmware.InvalidFirmwareUrl", ["FirmwareUrl": "https://example.org/fw.bin"]),
            ("iot.firmware.InvalidFirmware", ["FirmwareUrl": unused]),
            ("iot.firmware.EmptyFirmwareFile", ["FirmwareUrl": empty]),
            ("iot.firmware.InvalidGenerateOTAUploadURLParam", ["FileSuffix": "exe"]),
        ]
        for (code, change) in cases {
            let isTicket = change["FileSuffix"] != nil
            let action = isTicket ? "GenerateOTAUploadURL" : "CreateOTAFirmware"
            let response = try await test.client.call(action, isTicket ? change : good.merging(change) { $1 })
            #expect(response.code == code, "\(change)")
        }
        #expect(await test.cloud.firmware.isEmpty)
        #expect(try await test.client.call("CreateOTAFirmware", good).member("Success") == "1")
    }

    @Test("Names are unique in the account; versions in a product, module, type and source version")
    func uniqueness() async throws {
        let test = try await TestCloud { $0.packagesMaximum = 4 }
        let url = try await test.client.uploaded(try test.folder.write(content, to: "fw.bin"))
        func create(_ name: String, _ change: [String: String] = [:]) async throws -> String? {
            let good = ["FirmwareName": name, "DestVersion": "1.0", "FirmwareUrl": url, "ProductKey": "a1AbCdEfGhI"]
            return try await test.client.call("CreateOTAFirmware", good.merging(change) { $1 }).code
        }
        #expect(try await create("a") == "")
        #expect(try await create("a", ["ProductKey": "a1AbCdEfGhX"]) == "iot.firmware.AlreadyExistedFirmwareName")
        #expect(try await create("b") == "iot.firmware.AlreadyExistedFirmwareVersion")
        #expect(try await create("b", ["ModuleName": "mcu"]) == "")
        #expect(try await create("c", ["Type": "1", "SrcVersion": "0.8"]) == "")
        #expect(try await create("d", ["Type": "1", "SrcVersion": "0.9"]) == "")
        #expect(try await create("e", ["DestVersion": "2.0"]) == "iot.firmware.FirmwareCountExceedMax")
    }

    @Test("A package of several files names each of them; what does not fit is refused")
    func severalFiles() async throws {
        let test = try await TestCloud()
        let first = try await test.client.uploaded(try test.folder.write(content, to: "a.bin"))
        let second = try await test.client.uploaded(try test.folder.write(Array(content.dropLast()), to: "b.bin"))
        let sha = Hex.encode(SHA256.hash(data: content))
        let good = [
            "FirmwareName": "multi", "DestVersion": "1.0", "SignMethod": "SHA256", "MultiFiles.1.Name": "a",
            "MultiFiles.1.Url": first, "MultiFiles.1.Size": "5000", "MultiFiles.1.SignValue": sha,
            "MultiFiles.2.Name": "b", "MultiFiles.2.Url": second,
            "MultiFiles.2.FileMd5": Hex.encode(Insecure.MD5.hash(data: content.dropLast())),
        ]
        let bad: [(String, [String: String?])] = [
            ("InvalidParameter", ["MultiFiles.2.Name": "a"]),
            ("InvalidParameter", ["MultiFiles.2.Name": String(repeating: "n", count: 33)]),
            ("InvalidParameter", ["MultiFiles.2.Name": nil, "MultiFiles.2.Url": nil, "MultiFiles.2.FileMd5": nil]),
            ("InvalidParameter", ["MultiFiles.4.Name": "d", "MultiFiles.4.Url": second]),
            ("InvalidParameter", ["FirmwareUrl": first]),
            ("InvalidParameter", ["MultiFiles.1.Colour": "red"]),
            ("iot.firmware.InvalidFirmwareSize", ["MultiFiles.2.Size": "5000"]),
            ("iot.firmware.InvalidFirmwareSign", ["MultiFiles.2.SignValue": sha]),
        ]
        for (code, change) in bad {
            var arguments = good
            for (name, value) in change { arguments[name] = value }
            #expect(try await test.client.call("CreateOTAFirmware", arguments).code == code, "\(change)")
        }
        let created = try await test.client.call("CreateOTAFirmware", good)
        let id = try #require(created.member("Data.FirmwareId"), "\(created.body)")
        let query = try await test.client.call("QueryOTAFirmware", ["FirmwareId": id])
        #expect(query.body.contains(#""Name":"b""#))
        #expect(await test.cloud.firmware.first?.files.map(\.size) == [5_000, 4_999])
    }

    @Test("A package that somebody else registered takes its name and version, and is listed")
    func planted() async throws {
        let test = try await TestCloud()
        let other = RegisteredFirmware(name: "fw", version: "1.0", productKey: "a1AbCdEfGhI", size: 7)
        try await test.cloud.plant(other)
        let url = try await test.client.uploaded(try test.folder.write(content, to: "fw.bin"))
        let arguments = ["FirmwareName": "fw", "DestVersion": "1.0", "FirmwareUrl": url]
        let code = try await test.client.call("CreateOTAFirmware", arguments).code
        #expect(code == "iot.firmware.AlreadyExistedFirmwareName")
        let list = try await test.client.call("ListOTAFirmware", ["CurrentPage": "1", "PageSize": "10"])
        #expect(list.body.contains(#""FirmwareSize":7"#))
        #expect(list.body.contains(other.id))
    }

    @Test("A new package shows in the list after the delay")
    func listingDelay() async throws {
        let test = try await TestCloud { $0.listingDelay = .seconds(60) }
        try await test.cloud.plant(RegisteredFirmware(name: "fw", version: "1.0", productKey: "a1AbCdEfGhI"))
        let arguments = ["CurrentPage": "1", "PageSize": "10"]
        #expect(try await test.client.call("ListOTAFirmware", arguments).member("Total") == "0")
        test.cloud.setClockOffset(.seconds(61))
        let later = try await test.client.call("ListOTAFirmware", arguments, .init(time: Date() + 61))
        #expect(later.member("Total") == "1")
    }

    @Test("An object that waited longer than its time cannot be registered")
    func objectLife() async throws {
        let test = try await TestCloud()
        let url = try await test.client.uploaded(try test.folder.write(content, to: "fw.bin"))
        test.cloud.setClockOffset(.seconds(3_601))
        let response = try await test.client.call(
            "CreateOTAFirmware",
            ["FirmwareName": "fw", "DestVersion": "1.0", "FirmwareUrl": url],
            .init(time: Date() + 3_601)
        )
        #expect(response.code == "iot.firmware.InvalidFirmware")
    }

    @Test("A list is cut into pages, newest first, and filtered")
    func pages() async throws {
        let test = try await TestCloud()
        let url = try await test.client.uploaded(try test.folder.write(content, to: "fw.bin"))
        for number in 1...5 {
            _ = try await test.client.call(
                "CreateOTAFirmware",
                ["FirmwareName": "fw\(number)", "DestVersion": "1.\(number)", "FirmwareUrl": url]
            )
        }
        func list(_ arguments: [String: String]) async throws -> CloudClient.Response {
            try await test.client.call("ListOTAFirmware", arguments)
        }
        let second = try await list(["CurrentPage": "2", "PageSize": "2"])
        #expect(second.member("PageCount") == "3")
        #expect(second.body.contains(#""fw3""#) && second.body.contains(#""fw2""#) && !second.body.contains(#""fw4""#))
        #expect(try await list(["CurrentPage": "9", "PageSize": "2"]).body.contains(#""SimpleFirmwareInfo":[]"#))
        #expect(try await list(["CurrentPage": "1", "PageSize": "100", "DestVersion": "1.4"]).member("Total") == "1")
        #expect(try await list(["CurrentPage": "1", "PageSize": "101"]).code == "iot.common.InvalidPageParams")
        #expect(try await list(["CurrentPage": "0", "PageSize": "10"]).code == "iot.common.InvalidPageParams")
    }

    @Test("What was uploaded and registered is there after a restart on the same port")
    func restart() async throws {
        let test = try await TestCloud()
        let url = try await test.client.uploaded(try test.folder.write(content, to: "fw.bin"))
        let port = test.cloud.port
        await test.cloud.stop()
        await #expect(throws: TestSupportError.self) { try await test.client.ticket() }
        try await test.cloud.start()
        #expect(test.cloud.port == port)
        let arguments = ["FirmwareName": "fw", "DestVersion": "1.0", "FirmwareUrl": url]
        #expect(try await test.client.call("CreateOTAFirmware", arguments).code == "")
        var configuration = test.cloud.configuration
        configuration.port = 0
        let again = try SimulatedCloud(configuration: configuration)
        #expect(await again.firmware.map(\.name) == ["fw"])
        #expect(await again.objects.map(\.size) == [5_000])
    }
}
