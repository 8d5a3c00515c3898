import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Agent

@Suite("Signatures of firmware")
struct FirmwareSignaturesTests {
    private let folder: TemporaryFolder
    private let bytes = TemporaryFolder.bytes(100_000, seed: 5)

    init() throws { folder = try TemporaryFolder("signatures") }

    /// A signature that ssh-keygen makes with a new key over the bytes.
    private func sign(_ kind: [String], _ hash: String) async throws -> SSHSignature {
        let key = folder.file("key-\(kind.joined())-\(hash)")
        try await keygen(["-q", "-N", "", "-f", key, "-t"] + kind)
        let file = try folder.write(bytes, to: "firmware.bin")
        let signature = try await keygen(
            ["-q", "-Y", "sign", "-n", "otaferry", "-O", "hashalg=\(hash)", "-f", key],
            input: file
        )
        return try #require(SSHSignature(armored: signature))
    }

    @discardableResult
    private func keygen(_ words: [String], input: String? = nil) async throws -> String {
        let program = try await ProgramRunner.run("ssh-keygen", words, input: input)
        #expect(program.ending == .exited(0), "\(program.text(.errors))")
        return program.text()
    }

    private func message(_ signature: SSHSignature, _ bytes: [UInt8]) -> [UInt8] {
        var hashes = FirmwareSignatures.FileHashes()
        for start in stride(from: 0, to: bytes.count, by: 7_000) {
            bytes[start..<min(bytes.count, start + 7_000)].withUnsafeBytes { hashes.update($0) }
        }
        return signature.message(fileDigest: hashes.digest(signature.hash))
    }

    @Test(
        "What ssh-keygen signs fits those bytes and no others, with keys of every kind",
        arguments: [
            ["ed25519"], ["ecdsa", "-b", "256"], ["ecdsa", "-b", "384"], ["ecdsa", "-b", "521"],
        ],
        ["sha256", "sha512"]
    )
    func fits(kind: [String], hash: String) async throws {
        let signature = try await sign(kind, hash)
        #expect(signature.hash.rawValue == hash && signature.namespace == "otaferry")
        #expect(FirmwareSignatures.fits(signature, message(signature, bytes)))
        var changed = bytes
        changed[50_000] ^= 1
        #expect(!FirmwareSignatures.fits(signature, message(signature, changed)))
        #expect(!FirmwareSignatures.fits(signature, message(signature, Array(bytes.dropLast()))))
    }

    @Test("A key of a kind that is not checked makes no signature here")
    func unknownKind() async throws {
        let key = folder.file("rsa")
        try await keygen(["-q", "-N", "", "-f", key, "-t", "rsa", "-b", "2048"])
        let file = try folder.write(bytes, to: "firmware.bin")
        let text = try await keygen(["-q", "-Y", "sign", "-n", "otaferry", "-f", key], input: file)
        #expect(SSHSignature(armored: text) == nil)
    }
}
