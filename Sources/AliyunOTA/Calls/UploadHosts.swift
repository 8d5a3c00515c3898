/// Where a ticket may send the bytes.
struct UploadHosts: Sendable {
    let endpoint: CloudAddress
    let globs: [String]

    /// Whether the address is one of them. Plain http is for this machine only, whatever the globs say.
    func allow(_ address: CloudAddress) -> Bool {
        guard address.isSecureEnough else { return false }
        return address.host == endpoint.host
            || globs.contains { Self.matches(Array($0.lowercased().utf8)[...], Array(address.host.utf8)[...]) }
    }

    /// `*` stands for any bytes, dots too.
    private static func matches(_ glob: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
        guard let star = glob.firstIndex(of: UInt8(ascii: "*")) else { return glob.elementsEqual(text) }
        let head = glob[..<star]
        guard text.starts(with: head) else { return false }
        var rest = text.dropFirst(head.count)
        while true {
            if matches(glob[(star + 1)...], rest) { return true }
            if rest.isEmpty { return false }
            rest = rest.dropFirst()
        }
    }
}
