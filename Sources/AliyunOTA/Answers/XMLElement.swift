import CExpat
import FerryCore

/// An element of a small XML document: what OSS says when it refuses.
struct XMLElement: Sendable, Equatable {
    let name: String
    fileprivate(set) var text = ""
    fileprivate(set) var children: [XMLElement] = []

    fileprivate init(name: String) { self.name = name }

    /// The first child of a name.
    subscript(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// The same as JSON would say it: members for children, a list where a name is repeated, else the text.
    var json: JSONValue {
        guard !children.isEmpty else { return .string(text) }
        var members: [String: JSONValue] = [:]
        for child in children {
            switch members[child.name] {
            case nil: members[child.name] = child.json
            case .array(let list): members[child.name] = .array(list + [child.json])
            case .some(let first): members[child.name] = .array([first, child.json])
            }
        }
        return .object(members)
    }

    /// Reads a whole document of UTF-8; nil when it is not well-formed, has a DOCTYPE, or is too deep or too large.
    init?(parsing bytes: [UInt8]) {
        guard !bytes.isEmpty, bytes.count <= XMLReader.sizeLimit, let root = XMLReader().read(bytes) else { return nil }
        self = root
    }
}

/// Builds the tree while expat reads. Lives for one document.
private final class XMLReader {
    static let sizeLimit = 1 << 20
    static let depthLimit = 16
    static let elementLimit = 20_000

    private var open: [XMLElement] = []
    private var root: XMLElement?
    private var elementCount = 0
    private var isRefused = false
    private var parser: XML_Parser?

    func read(_ bytes: [UInt8]) -> XMLElement? {
        guard let parser = XML_ParserCreate("UTF-8") else { return nil }
        self.parser = parser
        defer {
            XML_ParserFree(parser)
            self.parser = nil
        }
        XML_SetUserData(parser, Unmanaged.passUnretained(self).toOpaque())
        XML_SetElementHandler(
            parser,
            { context, name, _ in XMLReader.from(context)?.begin(name) },
            { context, _ in XMLReader.from(context)?.end() }
        )
        XML_SetCharacterDataHandler(parser) { context, text, count in XMLReader.from(context)?.add(text, count) }
        // No document of the cloud has a DOCTYPE; without one there are no entities to expand.
        XML_SetStartDoctypeDeclHandler(parser) { context, _, _, _, _ in XMLReader.from(context)?.refuse() }
        let status = bytes.withUnsafeBytes { buffer in
            XML_Parse(parser, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(buffer.count), 1)
        }
        return status == XML_STATUS_OK && !isRefused ? root : nil
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> XMLReader? {
        context.map { Unmanaged<XMLReader>.fromOpaque($0).takeUnretainedValue() }
    }

    private func begin(_ name: UnsafePointer<CChar>?) {
        elementCount += 1
        guard let name, open.count < Self.depthLimit, elementCount <= Self.elementLimit else { return refuse() }
        open.append(XMLElement(name: String(cString: name)))
    }

    private func end() {
        guard let element = open.popLast() else { return }
        if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
    }

    private func add(_ text: UnsafePointer<CChar>?, _ count: Int32) {
        guard let text, !open.isEmpty else { return }
        let bytes = UnsafeRawBufferPointer(start: text, count: Int(count))
        open[open.count - 1].text += String(decoding: bytes, as: UTF8.self)
    }

    private func refuse() {
        isRefused = true
        XML_StopParser(parser, XML_Bool(0))
    }
}
