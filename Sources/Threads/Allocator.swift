import CLinux

/// The C allocator of the process.
package enum Allocator {
    /// What free memory is kept at the end of an arena.
    private static let keptBytes: Int32 = 4 << 20

    /// Suits it to a program that passes segments of some hundred KiB from thread to thread all day. Once, at the start.
    package static func tune() { otaferry_tune_allocator(keptBytes) }
}
