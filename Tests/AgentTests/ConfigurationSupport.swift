import Agent
import Foundation

/// A directory with configuration files that goes away with the test.
final class ConfigurationDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("otaferry-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path + "/otaferry.d", withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var file: String { path + "/otaferry.toml" }

    @discardableResult
    func write(_ text: String, to name: String = "otaferry.toml") throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
        return "\(path)/\(name)"
    }

    /// Loads what was written.
    func load(_ settings: [String] = [], environment: [String: String] = [:]) throws(ConfigurationError)
        -> Configuration
    {
        try ConfigurationLoader(path: file, settings: settings, environment: environment).load()
    }

    /// The mistakes of what was written, as text without the directory's path.
    func mistakes(_ settings: [String] = [], environment: [String: String] = [:]) -> [String] {
        do throws(ConfigurationError) {
            _ = try load(settings, environment: environment)
            return []
        } catch {
            return error.mistakes.map { $0.description.replacingOccurrences(of: path + "/", with: "") }
        }
    }
}

/// Loads a text as the only file.
func load(_ text: String, set settings: [String] = []) throws -> Configuration {
    let directory = try ConfigurationDirectory()
    try directory.write(text)
    return try directory.load(settings)
}

/// The mistakes of a text as the only file.
func mistakes(_ text: String, set settings: [String] = []) throws -> [String] {
    let directory = try ConfigurationDirectory()
    try directory.write(text)
    return directory.mistakes(settings)
}

/// The package's own directory.
let packageDirectory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
