import Foundation

/// The simulated bucket on disk: whole objects under `objects`, uploads under way under `incoming`.
struct Bucket: Sendable {
    let folder: URL
    /// Its name, as conditions of a policy may ask for it.
    let name = "simulated-bucket"
    let clock: ServerClock
    let settings: LiveConfiguration

    var expiryCheck: CloudConfiguration.ExpiryCheck { settings.current.expiryCheck }
    var objects: URL { folder.appendingPathComponent("objects") }
    var incoming: URL { folder.appendingPathComponent("incoming") }

    /// Makes the folders and clears away uploads that a former process left unfinished.
    init(settings: LiveConfiguration, clock: ServerClock) throws {
        folder = URL(fileURLWithPath: settings.current.folder)
        self.clock = clock
        self.settings = settings
        try? FileManager.default.removeItem(at: incoming)  // not there at the first start
        try FileManager.default.createDirectory(at: objects, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(at: incoming, withIntermediateDirectories: true)
    }
}
