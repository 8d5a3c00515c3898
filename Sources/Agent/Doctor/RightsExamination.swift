import Glibc

/// Who may read and write the files that matter.
struct RightsExamination: Sendable {
    var configuration: Configuration
    var store = CredentialStore()
    /// Root may do everything: what it sees is judged for this user, the agent's. Nil: this process is the agent's user.
    var agent: AgentUser?
    /// Who looks.
    var user: UInt32 = getuid()

    init(configuration: Configuration) {
        self.configuration = configuration
        // With a configuration from elsewhere it is a trial of root's own.
        let isInstalled = configuration.files.first == ConfigurationLoader.defaultPath
        agent = isInstalled ? AgentUser() : nil
    }

    /// Whether a file is closed to this user because it belongs to another, and this is not the agent's: nothing follows
    /// from that.
    func isClosed(_ facts: FileFacts) -> Bool {
        guard facts.isThere, !facts.isUsable, user != 0, facts.owner != user else { return false }
        return getpwnam("otaferry").map { $0.pointee.pw_uid } != user
    }

    private static let asAgent = "sudo otaferry doctor, or as the user that the agent runs as"

    /// What the file system says of a file.
    struct FileFacts: Sendable, Hashable {
        var isThere: Bool
        /// The permission bits.
        var mode: UInt32 = 0
        var owner: UInt32 = 0
        /// Whether this process may read it; write, for a folder.
        var isUsable = true
        var failure = ""
    }

    func findings() -> [Finding] {
        configurationFiles() + spool(Self.facts(folder: folder), file: Self.facts(file: configuration.spool.path))
            + secrets() + metrics()
    }

    /// What root reads, and the agent cannot.
    func configurationFiles() -> [Finding] {
        configuration.files.compactMap { file in
            guard let agent, let obstacle = agent.obstacle(reading: file) else { return nil }
            return Finding(
                .configuration,
                .error,
                "\(file) is closed to the user \(agent.name)",
                why: "the agent ends at its next start",
                remedy: agent.remedy(obstacle, of: file)
            )
        }
    }

    /// Whether the metrics file can be written. A failure is no reason for the agent not to run.
    func metrics() -> [Finding] {
        guard let file = configuration.metrics.textfile else { return [] }
        let folder = DiskExamination.parent(of: file)
        let facts = Self.facts(folder: folder)
        func finding(_ grade: Finding.Grade, _ text: String, _ remedy: String) -> [Finding] {
            [Finding(.metrics, grade, text, why: "no figures come to Prometheus", remedy: remedy)]
        }
        guard facts.isThere else {
            let remedy = "Make the folder, or name another file; where node_exporter looks says its "
            return finding(
                .error,
                "\(folder), the folder of metrics.textfile, is not there",
                remedy + "--collector.textfile.directory"
            )
        }
        if isClosed(facts) {
            let text = "This user may not look whether the agent can write in \(folder)"
            return [Finding(.metrics, .skipped, text, remedy: Self.asAgent)]
        }
        guard facts.isUsable, agent?.obstacle(writingIn: folder) == nil else {
            return finding(
                .error,
                "The agent cannot write in \(folder), the folder of metrics.textfile",
                "sudo chgrp otaferry \(folder); sudo chmod g+w \(folder)"
            )
        }
        return [Finding(.metrics, .ok, "The agent can write \(file)")]
    }

    private var folder: String { DiskExamination.parent(of: configuration.spool.path) }

    static func facts(file path: String) -> FileFacts { facts(path, wanted: R_OK) }
    static func facts(folder path: String) -> FileFacts { facts(path, wanted: R_OK | W_OK | X_OK) }

    private static func facts(_ path: String, wanted: Int32) -> FileFacts {
        var status = stat()
        guard stat(path, &status) == 0 else {
            let isAbsent = errno == ENOENT || errno == ENOTDIR
            return FileFacts(isThere: !isAbsent, isUsable: false, failure: String(cString: strerror(errno)))
        }
        let isUsable = access(path, wanted) == 0
        return FileFacts(
            isThere: true,
            mode: UInt32(status.st_mode) & 0o7777,
            owner: status.st_uid,
            isUsable: isUsable,
            failure: isUsable ? "" : String(cString: strerror(errno))
        )
    }

    // MARK: - Judgement

    private static func octal(_ mode: UInt32) -> String {
        let digits = String(mode & 0o777, radix: 8)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }

