/// Where a body's bytes come from, in order. Its two ways are never used at once.
package struct BodySource: Sendable {
    /// What the thread that sends has got by itself.
    package enum Immediate: Sendable, Equatable {
        /// So many bytes, one at least.
        case bytes(Int)
        /// `next` has to give so many chunks before this way is tried again.
        case later(chunks: Int)
    }

    /// `immediate` is asked for so many bytes at most: few enough that they are in the processor's cache when they are sent.
    package static let immediateBytes = 128 << 10

    /// The next chunk, nil at the end. It may wait; without `immediate` it is called up to three chunks ahead.
    package let next: @Sendable () async throws -> [UInt8]?
    /// Puts the next bytes into libcurl's own buffer. Called on the thread that sends: it must not block. Every hand-over
    /// between threads that it saves costs more than copying the bytes.
    package let immediate: (@Sendable (UnsafeMutableRawBufferPointer) -> Immediate)?

    /// A source; without `immediate` all of it comes from `next`.
    package init(
        next: @escaping @Sendable () async throws -> [UInt8]?,
        immediate: (@Sendable (UnsafeMutableRawBufferPointer) -> Immediate)? = nil
    ) {
        self.next = next
        self.immediate = immediate
    }
}
