/// Files that are read whole: a password, a signature.
enum SmallFile {
    /// The bytes of a file of at most `limit` bytes.
    static func read(_ path: String, limit: Int64) throws(SourceFileError) -> [UInt8] {
        let file = try FirmwareSource(path: path)
        guard file.size <= limit else { throw SourceFileError(text: "\(path) is larger than \(limit) bytes") }
        return try file.read(0..<file.size)
    }
}
