package import FerryCore
import Glibc

/// The machine's own name, as the default name of the gateway.
package enum HostName {
    /// POSIX's limit is 255; Linux's is 64.
    private static let bufferSize = 256

    /// `gethostname`, with a hyphen for each character that a name cannot have.
    package static func asName() -> Name {
        var buffer = [UInt8](repeating: 0, count: bufferSize)
        let status = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { gethostname($0.assumingMemoryBound(to: CChar.self), bytes.count - 1) } ?? -1
        }
        let text = status == 0 ? String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) : ""
        return name(from: text)
    }

    /// Any text as a name: other characters become hyphens, what is too long is cut, and nothing is `gateway`.
    package static func name(from text: String) -> Name {
        let allowed = text.map { character in Name(String(character)) == nil ? "-" : character }
        guard let name = Name(String(allowed.prefix(64))) ?? Name("gateway") else {
            preconditionFailure("Cannot fail to name a gateway: the text is a name")
        }
        return name
    }
}
