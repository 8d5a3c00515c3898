import Glibc

/// The files in which the system describes itself: `/proc`, `/sys`, `/etc`. Tests put a folder of their own before them.
struct HostFiles: Sendable {
    /// Stands before every path; empty for the machine as it is.
    var root = ""

    /// The text of a file without blanks at its ends; nil where it cannot be read.
    func text(_ path: String) -> String? {
        (try? FileText.read(root + path)).map { text in
            var rest = Substring(text)
            while rest.last?.isWhitespace == true { rest.removeLast() }
            return String(rest)
        }
    }

    /// The same, with the reason where it cannot be read.
    func read(_ path: String) throws(FileText.Failure) -> String { try FileText.read(root + path) }

    func exists(_ path: String) -> Bool { FileText.exists(root + path) }

    /// The names in a folder; none where there is no such folder or it cannot be read.
    func names(in path: String, suffix: String = "") -> [String] {
        (try? FileText.names(in: root + path, suffix: suffix)) ?? []
    }

    /// The path without links; nil where there is no such file.
    func resolved(_ path: String) -> String? {
        guard let found = realpath(root + path, nil) else { return nil }
        defer { free(found) }
        let text = String(cString: found)
        guard !root.isEmpty, let base = realpath(root, nil) else { return text }
        defer { free(base) }
        let prefix = String(cString: base)
        return text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
    }
}
