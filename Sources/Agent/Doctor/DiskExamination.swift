import FerryCore
import Glibc

/// The disk that the spool is on.
struct DiskExamination: Sendable {
    var host = HostFiles()
    var spool: Configuration.Spool

    /// What is seen; apart from the judgement, so that a test can say what is seen.
    struct Facts: Sendable {
        var fileSystem: MountedFileSystem?
        var device: BlockDevice?
        /// Bytes that this user may still write.
        var free: Int64 = 0
        var size: Int64 = 0
        /// Files that can still be made; nil where the file system has no such limit.
        var freeFiles: Int64?
        /// Bytes of the spool's own file; nil where it is hidden from this user.
        var spoolSize: Int64? = 0
        var failure: String?
    }

    func findings() -> [Finding] {
        let facts = facts()
        return room(facts) + disk(facts) + wear(facts)
    }

    /// The nearest folder that is there: the spool makes what is missing.
    var existingFolder: String {
        var folder = Self.parent(of: spool.path)
        while folder != "/" && access(folder, F_OK) != 0 { folder = Self.parent(of: folder) }
        return folder
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    func facts() -> Facts {
        var facts = Facts()
        let folder = HostFiles().resolved(existingFolder) ?? existingFolder
        facts.fileSystem = host.text("/proc/self/mountinfo").flatMap {
            MountedFileSystem(containing: folder, mountInfo: $0)
        }
        facts.device = facts.fileSystem.flatMap { BlockDevice(number: $0.deviceNumber, host: host) }
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else {
            facts.failure = String(cString: strerror(errno))
            return facts
        }
        let block = UInt64(status.f_frsize)
        facts.free = Int64(clamping: UInt64(status.f_bavail) * block)
        facts.size = Int64(clamping: UInt64(status.f_blocks) * block)
        facts.freeFiles = status.f_files == 0 ? nil : Int64(clamping: UInt64(status.f_favail))
        var file = stat()
        if stat(spool.path, &file) == 0 {
            facts.spoolSize = Int64(file.st_size)
        } else if errno == EACCES {
            facts.spoolSize = nil
        }
        return facts
    }

    // MARK: - Judgement

    func room(_ facts: Facts) -> [Finding] {
        if let failure = facts.failure {
            return [Finding(.spoolRoom, .error, "The disk of \(spool.path) cannot be asked for its room: \(failure)")]
        }
        // What the spool has already is room for it too.
        let spoolSize = facts.spoolSize ?? 0
        let usable = facts.free + spoolSize - spool.reserve.rawValue
        let free = ByteCount(rawValue: facts.free)
        if facts.freeFiles == 0 {
            return [
                Finding(
                    .spoolRoom,
                    .error,
                    "The file system of \(spool.path) takes no further files",
                    why: "the spool cannot make its journal, so nothing is stored",
                    remedy: "Remove files, or enlarge the file system"
                )
            ]
        }
        if facts.spoolSize == nil && usable < spool.quota.rawValue {
            let text = "\(free) are free; how much the spool has already is closed to this user"
            return [Finding(.spoolRoom, .skipped, text, remedy: "sudo otaferry doctor")]
        }
        if facts.free <= spool.reserve.rawValue && spoolSize < spool.quota.rawValue {
            return [
                Finding(
                    .spoolRoom,
                    .error,
                    "\(free) are free, and spool.reserve keeps \(spool.reserve) of them",
                    why: "no firmware is taken until there is room",
                    remedy: "Make room on the file system, or lower spool.reserve"
                )
            ]
        }
        if usable < spool.quota.rawValue {
            return [
                Finding(
                    .spoolRoom,
                    .warning,
                    "\(free) are free; with spool.reserve = \(spool.reserve) the quota of \(spool.quota) cannot be used up",
                    why: "senders are told of more room than there is in the end",
                    remedy: "Make room, or lower spool.quota to "
                        + ByteCount(rawValue: max(1 << 20, (usable >> 20) << 20)).configurationText
                )
            ]
        }
        return [Finding(.spoolRoom, .ok, "\(free) free for a quota of \(spool.quota)")]
    }

    private static let remote: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "virtiofs", "afs",
    ]
    private static let withoutJournal: Set<String> = ["vfat", "exfat", "ext2", "msdos", "fuseblk", "ntfs"]

