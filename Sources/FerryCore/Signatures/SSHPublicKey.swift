/// A public key of OpenSSH, of a kind whose signatures are checked.
package enum SSHPublicKey: Sendable, Hashable {
    case ed25519([UInt8])
    /// The point as X9.62 writes it, uncompressed.
    case ecdsa(Curve, point: [UInt8])

    package enum Curve: String, Sendable, CaseIterable {
        case p256 = "nistp256"
        case p384 = "nistp384"
        case p521 = "nistp521"

        /// Bytes of a coordinate.
        package var length: Int {
            switch self {
            case .p256: 32
            case .p384: 48
            case .p521: 66
            }
        }
    }

    /// The names of the kinds, as they stand in files.
    package static let kinds = ["ssh-ed25519"] + Curve.allCases.map { "ecdsa-sha2-" + $0.rawValue }

    /// Reads a key as it stands, in base64, in files and signatures; nil when it is none that is checked.
    package init?(blob: [UInt8]) {
        var wire = SSHWire(blob)
        guard let kind = wire.text() else { return nil }
        switch kind {
        case "ssh-ed25519":
            guard let key = wire.string(), key.count == 32 else { return nil }
            self = .ed25519(key)
        default:
            guard let name = wire.text(), let curve = Curve(rawValue: name), kind == "ecdsa-sha2-" + name,
                let point = wire.string(), point.count == 2 * curve.length + 1, point.first == 4
            else { return nil }
            self = .ecdsa(curve, point: point)
        }
        guard wire.isAtEnd else { return nil }
    }

    /// `ssh-ed25519` and so on.
    package var kind: String {
        switch self {
        case .ed25519: "ssh-ed25519"
        case .ecdsa(let curve, _): "ecdsa-sha2-" + curve.rawValue
        }
    }
}
