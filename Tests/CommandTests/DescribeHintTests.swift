import ArgumentParser
import FerryCore
import Testing

@testable import otaferry

@Suite("Hints that name the command describe")
struct DescribeHintTests {
    private func hint(_ reason: Reason, _ firmware: JSONValue) throws -> String {
        let state: JSONValue = [
            "id": "0a1b2c", "sender": "ci", "state": "held", "seq": 1, "reason": reason.json, "firmware": firmware,
        ]
        return try #require(TransferStatus(json: state)?.reason).hint
    }

    @Test(
        "Only what is missing is asked for, in a command that can be typed",
        arguments: [
            ([:], "otaferry describe ci/0a1b2c --product PRODUCT --version VERSION"),
            (["product": "p"], "otaferry describe ci/0a1b2c --version VERSION"),
            (["version": "1"], "otaferry describe ci/0a1b2c --product PRODUCT"),
            (
                ["product": "gone", "version": "1"],
                "Configure the product again, or name another: otaferry describe ci/0a1b2c --product PRODUCT"
            ),
        ] as [(JSONValue, String)]
    )
    func metadata(firmware: JSONValue, command: String) throws {
        let address = TransferAddress(sender: try #require(Name("ci")), id: try #require(Name("0a1b2c")))
        var transfer = Transfer(key: 1, address: address, door: .segments, seq: 1, at: WallTime(milliseconds: 0))
        transfer.firmware.product = firmware["product"]?.string.flatMap { Name($0) }
        transfer.firmware.version = firmware["version"]?.string.flatMap { Name($0) }
        let reason = transfer.metadataReason
        #expect(try hint(reason, firmware).hasSuffix(command))
        // On MQTT it names the command, not a program.
        #expect(!reason.hint.contains("otaferry"))
    }

    @Test("Other hints name the transfer and the option that they are about")
    func others() throws {
        for (code, hint, expected) in [
            (
                .versionExists, "Give it another version with the command describe, or cancel it",
                "with otaferry describe ci/0a1b2c --version VERSION, or cancel it"
            ),
            (
                .nameTaken, "Give it another name with `otaferry describe`, or delete the other one.",
                "with otaferry describe ci/0a1b2c --name NAME, or"
            ),
            (.cloudUnreachable, "Look at the uplink", "Look at the uplink"),
        ] as [(ReasonCode, String, String)] {
            let reason = Reason(code, .operator, "x", hint: hint, cloudCode: code == .needsMetadata ? "X" : nil)
            #expect(try self.hint(reason, ["product": "p", "version": "1"]).contains(expected))
        }
    }

    @Test(
        "What the cloud does not take is corrected by the option that its code or its sentence names",
        arguments: [
            ("iot.firmware.IncorrectFormattedFirmwareName", "x", "--name NAME"),
            ("iot.firmware.NullFirmwareVersion", "x", "--version VERSION"),
            ("iot.firmware.SrcVersionIsMandatory", "x", "--source-version VERSION"),
            ("iot.firmware.SrcDestVersionMatched", "x", "--source-version VERSION"),
            ("iot.firmware.FirmwareDescriptionExceedMaxLength", "x", "--description DESCRIPTION"),
            ("iot.ota.OTAModuleNotExist", "x", "--module MODULE"),
            ("iot.prod.NotExistedProduct", "x", "--product PRODUCT"),
            ("InvalidParameter", "Could not register x: a bad value (DestVersion is not valid)", "--version VERSION"),
        ]
    )
    func refused(code: String, text: String, option: String) throws {
        let reason = Reason(
            .cloudRefused,
            .operator,
            text,
            hint: "Correct the firmware's metadata with `otaferry describe`.",
            cloudCode: code
        )
        let hint = try hint(reason, ["product": "p", "version": "1"])
        #expect(hint == "Correct the firmware's metadata with otaferry describe ci/0a1b2c \(option).")
    }

    @Test("Where nobody says what is wrong, there is a command to begin with, and the other options")
    func unknown() throws {
        let text = "Could not register product-module: a parameter is missing (x)"
        for code in [ReasonCode.cloudRefused, .needsMetadata] {
            let reason = Reason(code, .operator, text, hint: "Use the command describe", cloudCode: "MissingParameter")
            let hint = try hint(reason, ["product": "p", "version": "1"])
            #expect(hint.hasPrefix("Use otaferry describe ci/0a1b2c --version VERSION. Or, as the"), "\(hint)")
            #expect(hint.contains("--custom"))
        }
    }

    @Test("The options in these hints are options of describe")
    func options() {
        let options = ["product", "version", "name", "module", "description", "source-version"]
        for option in options {
            #expect(throws: Never.self) { try Describe.parse(["ci/0a1b2c", "--\(option)", "X"]) }
        }
    }
}
