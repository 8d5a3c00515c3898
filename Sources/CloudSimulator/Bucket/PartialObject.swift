import Crypto
import Foundation

/// An object while it is being uploaded: a file that nobody sees yet, and the digests of what it holds.
final class PartialObject {
    private let url: URL
    private let file: FileHandle
    private var sha256 = SHA256()
    private var md5 = Insecure.MD5()
    private var checksum = ECMAChecksum()
    private(set) var size: Int64 = 0

    init(in bucket: Bucket) throws {
        url = bucket.incoming.appendingPathComponent(UUID().uuidString)
        guard FileManager.default.createFile(atPath: url.path, contents: nil) else {
            throw SimulatorError(.folder, "Could not create \(url.path)")
        }
        file = try FileHandle(forWritingTo: url)
    }

    /// Adds bytes at the end.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while let base = rest.baseAddress, !rest.isEmpty {
            let written = write(file.fileDescriptor, base, rest.count)
            guard written > 0 else {
                if errno == EINTR { continue }
                throw SimulatorError(.folder, "Could not write \(url.path): errno \(errno)")
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
        sha256.update(bufferPointer: bytes)
        md5.update(bufferPointer: bytes)
        checksum.add(bytes)
        size += Int64(bytes.count)
    }

    /// Moves the file to its place among the objects.
    func publish(key: String, in bucket: Bucket) throws -> StoredObject {
        try file.close()
        let target = bucket.objects.appendingPathComponent(key)
        try FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        guard rename(url.path, target.path) == 0 else {
            throw SimulatorError(.folder, "Could not rename \(url.path) to \(target.path): errno \(errno)")
        }
        return StoredObject(
            key: key,
            size: size,
            sha256: Hex.encode(sha256.finalize()),
            md5: Hex.encode(md5.finalize()),
            checksum: checksum.value,
            path: target.path,
            uploaded: bucket.clock.now
        )
    }

    /// Removes the file.
    func discard() {
        try? file.close()  // closed or not, the file goes
        try? FileManager.default.removeItem(at: url)  // cleared at the next start at the latest
    }
}
