/// The forms that names, versions and texts of a package must have.
enum FirmwareRules {
    static let suffixes = ["bin", "dav", "apk", "tar", "gz", "tar.gz", "zip", "gzip"]
    static let filesMaximum = 20

    /// 1–40 letters (Chinese, Japanese, English), digits, `-`, `_`, `(`, `)`; the first is a letter or digit.
    static func isName(_ text: String) -> Bool {
        let scalars = text.unicodeScalars
        guard (1...40).contains(scalars.count), let first = scalars.first, isLetterOrDigit(first) else { return false }
        return scalars.allSatisfy { isLetterOrDigit($0) || "-_()".unicodeScalars.contains($0) }
    }

    /// 1–64 letters, digits, `.`, `-`, `_`.
    static func isVersion(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy { isASCIILetterOrDigit($0) || ".-_".unicodeScalars.contains($0) }
    }

    /// The same rule as for versions.
    static func isModule(_ text: String) -> Bool { isVersion(text) }

    /// What looks like a product key.
    static func isProductKey(_ text: String) -> Bool {
        (8...32).contains(text.utf8.count) && text.unicodeScalars.allSatisfy(isASCIILetterOrDigit)
    }

    /// At most so many characters.
    static func fits(_ text: String, _ maximum: Int) -> Bool { text.unicodeScalars.count <= maximum }

    private static func isASCIILetterOrDigit(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9": true
        default: false
        }
    }

    private static func isLetterOrDigit(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\u{3005}", "\u{3041}"..."\u{3096}", "\u{30A1}"..."\u{30FA}", "\u{30FC}", "\u{3400}"..."\u{4DBF}",
            "\u{4E00}"..."\u{9FFF}":
            true
        default: isASCIILetterOrDigit(scalar)
        }
    }
}
