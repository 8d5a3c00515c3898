/// The disk below a file system, as `/sys` describes it.
struct BlockDevice: Sendable, Hashable {
    /// `mmcblk0`, `sda`, `nvme0n1`
    var name: String
    var isRotational: Bool
    /// `SD` or `MMC` of a card or soldered flash; nil for other disks.
    var cardType: String?
    /// Used tenths of the life of its two kinds of cells, as eMMC 5 and newer tell: 1 to 10, 11 is over.
    var usedTenths: [Int] = []
    /// 1 normal, 2 most of the spare blocks are used, 3 nearly all.
    var spareState: Int?
    /// Bytes written to the disk since the machine was started.
    var writtenSinceStart: Int64?

    /// Sectors of `/sys/block/*/stat` have 512 bytes whatever the disk's own.
    private static let sectorBytes: Int64 = 512

    /// The disk of a device number such as `179:2`; nil where `/sys` does not know it. Partitions and device mappers lead
    /// to the disk below.
    init?(number: String, host: HostFiles) {
        guard var path = host.resolved("/sys/dev/block/\(number)") else { return nil }
        // A mapper may lie on another; deeper than this is a loop.
        for _ in 0..<8 {
            if host.exists(path + "/partition") {
                path = path.split(separator: "/").dropLast().reduce(into: "") { $0 += "/" + $1 }
            }
            guard let below = host.names(in: path + "/slaves").first,
                let next = host.resolved(path + "/slaves/" + below)
            else { break }
            path = next
        }
        name = path.split(separator: "/").last.map(String.init) ?? number
        isRotational = host.text(path + "/queue/rotational") == "1"
        cardType = host.text(path + "/device/type").flatMap { ["SD", "MMC"].contains($0) ? $0 : nil }
        if cardType != nil {
            usedTenths = (host.text(path + "/device/life_time") ?? "").split(separator: " ").compactMap(Self.hex)
                .filter { $0 > 0 }
            spareState = host.text(path + "/device/pre_eol_info").flatMap { Self.hex(Substring($0)) }
                .flatMap { $0 > 0 ? $0 : nil }
        }
        let counts = (host.text(path + "/stat") ?? "").split(separator: " ").compactMap { Int64($0) }
        if counts.count >= 7 { writtenSinceStart = counts[6] * Self.sectorBytes }
    }

    private static func hex(_ text: Substring) -> Int? {
        Int(text.hasPrefix("0x") ? text.dropFirst(2) : text, radix: 16)
    }
}

/// The file system that a path is on, as `/proc/self/mountinfo` describes it.
struct MountedFileSystem: Sendable, Hashable {
    var mountPoint: String
    /// `ext4`, `overlay`, `tmpfs`
    var kind: String
    /// `179:2`
    var deviceNumber: String
    var options: Set<String>

    /// The one whose mount point is the longest beginning of the path; the last where several are mounted on one point.
    init?(containing path: String, mountInfo: String) {
        var best: MountedFileSystem?
        for line in mountInfo.split(separator: "\n") {
            guard let mount = MountedFileSystem(line: line), mount.contains(path) else { continue }
            if mount.mountPoint.utf8.count >= best?.mountPoint.utf8.count ?? 0 { best = mount }
        }
        guard let best else { return nil }
        self = best
    }

    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc_pid_mountinfo(5))
    private init?(line: Substring) {
        guard let separator = line.firstRange(of: " - ") else { return nil }
        let first = line[..<separator.lowerBound].split(separator: " ")
        let second = line[separator.upperBound...].split(separator: " ")
        guard first.count >= 6, second.count >= 2 else { return nil }
        deviceNumber = String(first[2])
        mountPoint = Self.unescaped(first[4])
        kind = String(second[0])
        let lists = [first[5]] + second.dropFirst(2).prefix(1)
        options = Set(lists.flatMap { $0.split(separator: ",").map(String.init) })
    }

    private func contains(_ path: String) -> Bool {
        mountPoint == "/" || path == mountPoint || path.hasPrefix(mountPoint + "/")
    }

    /// Blanks and the like are written as `\040`.
    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
