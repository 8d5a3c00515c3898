/// The content of an answer, written as JSON or XML.
indirect enum AnswerDocument: Sendable {
    case text(String)
    case number(Int64)
    case truth(Bool)
    case list([AnswerDocument])
    case members([(name: String, value: AnswerDocument)])

    /// The two forms in which the gateway answers.
    enum Format: Sendable, Equatable {
        case json
        case xml

        var contentType: String {
            switch self {
            case .json: "application/json;charset=utf-8"
            case .xml: "text/xml;charset=utf-8"
            }
        }
    }

    /// The whole document; `root` names the element around it in XML.
    func encoded(as format: Format, root: String) -> String {
        switch format {
        case .json: json
        case .xml: #"<?xml version="1.0" encoding="UTF-8"?>"# + "\n" + xml(root)
        }
    }

    private var json: String {
        switch self {
        case .text(let text): Self.quoted(text)
        case .number(let number): String(number)
        case .truth(let truth): truth ? "true" : "false"
        case .list(let items): "[" + items.map(\.json).joined(separator: ",") + "]"
        case .members(let members):
            "{" + members.map { Self.quoted($0.name) + ":" + $0.value.json }.joined(separator: ",") + "}"
        }
    }

    /// A list becomes one element for each item, as the service writes it.
    private func xml(_ name: String) -> String {
        switch self {
        case .text(let text): "<\(name)>\(Self.escaped(text))</\(name)>"
        case .number(let number): "<\(name)>\(number)</\(name)>"
        case .truth(let truth): "<\(name)>\(truth)</\(name)>"
        case .list(let items): items.map { $0.xml(name) }.joined()
        case .members(let members): "<\(name)>" + members.map { $0.value.xml($0.name) }.joined() + "</\(name)>"
        }
    }

    private static func quoted(_ text: String) -> String {
        var output = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            case "\0"..."\u{1F}": output += "\\u00" + Hex.encode([UInt8(scalar.value)])
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output + "\""
    }

    /// Escapes what XML reserves; control characters that XML cannot hold become `?`.
    static func escaped(_ text: String) -> String {
        var output = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": output += "&amp;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "\"": output += "&quot;"
            case "\r": output += "&#xD;"
            case "\n", "\t": output.unicodeScalars.append(scalar)
            case "\0"..."\u{1F}": output += "?"
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output
    }
}