    func spool(_ folderFacts: FileFacts, file: FileFacts) -> [Finding] {
        guard folderFacts.isThere else {
            return [
                Finding(
                    .spoolRights,
                    .note,
                    "\(folder) is not there yet",
                    why: "the agent makes it when it starts, where it may",
                    remedy: "sudo install -d -o otaferry -g otaferry -m 700 \(folder)"
                )
            ]
        }
        guard !isClosed(folderFacts), !isClosed(file) else {
            let text = "\(configuration.spool.path) is closed to this user"
            return [Finding(.spoolRights, .skipped, text, remedy: Self.asAgent)]
        }
        guard folderFacts.isUsable, !file.isThere || file.isUsable else {
            let failure = folderFacts.isUsable ? file.failure : folderFacts.failure
            return [
                Finding(
                    .spoolRights,
                    .error,
                    "This user may not use \(configuration.spool.path): \(failure)",
                    why: "run as the agent's user this means that it cannot start",
                    remedy: "Run doctor as that user: sudo -u otaferry otaferry doctor; "
                        + "if it says the same: sudo chown -R otaferry: \(folder)"
                )
            ]
        }
        if let agent, folderFacts.owner != agent.id {
            return [
                Finding(
                    .spoolRights,
                    .error,
                    "\(folder) does not belong to the user otaferry",
                    why: "the agent cannot store anything in it",
                    remedy: "sudo chown -R otaferry: \(folder)"
                )
            ]
        }
        if folderFacts.mode & 0o022 != 0 && folderFacts.mode & 0o1000 == 0 {
            return [
                Finding(
                    .spoolRights,
                    .error,
                    "Others may write to \(folder) (mode \(Self.octal(folderFacts.mode)))",
                    why: "they can put another spool there, and so any firmware into the cloud",
                    remedy: "sudo chmod 700 \(folder)"
                )
            ]
        }
        if folderFacts.mode & 0o077 != 0 && file.mode & 0o077 != 0 {
            return [
                Finding(
                    .spoolRights,
                    .warning,
                    "Others may read \(configuration.spool.path) (mode \(Self.octal(file.mode)))",
                    why: "they can read the firmware in it",
                    remedy: "sudo chmod 600 \(configuration.spool.path); sudo chmod 700 \(folder)"
                )
            ]
        }
        return [Finding(.spoolRights, .ok, "Nobody else may read the spool, or put another in its place")]
    }

    private func secrets() -> [Finding] {
        var files: [(key: String, path: String)] = []
        if configuration.cloud.credentials.source == .file {
            files.append(("cloud.credentials.file", configuration.credentialsFile))
        }
        if let path = configuration.passwordFile { files.append(("broker.password-file", path)) }
        if let path = configuration.broker.keyFile { files.append(("broker.key-file", path)) }
        // A proxy's password stands in the configuration itself.
        if configuration.cloud.proxy?.url.contains("@") == true {
            files += configuration.files.map { ("cloud.proxy, which has a password,", $0) }
        }
        let findings = files.compactMap { key, path in secret(key, path, Self.facts(file: path)) }
        return findings.isEmpty
            ? [Finding(.secrets, .ok, "Passwords and keys are readable for their user alone")] : findings
    }

    /// Who has chosen no file for the access key is led to the one that the documents name.
    private static func missing(_ key: String, _ path: String, isChosen: Bool) -> String {
        guard key == "cloud.credentials.file", !isChosen else {
            return "sudo install -o otaferry -g otaferry -m 600 /dev/null \(path), then fill it"
        }
        let place = CredentialStore.path("aliyun")
        return "Put the access key into \(place), as in docs/first-day.md: sudo install -d -m 700 "
            + "\(DiskExamination.parent(of: place)); sudo install -m 600 FILE \(place); "
            + "sudo systemctl restart otaferry. Or into \(path), which belongs to the user otaferry"
    }

    func secret(_ key: String, _ path: String, _ facts: FileFacts) -> Finding? {
        if !facts.isThere && store.isHidden {
            return Finding(
                .secrets,
                .skipped,
                "\(path) (\(key)) is not there; the service may get it from /etc/credstore, which only root sees",
                remedy: "sudo otaferry doctor"
            )
        }
        guard facts.isThere else {
            return Finding(
                .secrets,
                .error,
                "\(path) (\(key)) is not there",
                why: "without it the agent cannot log in",
                remedy: Self.missing(key, path, isChosen: configuration.origins[key] != nil)
            )
        }
        guard !isClosed(facts) else {
            return Finding(.secrets, .skipped, "\(path) (\(key)) is closed to this user", remedy: Self.asAgent)
        }
        guard facts.isUsable else {
            return Finding(
                .secrets,
                .error,
                "This user may not read \(path) (\(key)): \(facts.failure)",
                why: "run as the agent's user this means that it cannot log in",
                remedy: "Run doctor as that user; if it says the same: sudo chown otaferry: \(path)"
            )
        }
        // The service manager hands over what lies in its store.
        if let agent, facts.owner != agent.id, facts.mode & 0o077 == 0, !path.hasPrefix("/etc/credstore/") {
            return Finding(
                .secrets,
                .error,
                "\(path) (\(key)) does not belong to the user otaferry",
                why: "the agent cannot read it",
                remedy: "sudo chown otaferry: \(path)"
            )
        }
        guard facts.mode & 0o077 != 0 else { return nil }
        return Finding(
            .secrets,
            facts.mode & 0o007 != 0 ? .error : .warning,
            "Others may read \(path) (\(key), mode \(Self.octal(facts.mode)))",
            why: "it holds a secret",
            remedy: "sudo chmod 600 \(path)"
        )
    }
}
