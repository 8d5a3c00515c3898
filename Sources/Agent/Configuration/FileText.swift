import Glibc

/// Small text files, read whole, with the system's own reason where that fails.
enum FileText {
    /// Why a file could not be read: a clause such as `No such file or directory`.
    struct Failure: Error, Sendable {
        let code: Int32
        let text: String

        var isAbsent: Bool { code == ENOENT || code == ENOTDIR }

        init(code: Int32) {
            self.code = code
            text = strerror(code).map { String(cString: $0) } ?? "error \(code)"
        }

        init(code: Int32, text: String) {
            self.code = code
            self.text = text
        }
    }

    /// No configuration is larger; something else was named by mistake.
    private static let sizeLimit = 1 << 20

    /// The whole file as UTF-8 text.
    static func read(_ path: String) throws(Failure) -> String {
        let descriptor = try openForReading(path)
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Failure(code: errno) }
            if count == 0 { break }
            bytes += buffer[..<count]
            guard bytes.count <= sizeLimit else { throw Failure(code: EFBIG, text: "larger than 1 MiB") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(code: EILSEQ, text: "not UTF-8 text")
        }
        guard !bytes.contains(0) else { throw Failure(code: EILSEQ, text: "not text: it contains a zero byte") }
        return text
    }

    /// Fails as reading would, without reading.
    static func checkReadable(_ path: String) throws(Failure) { close(try openForReading(path)) }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The names in a directory that end in `suffix`, in byte order; none where there is no such directory.
    static func names(in directory: String, suffix: String) throws(Failure) -> [String] {
        guard let stream = opendir(directory) else {
            let failure = Failure(code: errno)
            // A file in its place is a mistake.
            if failure.isAbsent && !exists(directory) { return [] }
            throw failure
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
                    String(cString: $0)
                }
            }
            if name.hasSuffix(suffix) && !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func openForReading(_ path: String) throws(Failure) -> Int32 {
        // Non-blocking, so that a named pipe does not hold the program up.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failure(code: errno) }
        var status = stat()
        let isKnown = fstat(descriptor, &status) == 0
        guard isKnown, status.st_mode & S_IFMT == S_IFREG else {
            let failure = isKnown ? Failure(code: EISDIR, text: "not a regular file") : Failure(code: errno)
            close(descriptor)
            throw failure
        }
        return descriptor
    }
}
