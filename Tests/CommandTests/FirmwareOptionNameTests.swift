import ArgumentParser
import FerryCore
import Testing

@testable import otaferry

@Suite("What members of the firmware are called on the command line")
struct FirmwareOptionNameTests {
    /// The options of a command under the heading "Firmware", and those of `describe` that stand without one.
    private func options(of command: any ParsableCommand.Type) throws -> Set<String> {
        let help = try JSONValue(parsing: command._dumpHelp())
        let arguments = try #require(help["command"]?["arguments"]?.array)
        return Set(
            arguments.filter { $0["sectionTitle"]?.string != "Broker" }
                .flatMap { $0["names"]?.array ?? [] }.filter { $0["kind"]?.string == "long" }
                .compactMap { $0["name"]?.string }.map { "--" + $0 }
        )
    }

    /// The options that say nothing that the agent would refuse by their name.
    private static let others: Set = [
        // It takes a member back, counts the package's files, or makes the signature.
        "--no-verify", "--files", "--sign",
        // About the command itself.
        "--until", "--detach", "--resume", "--time-limit", "--segment", "--json", "--help",
    ]

    @Test("Every option of push and describe has its member, and every member its option")
    func complete() throws {
        let names = Set(FirmwareOptionNames.options.values)
        #expect(names.count == FirmwareOptionNames.options.count)
        let push = try options(of: Push.self)
        #expect(push.subtracting(Self.others) == names)
        #expect(try options(of: Describe.self).subtracting(Self.others) == names)
        #expect(Self.others.isSubset(of: push))
    }

    @Test("Everything that a person can say is in the table")
    func members() throws {
        let push = try Push.parse([
            "a.bin", "--product", "p", "--version", "2", "--name", "n", "--module", "m", "--description", "d", "--type",
            "delta", "--source-version", "1", "--priority", "3", "--no-verify", "--custom", "{}", "--package", "g",
            "--files", "2",
        ])
        let order = try push.firmware.order()
        #expect(Set(order.firmware.keys).union(["signature"]) == Set(FirmwareOptionNames.options.keys))
    }

    /// A value that each member refuses.
    private static let refused: [String: JSONValue] = [
        "product": "a/b", "version": 7, "name": "a.b", "module": "a b",
        "description": .string(.init(repeating: "x", count: 101)),
        "type": "odd", "source_version": "1/2", "priority": 101, "verify": "yes", "custom": 7, "signature": 7,
        "package": "p",
    ]

    @Test("A refusal of each member names its option", arguments: FirmwareOptionNames.options.keys.sorted())
    func refusals(member: String) throws {
        let value = try #require(Self.refused[member])
        let problem = #expect(throws: FirmwareMetadata.Problem.self) { try FirmwareMetadata(json: [member: value]) }
        let text = FirmwareOptionNames.inOptions(try #require(problem).text)
        let option = try #require(FirmwareOptionNames.options[member])
        #expect(text.hasPrefix(option + " ") && !text.contains("firmware."), "\(text)")
    }

    @Test(
        "Every member in a sentence becomes an option, and names of files stay",
        arguments: [
            (
                "firmware.source_version must differ from firmware.version",
                "--source-version must differ from --version"
            ),
            ("firmware.type delta needs firmware.source_version", "--type delta needs --source-version"),
            ("firmware.name x is that of ci/y", "--name x is that of ci/y"),
            ("firmware.sign_method must be MD5 or SHA256", "firmware.sign_method must be MD5 or SHA256"),
            ("The suffix of firmware.version.exe is wrong", "The suffix of firmware.version.exe is wrong"),
            ("my-firmware.name is empty", "my-firmware.name is empty"), ("firmware.", "firmware."), ("", ""),
        ]
    )
    func sentences(text: String, expected: String) { #expect(FirmwareOptionNames.inOptions(text) == expected) }

    @Test("What is found before sending names the option too")
    func beforeSending() {
        let document: JSONValue = [
            "name": "a.bin", "firmware": ["source_version": "1", "version": "1", "type": "delta"],
        ]
        #expect(
            PushOrder.problem(with: document, size: 5) == "--source-version must differ from --version"
        )
    }
}
