import FerryCore

/// What the intake goes by: limits of the configuration and the products.
struct IntakeRules: Sendable {
    var admission: Admission
    var catalog: ProductCatalog
    /// Product and version by the name of a file, where a rule knows it.
    var findProduct: @Sendable (String) -> (product: Name, version: Name)?
    var orphanMax: ByteCount
    var credit: ByteCount
    /// The size of segments that senders are advised to use, in bytes.
    var segment: @Sendable () -> Int64

    /// The advice where the broker has no limit.
    static let defaultSegment: Int64 = 256 << 10
    /// A transfer counts as active for so long after its last byte.
    static let activeFor = Duration.seconds(10)
    /// Segments that came before `init` are kept for so long.
    static let orphanTTL = Duration.seconds(60)

    /// How many bytes a sender may have under way: its part of the credit, and no more than there is room for.
    ///
    /// - Parameters:
    ///   - active: transfers that receive bytes at the moment, this one included.
    ///   - room: bytes that may still come for it.
    func credit(active: Int, room: Int64) -> Int64 {
        let share = max(segment(), credit.rawValue / Int64(max(1, active)))
        return max(0, min(share, room))
    }
}
