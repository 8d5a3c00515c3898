import FerryCore

/// Reads the sources of the configuration, each over those before it: defaults, the file, `otaferry.d/*.toml` beside it
/// in byte order of their names, `--set`.
package struct ConfigurationLoader: Sendable {
    /// Read where no file is named; it may be absent.
    package static let defaultPath = "/etc/otaferry/otaferry.toml"

    /// The directory of drop-in files, beside the file.
    static let dropInDirectory = "otaferry.d"

    private let path: String?
    private let settings: [String]
    private let environment: [String: String]
    /// What the files that it names have to be.
    package var files = Files.readable
    /// For whom root judges whether the files can be read, where they are `examined`: nil for a trial of root's own.
    var agent: AgentUser?

    /// How much of the files that the configuration names is looked at.
    package enum Files: Sendable {
        /// Nothing: they are the agent's, and only it can read them.
        case ignored
        /// Whether they can be read.
        case readable
        /// What they hold too. The agent starts without: what it finds wrong may be mended while it runs.
        case examined
    }

    /// A named file must exist. `settings` are `key=value` as `--set` takes them. The environment tells the credentials
    /// directory of the service manager.
    package init(path: String? = nil, settings: [String] = [], environment: [String: String]) {
        self.path = path
        self.settings = settings
        self.environment = environment
        agent = path == nil ? AgentUser() : nil
    }

    /// The checked configuration, or all mistakes of all sources at once.
    package func load() throws(ConfigurationError) -> Configuration {
        var draft = ConfigurationDraft(serviceCredentials: ServiceCredentials(environment: environment))
        let file = path ?? Self.defaultPath
        read(file, mustExist: path != nil, into: &draft)
        let directory = Self.directory(of: file) + Self.dropInDirectory
        do {
            for name in try FileText.names(in: directory, suffix: ".toml") {
                read("\(directory)/\(name)", mustExist: true, into: &draft)
            }
        } catch {
            draft.reject(unreadable: directory, "the directory cannot be read: \(error.text)")
        }
        for setting in settings { draft.set(setting) }
        return try draft.finished(files: files)
    }

    private func read(_ path: String, mustExist: Bool, into draft: inout ConfigurationDraft) {
        do throws(FileText.Failure) {
            draft.read(try FileText.read(path), of: path)
            guard files == .examined, let agent, let obstacle = agent.obstacle(reading: path) else { return }
            let text = "the file is closed to the user \(agent.name): \(agent.remedy(obstacle, of: path))"
            draft.reject(closed: path, text)
        } catch {
            if error.isAbsent && !mustExist { return }
            draft.reject(unreadable: path, "the file cannot be read: \(error.text)")
        }
    }

    /// Whether a path that a mistake names is that of a drop-in file.
    static func isDropIn(_ path: String) -> Bool { path.split(separator: "/").dropLast().last == dropInDirectory[...] }

    /// Whether it is that of the directory itself.
    static func isDropInDirectory(_ path: String) -> Bool { path.split(separator: "/").last == dropInDirectory[...] }

    /// Up to and with the last slash.
    private static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    }
}
