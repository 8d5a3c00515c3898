import Crypto
import FerryCore

/// Checks signatures of firmware against those who may sign.
struct FirmwareSignatures: Sendable {
    let signers: AllowedSigners

    /// The digests that signatures are made over.
    struct FileHashes: Sendable {
        private var sha256 = SHA256()
        private var sha512 = SHA512()

        mutating func update(_ bytes: UnsafeRawBufferPointer) {
            sha256.update(bufferPointer: bytes)
            sha512.update(bufferPointer: bytes)
        }

        func digest(_ hash: SSHSignature.Hash) -> [UInt8] {
            switch hash {
            case .sha256: Array(sha256.finalize())
            case .sha512: Array(sha512.finalize())
            }
        }
    }

    /// What speaks against the whole file; nil where the signature fits its bytes and its key may sign for the sender.
    func problem(with transfer: Transfer, _ hashes: FileHashes, at now: WallTime) -> FirmwareMetadata.Problem? {
        let text = transfer.firmware.signature
        if let problem = signers.problem(with: text, sender: transfer.address.sender, at: now) { return problem }
        guard let signature = text.flatMap({ SSHSignature(armored: $0) }),
            Self.fits(signature, signature.message(fileDigest: hashes.digest(signature.hash)))
        else { return AllowedSigners.wrong }
        return nil
    }

    /// Whether the key made the signature over this message.
    static func fits(_ signature: SSHSignature, _ message: [UInt8]) -> Bool {
        switch (signature.publicKey, signature.value) {
        case (.ed25519(let key), .ed25519(let bytes)):
            (try? Curve25519.Signing.PublicKey(rawRepresentation: key))?.isValidSignature(bytes, for: message) ?? false
        case (.ecdsa(.p256, let point), .ecdsa(let r, let s)):
            fits(try? P256.Signing.PublicKey(x963Representation: point)) { key in
                (try? P256.Signing.ECDSASignature(rawRepresentation: r + s)).map {
                    key.isValidSignature($0, for: message)
                }
            }
        case (.ecdsa(.p384, let point), .ecdsa(let r, let s)):
            fits(try? P384.Signing.PublicKey(x963Representation: point)) { key in
                (try? P384.Signing.ECDSASignature(rawRepresentation: r + s)).map {
                    key.isValidSignature($0, for: message)
                }
            }
        case (.ecdsa(.p521, let point), .ecdsa(let r, let s)):
            fits(try? P521.Signing.PublicKey(x963Representation: point)) { key in
                (try? P521.Signing.ECDSASignature(rawRepresentation: r + s)).map {
                    key.isValidSignature($0, for: message)
                }
            }
        // A value of another kind than its key is none.
        default: false
        }
    }

    private static func fits<Key>(_ key: Key?, _ check: (Key) -> Bool?) -> Bool { key.flatMap(check) ?? false }
}
