import Crypto
import FerryCore
import Glibc

/// Why a file on this machine cannot be used.
struct SourceFileError: Error, Sendable {
    /// A sentence for a person.
    var text: String
    /// What to do about it, or empty.
    var hint = ""
    /// Whether the file is another than when it was opened.
    var isChange = false
}

/// The file that is pushed, read in pieces.
final class FirmwareSource: Sendable {
    let path: String
    /// The last part of the path.
    let name: String
    let size: Int64
    /// As it was when it was opened.
    let stamp: Stamp
    private let identity: Identity
    private let descriptor: Int32

    /// What is another once somebody has written to a file.
    struct Stamp: Sendable, Equatable {
        fileprivate let size: Int64
        /// A `timespec`, as it is in memory.
        fileprivate let modified: [UInt8]

        fileprivate init(_ status: stat) {
            size = Int64(status.st_size)
            modified = withUnsafeBytes(of: status.st_mtim) { Array($0) }
        }
    }

    /// Which file it is, whatever its name.
    private struct Identity: Equatable {
        let device: UInt
        let inode: UInt

        init(_ status: stat) { (device, inode) = (UInt(status.st_dev), UInt(status.st_ino)) }
    }

    private static let pieceLength = 1 << 20

    /// Opens a regular file.
    init(path: String) throws(SourceFileError) {
        self.path = path
        name = path.split(separator: "/").last.map(String.init) ?? path
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let code = errno
            // What is no UTF-8 on the command line has become this before it comes here.
            guard code == ENOENT, path.contains("\u{FFFD}"), let given = Self.given(path), given != Array(path.utf8)
            else {
                throw SourceFileError(text: "\(path.shownName): \(Self.systemText(code))")
            }
            throw SourceFileError(
                text: "\(String.shownName(of: given)): the name is not UTF-8, which MQTT and the cloud want; give the "
                    + "file another name, or a link that has one"
            )
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw SourceFileError(text: "\(path.shownName) is not a regular file")
        }
        size = Int64(status.st_size)
        stamp = Stamp(status)
        identity = Identity(status)
    }

    deinit { close(descriptor) }

    /// The bytes of one segment.
    func read(_ range: Range<Int64>) throws(SourceFileError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            while count < range.count {
                guard let base = buffer.baseAddress else { return }
                let result = pread(descriptor, base + count, range.count - count, off_t(range.lowerBound) + count)
                if result < 0 && errno == EINTR { continue }
                if result < 0 { failure = errno }
                guard result > 0 else { return }
                count += result
            }
        }
        guard failure == 0 else { throw SourceFileError(text: "\(path.shownName): \(Self.systemText(failure))") }
        guard bytes.count == range.count else {
            throw SourceFileError(text: "\(path.shownName) became shorter while it was read", isChange: true)
        }
        return bytes
    }

    /// As it is now.
    var currentStamp: Stamp {
        var status = stat()
        // What cannot be asked about an open file is told by reading it.
        return fstat(descriptor, &status) == 0 ? Stamp(status) : stamp
    }

    /// Whether its name is now that of another file: the one that was opened is still read.
    var isReplaced: Bool {
        var status = stat()
        return fstatat(AT_FDCWD, path, &status, 0) == 0 && Identity(status) != identity
    }

    /// Whether its content is still that of the digest. All of it is read again; `report` as for `digest`.
    func fits<Failure: Error>(
        _ digest: FerryCore.Digest,
        report: (Int64) throws(Failure) -> Void
    ) throws -> Bool {
        guard currentStamp.size == size else { return false }
        return try self.digest(report: report) == digest
    }

    /// The SHA-256 of the file. `report` gets the bytes read so far and may throw to end it.
    func digest<Failure: Error>(report: (Int64) throws(Failure) -> Void) throws -> FerryCore.Digest {
        var hash = SHA256()
        var position: Int64 = 0
        while position < size {
            let end = min(size, position + Int64(Self.pieceLength))
            hash.update(data: try read(position..<end))
            position = end
            try report(position)
        }
        return FerryCore.Digest(bytes: hash.finalize())
    }

    /// The bytes that the command line has for it.
    private static func given(_ path: String) -> [UInt8]? {
        let arguments = (0..<Int(CommandLine.argc)).compactMap { CommandLine.unsafeArgv[$0] }
        return arguments.first { String(cString: $0) == path }.map { argument in
            UnsafeBufferPointer(start: argument, count: strlen(argument)).map { UInt8(bitPattern: $0) }
        }
    }

    static func systemText(_ code: Int32) -> String { strerror(code).map { String(cString: $0) } ?? "error \(code)" }
}
