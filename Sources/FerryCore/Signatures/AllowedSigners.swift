/// Who may sign firmware: a file in OpenSSH's format `allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS).
package struct AllowedSigners: Sendable, Equatable {
    /// One line.
    struct Signer: Sendable, Equatable {
        /// Patterns for the names of senders.
        var principals: [Substring]
        /// Patterns for what its signatures are for; nil for anything.
        var namespaces: [Substring]?
        var validAfter: WallTime?
        var validBefore: WallTime?
        var key: SSHPublicKey
    }

    /// A line that cannot be honored.
    package struct Mistake: Error, Sendable, Equatable {
        package var line: Int
        /// What would be right.
        package var text: String

        package init(line: Int, text: String) {
            self.line = line
            self.text = text
        }
    }

    /// All lines that cannot be honored.
    package struct Mistakes: Error, Sendable, Equatable {
        package var all: [Mistake]

        package init(_ all: [Mistake]) { self.all = all }
    }

    /// What signatures of firmware are for.
    package static let namespace = "otaferry"

    let signers: [Signer]

    /// Reads the file.
    ///
    /// - Parameter localOffset: how far local time is ahead of UTC around a moment, in seconds: times without a `Z` are
    ///   local.
    package init(text: String, localOffset: (WallTime) -> Int64) throws(Mistakes) {
        var mistakes: [Mistake] = []
        var signers: [Signer] = []
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            do throws(Mistake) {
                let words = try Self.words(line, index + 1)
                guard let first = words.first, !first.hasPrefix("#") else { continue }
                signers.append(try Self.signer(words, index + 1, localOffset))
            } catch {
                mistakes.append(error)
            }
        }
        if mistakes.isEmpty && signers.isEmpty {
            mistakes.append(Mistake(line: 1, text: "at least one line with a signer"))
        }
        guard mistakes.isEmpty else { throw Mistakes(mistakes) }
        self.signers = signers
    }

    // MARK: - The decision

    /// What speaks against a firmware of that sender before its bytes are here, as a refusal; nil when nothing does.
    package func problem(
        with signature: String?,
        sender: Name,
        at now: WallTime
    ) -> FirmwareMetadata.Problem? {
        guard let signature else {
            return Self.refusal("The firmware is not signed, and this gateway takes signed firmware")
        }
        guard let signature = SSHSignature(armored: signature) else {
            return Self.refusal(
                "The signature cannot be checked: it is not one that ssh-keygen -Y sign makes with a key of the kind ed25519 "
                    + "or ecdsa"
            )
        }
        guard signature.namespace == Self.namespace else {
            return Self.refusal(
                "The signature is for \(signature.namespace.escaped), not for \(Self.namespace): sign with -n \(Self.namespace)"
            )
        }
        let known = signers.filter { $0.key == signature.publicKey }
        guard !known.isEmpty else {
            return Self.refusal("The \(signature.publicKey.kind) key that signed it is not among the allowed signers")
        }
        let ofSender = known.filter { Self.matches(sender.text, $0.principals) }
        guard !ofSender.isEmpty else {
            return Self.refusal("The key that signed it may not sign for the sender \(sender)")
        }
        let named = ofSender.filter { $0.namespaces.map { Self.matches(Self.namespace, $0) } ?? true }
        guard !named.isEmpty else {
            return Self.refusal(
                "The key that signed it is allowed for other namespaces than \(Self.namespace) only"
            )
        }
        let isValid = named.contains { signer in
            signer.validAfter.map { now >= $0 } ?? true && signer.validBefore.map { now <= $0 } ?? true
        }
        return isValid ? nil : Self.refusal("The key that signed it is not valid at this time, \(now.iso8601)")
    }

    /// The refusal of bytes that the signature does not fit.
    package static let wrong = refusal("The signature does not fit the bytes of the file")

    private static func refusal(_ text: String) -> FirmwareMetadata.Problem { .init(text, code: .badSignature) }

    /// OpenSSH's lists of patterns: one that matches lets in, unless one with an exclamation mark matches too.
    static func matches(_ text: String, _ patterns: [Substring]) -> Bool {
        var isFound = false
        for pattern in patterns {
            let isNegated = pattern.hasPrefix("!")
            guard matches(Array(text.utf8)[...], Array(pattern.dropFirst(isNegated ? 1 : 0).utf8)[...]) else {
                continue
            }
            if isNegated { return false }
            isFound = true
        }
        return isFound
    }

    /// `*` stands for anything, `?` for one character. Linear in memory, and in time but for the stars of one line.
    private static func matches(_ text: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
        var (text, pattern) = (text, pattern)
        var retry: (text: ArraySlice<UInt8>, pattern: ArraySlice<UInt8>)?
        while true {
            if pattern.first == UInt8(ascii: "*") {
                pattern = pattern.dropFirst()
                retry = (text, pattern)
            } else if let first = text.first, let wanted = pattern.first, wanted == UInt8(ascii: "?") || wanted == first
            {
                text = text.dropFirst()
                pattern = pattern.dropFirst()
            } else if text.isEmpty && pattern.isEmpty {
                return true
            } else {
                guard let last = retry, !last.text.isEmpty else { return false }
                retry = (last.text.dropFirst(), last.pattern)
                (text, pattern) = (last.text.dropFirst(), last.pattern)
            }
        }
    }
}
