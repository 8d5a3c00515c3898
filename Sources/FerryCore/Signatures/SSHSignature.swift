/// A signature of `ssh-keygen -Y sign`, read but not checked yet (OpenSSH's PROTOCOL.sshsig).
package struct SSHSignature: Sendable, Equatable {
    /// How the file was hashed before it was signed.
    package enum Hash: String, Sendable {
        case sha256
        case sha512
    }

    /// What the signature itself is, by the kind of its key.
    package enum Value: Sendable, Equatable {
        case ed25519([UInt8])
        /// Two numbers, each as long as a coordinate of the curve.
        case ecdsa(r: [UInt8], s: [UInt8])
    }

    package let publicKey: SSHPublicKey
    /// What it is for.
    package let namespace: String
    package let hash: Hash
    package let value: Value
    private let reserved: [UInt8]

    private static let magic = Array("SSHSIG".utf8)
    private static let head = Array("-----BEGIN SSH SIGNATURE-----".utf8)
    private static let foot = Array("-----END SSH SIGNATURE-----".utf8)

    /// Reads the armored form; nil when it is none, or of a kind that is not checked. Its lines may stand in one: a user
    /// property of MQTT holds no line ends.
    package init?(armored text: String) {
        let units = Array(text.utf8)
        guard let head = units.firstRange(of: Self.head), let foot = units.firstRange(of: Self.foot),
            head.upperBound <= foot.lowerBound, units[..<head.lowerBound].allSatisfy(SSHWire.isBlank),
            units[foot.upperBound...].allSatisfy(SSHWire.isBlank),
            let blob = SSHWire.base64(units[head.upperBound..<foot.lowerBound])
        else { return nil }
        self.init(blob: blob)
    }

    private init?(blob: [UInt8]) {
        var wire = SSHWire(blob)
        guard wire.bytes(Self.magic.count) == Self.magic, wire.uint32() == 1,
            let key = wire.string().flatMap({ SSHPublicKey(blob: $0) }), let namespace = wire.text(),
            let reserved = wire.string(), let hash = wire.text().flatMap(Hash.init(rawValue:)),
            let value = wire.string().flatMap({ Self.value($0, of: key) }), wire.isAtEnd
        else { return nil }
        publicKey = key
        self.namespace = namespace
        self.hash = hash
        self.value = value
        self.reserved = reserved
    }

    private static func value(_ blob: [UInt8], of key: SSHPublicKey) -> Value? {
        var wire = SSHWire(blob)
        guard let kind = wire.text(), let bytes = wire.string(), wire.isAtEnd else { return nil }
        switch (key, kind) {
        case (.ed25519, "ssh-ed25519"): return bytes.count == 64 ? .ed25519(bytes) : nil
        case (.ecdsa(let curve, _), _) where kind == key.kind:
            var pair = SSHWire(bytes)
            guard let r = pair.positiveNumber(), let s = pair.positiveNumber(), pair.isAtEnd,
                r.count <= curve.length,
                s.count <= curve.length
            else { return nil }
            func padded(_ number: [UInt8]) -> [UInt8] {
                Array(repeating: 0, count: curve.length - number.count) + number
            }
            return .ecdsa(r: padded(r), s: padded(s))
        default: return nil
        }
    }

    /// The bytes that were signed, for a file with this digest, of the kind that `hash` names.
    package func message(fileDigest: [UInt8]) -> [UInt8] {
        Self.magic + SSHWire.string(namespace.utf8) + SSHWire.string(reserved) + SSHWire.string(hash.rawValue.utf8)
            + SSHWire.string(fileDigest)
    }
}
