import Glibc

/// The user that the agent runs as, for whom root judges: root itself may read everything. Access lists beside the bits of
/// the mode are not looked at.
package struct AgentUser: Sendable, Hashable {
    let name: String
    let id: UInt32
    let groups: Set<UInt32>

    init(name: String, id: UInt32, groups: Set<UInt32>) {
        self.name = name
        self.id = id
        self.groups = groups
    }

    /// The user of the package; nil where somebody else than root asks, who judges for itself, or there is no such user.
    init?(for user: UInt32 = getuid()) {
        let name = "otaferry"
        guard user == 0, let entry = getpwnam(name)?.pointee else { return nil }
        var groups = [gid_t](repeating: entry.pw_gid, count: 64)
        var count = Int32(groups.count)
        // More groups than fit are no reason to know none.
        if getgrouplist(name, entry.pw_gid, &groups, &count) < 0 { count = 1 }
        self.init(name: name, id: entry.pw_uid, groups: Set(groups.prefix(Int(count))))
    }

    /// What keeps it from reading a file: the file, or a folder that it cannot enter. Nil where nothing does, or nothing is
    /// there.
    func obstacle(reading path: String) -> String? { obstacle(path, wanted: 0o4) }

    /// The same for making files in a folder.
    func obstacle(writingIn folder: String) -> String? { obstacle(folder, wanted: 0o3) }

    private func obstacle(_ path: String, wanted: UInt32) -> String? {
        guard let resolved = HostFiles().resolved(path) else { return nil }
        var folder = resolved
        while folder != "/" {
            folder = DiskExamination.parent(of: folder)
            if !may(0o1, folder) { return folder }
        }
        return may(wanted, resolved) ? nil : path
    }

    private func may(_ bits: UInt32, _ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return true }
        let shift: UInt32 = status.st_uid == id ? 6 : groups.contains(status.st_gid) ? 3 : 0
        return UInt32(status.st_mode) >> shift & bits == bits
    }

    /// The command that takes the obstacle away.
    func remedy(_ obstacle: String, of file: String) -> String {
        guard obstacle == file else { return "sudo chmod 755 \(obstacle)" }
        return "sudo chown \(name): \(file), or where it holds no secret: sudo chmod 644 \(file)"
    }
}
