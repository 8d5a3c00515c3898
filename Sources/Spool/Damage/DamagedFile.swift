import FerryCore
import Glibc

/// What became of a spool that was damaged.
package struct SpoolDamage: Sendable, Equatable {
    /// Where the damaged file is now.
    package var path: String
    /// What SQLite said about it.
    package var cause: String
    /// Transfers that were saved from it.
    package var transfers: Int
    /// Bytes of firmware that were saved from it.
    package var bytes: Int64
}

/// A damaged spool is set aside, never deleted: somebody may read more out of it than this program does.
enum DamagedFile {
    private static let mark = ".damaged-"

    /// Renames the file and its journal.
    ///
    /// - Returns: the new path.
    static func setAside(_ path: String, at now: WallTime = .now()) throws(SpoolError) -> String {
        // 2026-05-01T08:00:00.000Z without what some file systems do not take.
        let date = now.iso8601.prefix(19).filter { $0 != ":" && $0 != "-" } + "Z"
        var aside = path + mark + date
        var number = 1
        while access(aside, F_OK) == 0 {
            number += 1
            aside = path + mark + date + "-\(number)"
        }
        for end in ["", "-journal"] where access(path + end, F_OK) == 0 {
            guard rename(path + end, aside + end) == 0 else {
                throw SpoolError(
                    .unusable,
                    operation: "set the damaged spool \(path + end) aside",
                    underlying: String(cString: strerror(errno)),
                    hint: "Move it away by hand"
                )
            }
        }
        return aside
    }

    /// Whether the file begins as SQLite's do (fileformat2, 1.3).
    static func isDatabase(_ path: String) -> Bool {
        let magic = Array("SQLite format 3\0".utf8)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var head = magic.map { _ in UInt8(0) }
        return pread(descriptor, &head, head.count, 0) == head.count && head == magic
    }

    /// The files that were set aside beside a spool, oldest first.
    static func all(beside path: String) -> [String] {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let folder = parts.count > 1 ? parts.dropLast().joined(separator: "/") + "/" : "./"
        guard let directory = opendir(folder), let name = parts.last else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let file = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if file.hasPrefix(name + mark), !file.hasSuffix("-journal") { found.append(folder + file) }
        }
        return found.sorted()
    }
}
