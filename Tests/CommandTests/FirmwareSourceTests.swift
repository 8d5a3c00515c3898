import Foundation
import TestSupport
import Testing

@testable import otaferry

@Suite("The file that is pushed, while somebody else has it too")
struct FirmwareSourceTests {
    private let folder: TemporaryFolder
    private let path: String
    private let source: FirmwareSource

    init() throws {
        folder = try TemporaryFolder("source")
        path = try folder.write(Array(repeating: 1, count: 3_000_000), to: "a.bin")
        source = try FirmwareSource(path: path)
    }

    private func write(_ byte: UInt8, at offset: UInt64) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seek(toOffset: offset)
        try file.write(contentsOf: [byte])
        try file.close()
        // Whatever the clock of the file system, this is another time.
        #expect(utimensat(AT_FDCWD, path, [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 5)], 0) == 0)
    }

    @Test("What is written into it shows by its stamp, and by its bytes whether it matters")
    func written() throws {
        let digest = try source.digest { _ in }
        #expect(source.currentStamp == source.stamp)
        try write(1, at: 7)
        #expect(source.currentStamp != source.stamp)
        #expect(try source.fits(digest) { _ in })
        try write(2, at: 2_999_999)
        #expect(try !source.fits(digest) { _ in })
        // The bytes before its end are the same.
        try write(1, at: 2_999_999)
        try write(3, at: 3_000_000)
        #expect(try !source.fits(digest) { _ in })
    }

    @Test("A file that becomes shorter is told as changed where the bytes are gone")
    func shorter() throws {
        #expect(truncate(path, 10) == 0)
        #expect(try source.read(0..<10).count == 10)
        let error = #expect(throws: SourceFileError.self) { try source.read(0..<11) }
        #expect(error?.isChange == true)
    }

    @Test("Another file of its name is no change of it, and one that is gone is not replaced")
    func replaced() throws {
        let digest = try source.digest { _ in }
        #expect(!source.isReplaced)
        #expect(unlink(path) == 0)
        #expect(!source.isReplaced)
        try folder.write([UInt8](repeating: 9, count: 3_000_000), to: "a.bin")
        #expect(source.isReplaced)
        #expect(try source.fits(digest) { _ in })
    }
}
