import FerryCore

/// What the intake goes by: limits of the configuration and the products.
struct IntakeRules: Sendable {
    var admission: Admission
    var catalog: ProductCatalog
    /// Who may sign; nil: firmware need not be signed.
    var signers: AllowedSigners?
    /// Product and version by the name of a file, where a rule knows it.
    var findProduct: @Sendable (String) -> (product: Name, version: Name)?
    var orphanMax: ByteCount
    var credit: ByteCount
    /// The size of segments that senders are advised to use, in bytes.
    var segment: @Sendable () -> Int64
    /// Whether the publication of everything rests.
    var isPaused: @Sendable () -> Bool = { false }

    /// What speaks against the signature before the bytes are here; nil when nothing does.
    func signatureRefusal(of request: TransferRequest, _ sender: Name, _ now: WallTime) -> Admission.Refusal? {
        signers?.problem(with: request.firmware.signature, sender: sender, at: now)
    }

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
