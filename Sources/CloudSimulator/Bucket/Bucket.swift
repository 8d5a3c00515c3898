import Foundation

/// The simulated bucket on disk: whole objects under `objects`, uploads under way under `incoming`.
struct Bucket: Sendable {
    let folder: URL
    /// Its name, as conditions of a policy may ask for it.
    let name = "simulated-bucket"
    let clock: ServerClock
    let expiryCheck: CloudConfiguration.ExpiryCheck

    var objects: URL { folder.appendingPathComponent("objects") }
    var incoming: URL { folder.appendingPathComponent("incoming") }

    /// Makes the folders and clears away uploads that a former process left unfinished.
    init(configuration: CloudConfiguration, clock: ServerClock) throws {
        folder = URL(fileURLWithPath: configuration.folder)
        self.clock = clock
        expiryCheck = configuration.expiryCheck
        try? FileManager.default.removeItem(at: incoming)  // not there at the first start
        try FileManager.default.createDirectory(at: objects, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(at: incoming, withIntermediateDirectories: true)
    }
}