    func disk(_ facts: Facts) -> [Finding] {
        guard let mount = facts.fileSystem else {
            return [Finding(.spoolDisk, .skipped, "The file system of \(spool.path) cannot be found out")]
        }
        let place = "\(spool.path) is on \(mount.kind) (\(mount.mountPoint))"
        func finding(_ grade: Finding.Grade, _ why: String, _ remedy: String) -> [Finding] {
            [Finding(.spoolDisk, grade, place, why: why, remedy: remedy)]
        }
        let elsewhere = "Let spool.path name a file on a local ext4, f2fs or btrfs"
        if mount.options.contains("ro") {
            return finding(
                .error,
                "it is mounted read-only, so nothing can be stored",
                "mount -o remount,rw; look at dmesg"
            )
        }
        switch mount.kind {
        case "tmpfs", "ramfs":
            return finding(.error, "everything stored is lost with the power", elsewhere)
        case _ where Self.remote.contains(mount.kind):
            return finding(.error, "locks and syncs over a network cannot be relied on", elsewhere)
        case "overlay":
            return finding(
                .warning,
                "what is stored goes with the container or the next image",
                "Mount a volume at \(Self.parent(of: spool.path)); or " + elsewhere.lowercasedFirst
            )
        case _ where Self.withoutJournal.contains(mount.kind):
            return finding(.warning, "it has no journal: a power cut can damage the file system", elsewhere)
        default: break
        }
        let risky = ["nobarrier", "barrier=0", "data=writeback"].filter(mount.options.contains)
        if let option = risky.first {
            return finding(
                .warning,
                "mounted with \(option): a power cut can lose what was synced",
                "Mount without \(option)"
            )
        }
        guard let device = facts.device else { return [Finding(.spoolDisk, .ok, place)] }
        let kind =
            device.cardType.map { $0 == "SD" ? ", an SD card" : ", soldered flash" }
            ?? (device.isRotational ? ", a rotating disk or a virtual one" : ", flash")
        if device.cardType == "SD" {
            return [
                Finding(
                    .spoolDisk,
                    .note,
                    "\(place), \(device.name)\(kind)",
                    why: "SD cards do not tell how worn they are, and many lose data when the power is cut",
                    remedy: "Use an industrial card, or an SSD, where firmware comes daily"
                )
            ]
        }
        return [Finding(.spoolDisk, .ok, "\(place), \(device.name)\(kind)")]
    }

    func wear(_ facts: Facts) -> [Finding] {
        guard let device = facts.device else {
            return [Finding(.spoolWear, .skipped, "There is no disk in /sys to ask for its wear")]
        }
        let written =
            device.writtenSinceStart.map { "; \(ByteCount(rawValue: $0)) written since this machine started" } ?? ""
        let remedy = "Replace it before it fails; docs/operations.md tells how to move the spool"
        if let used = device.usedTenths.max() {
            let text =
                used >= 11 ? "\(device.name) is past its life" : "\(device.name) has used \(used * 10) % of its life"
            if used >= 11 || (device.spareState ?? 1) >= 3 {
                let why = "writes may fail any day, and then nothing can be stored"
                return [Finding(.spoolWear, .error, text + written, why: why, remedy: remedy)]
            }
            if used >= 8 || (device.spareState ?? 1) == 2 {
                let why = "what is left goes in the time that a tenth to two took so far"
                return [Finding(.spoolWear, .warning, text + written, why: why, remedy: remedy)]
            }
            return [Finding(.spoolWear, .ok, text + written)]
        }
        return [Finding(.spoolWear, .ok, "\(device.name) does not tell its wear\(written)")]
    }
}

extension String {
    var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
}
