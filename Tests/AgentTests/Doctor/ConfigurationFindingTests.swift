import Foundation
import Testing

@testable import Agent

@Suite("What the doctor says of a configuration with mistakes")
struct ConfigurationFindingTests {
    private func remedies(_ directory: ConfigurationDirectory, _ settings: [String] = []) throws -> [String] {
        let error = #expect(throws: ConfigurationError.self) { try directory.load(settings) }
        return Doctor.findings(of: try #require(error)).map(\.remedy)
    }

    @Test("A file that is not there is told with the option that names another")
    func absent() throws {
        let found = try remedies(try ConfigurationDirectory())
        #expect(
            found == ["Name the agent's file with --config; without --config it is /etc/otaferry/otaferry.toml"]
        )
    }

    @Test("Each kind of mistake has the remedy that mends it")
    func kinds() throws {
        let directory = try ConfigurationDirectory()
        try directory.write("gatway = \"x\"")
        try directory.write("not toml", to: "otaferry.d/1.toml")
        try FileManager.default.createSymbolicLink(
            atPath: directory.path + "/otaferry.d/2.toml",
            withDestinationPath: "/nowhere"
        )
        let found = try remedies(directory, ["retry.max=soon"])
        let beginnings = [
            "Correct it in the file", "Correct the line", "Make it a file", "Correct what stands after --set",
        ]
        try #require(found.count == beginnings.count, "\(found)")
        for (remedy, beginning) in zip(found, beginnings) { #expect(remedy.hasPrefix(beginning), "\(found)") }
        #expect(found.filter { $0.contains("man otaferry.toml") }.count == 3)
    }

    @Test("A directory in place of the file is there, and no file")
    func directory() throws {
        let directory = try ConfigurationDirectory()
        try FileManager.default.createDirectory(atPath: directory.file, withIntermediateDirectories: true)
        #expect(try remedies(directory).first?.hasPrefix("Make it a file in UTF-8") == true)
    }

    @Test(
        "A folder whose name only begins like that of the drop-in files is none",
        arguments: ["otaferry.daily", "x.d"]
    )
    func similar(folder: String) throws {
        let path = try ConfigurationDirectory().path + "/\(folder)/nothere.toml"
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationLoader(path: path, environment: [:]).load()
        }
        let found = Doctor.findings(of: try #require(error)).map(\.remedy)
        #expect(found.first?.hasPrefix("Name the agent's file with --config") == true, "\(found)")
    }

    @Test("A directory of drop-in files that cannot be read is told as one", arguments: ["a file", "a link to itself"])
    func brokenDirectory(kind: String) throws {
        let directory = try ConfigurationDirectory()
        try directory.write("")
        let path = directory.path + "/otaferry.d"
        try FileManager.default.removeItem(atPath: path)
        if kind == "a file" {
            try directory.write("", to: "otaferry.d")
        } else {
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path)
        }
        #expect(
            try remedies(directory) == ["Make it a directory that the agent's user can list and enter, or take it away"]
        )
    }
}
