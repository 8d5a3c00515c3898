/// The rules for the name of a firmware file.
package enum FileName {
    /// What is wrong with a name, as a sentence; nil when it is fine: 1 to 240 bytes without `/ \ :` and control
    /// characters, not `.` or `..`.
    package static func problem(with name: String) -> String? {
        guard !name.isEmpty else { return "The file name must have 1 to 240 bytes" }
        guard name.utf8.count <= 240 else {
            return "The file name \"\(name.escaped)\" has \(name.utf8.count) bytes; 240 are the most"
        }
        guard name != ".", name != ".." else { return "The file name must not be . or .." }
        let isClean = name.unicodeScalars.allSatisfy { scalar in
            scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value) && !["/", "\\", ":"].contains(scalar)
        }
        return isClean
            ? nil : "The file name \"\(name.escaped)\" must not hold / \\ : or control characters"
    }

    /// What the cloud takes (`FileSuffix` of `GenerateOTAUploadURL`).
    package static let suffixes = ["bin", "dav", "apk", "tar", "gz", "tar.gz", "zip", "gzip"]

    /// The suffix to tell the cloud, in lower case; nil when the cloud would refuse the file.
    ///
    /// No suffix, or one of digits only as in `pumpctl-1.4.2`, counts as `bin`.
    package static func suffix(of name: String) -> String? {
        let lowered = name.lowercased()
        if lowered.hasSuffix(".tar.gz") { return "tar.gz" }
        guard let dot = lowered.lastIndex(of: "."), dot != lowered.startIndex else { return "bin" }
        let suffix = lowered[lowered.index(after: dot)...]
        if suffix.isEmpty || suffix.utf8.allSatisfy({ (48...57).contains($0) }) { return "bin" }
        return suffixes.contains(String(suffix)) ? String(suffix) : nil
    }
}
