import Glibc

/// The program's own pages. Most of what is resident at first is code that ran once, at the start.
enum StartupCode {
    /// Lets go of the code that was used so far: what is needed again is mapped again, out of the page cache as a rule.
    static func release() {
        guard let maps = try? FileText.read("/proc/self/maps") else { return }
        for range in ranges(of: maps) {
            // Nobody writes to code, so nothing is lost: a private page that is as the file has it is dropped.
            madvise(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count, MADV_DONTNEED)
        }
    }

    /// Code of files in `/proc/PID/maps` (proc_pid_maps(5)). Read-only data is left out: what the linker relocated is among
    /// it.
    static func ranges(of maps: String) -> [Range<UInt>] {
        maps.split(separator: "\n").compactMap { line in
            // 55d0c000-55d2e000 r-xp 00002000 08:01 135522 /usr/bin/otaferry
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard fields.count == 6, fields[1] == "r-xp", fields[4] != "0" else { return nil }
            let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            return ends.count == 2 && ends[0] < ends[1] ? ends[0]..<ends[1] : nil
        }
    }
}
