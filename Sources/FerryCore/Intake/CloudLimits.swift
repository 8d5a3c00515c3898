/// What the cloud accepts, so that nothing is refused there after the bytes were sent
/// (help pages of `GenerateOTAUploadURL` and `CreateOTAFirmware`).
package enum CloudLimits {
    /// The largest file: 1000 · 1024 · 1024 bytes.
    package static let fileBytes: Int64 = 1_048_576_000
    /// FirmwareName.
    package static let nameCharacters = 40
    /// FirmwareDesc.
    package static let descriptionCharacters = 100
    /// Udi.
    package static let customCharacters = 4_096

    /// Characters as the cloud counts them at most: what is one for Swift may be several there.
    static func count(_ text: String) -> Int { text.utf16.count }

    /// What is wrong with a FirmwareName, as a sentence; nil when the cloud takes it.
    package static func problem(withFirmwareName name: String) -> String? {
        guard (1...nameCharacters).contains(name.unicodeScalars.count) else {
            return "firmware.name must have 1 to \(nameCharacters) characters"
        }
        guard let first = name.unicodeScalars.first, isWordCharacter(first) else {
            return "firmware.name must begin with a letter or a digit"
        }
        guard name.unicodeScalars.allSatisfy(isAllowedInName) else {
            return "firmware.name may hold letters, digits, - _ ( ) only, and no dot"
        }
        return nil
    }

    /// Makes a FirmwareName out of any text: `_` for what the cloud refuses, cut to 40 characters.
    package static func firmwareName(from text: String) -> String {
        var scalars = text.unicodeScalars.map { isAllowedInName($0) ? $0 : "_" }
        if let first = scalars.first, !isWordCharacter(first) { scalars.insert("f", at: 0) }
        return String(String.UnicodeScalarView(scalars.prefix(nameCharacters)))
    }

    private static func isAllowedInName(_ scalar: Unicode.Scalar) -> Bool {
        isWordCharacter(scalar) || ["-", "_", "(", ")"].contains(scalar)
    }

    /// English letters and digits, Chinese characters, Japanese kana.
    private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x3041...0x3096, 0x30A1...0x30FA, 0x30FC, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF: true
        default: false
        }
    }
}
