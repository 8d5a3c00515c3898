import FerryCore

/// The multipart form around a file: what goes before it and after it.
struct UploadForm: Sendable {
    let boundary: String
    let head: [UInt8]
    let tail: [UInt8]

    /// - Parameter fields: sent in this order; the file comes last.
    init(
        fields: [(name: String, value: String)],
        fileField: String = "file",
        fileName: String,
        contentType: String = "application/octet-stream",
        boundary: String = UploadForm.freshBoundary()
    ) {
        self.boundary = boundary
        var text = ""
        for (name, value) in fields {
            text += "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(Self.quoted(name))\"\r\n\r\n\(value)\r\n"
        }
        text += "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(Self.quoted(fileField))\"; "
        text += "filename=\"\(Self.quoted(fileName))\"\r\nContent-Type: \(contentType)\r\n\r\n"
        head = Array(text.utf8)
        tail = Array("\r\n--\(boundary)--\r\n".utf8)
    }

    var contentType: String { "multipart/form-data; boundary=\(boundary)" }

    func contentLength(fileSize: Int64) -> Int64 { Int64(head.count) + fileSize + Int64(tail.count) }

    /// 128 random bits: no file holds them by chance.
    static func freshBoundary() -> String { "otaferry-\(SigningIngredients.freshNonce())" }

    /// As browsers write names that would end the quotes or the line.
    private static func quoted(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "%22"
            case "\r": result += "%0D"
            case "\n": result += "%0A"
            case "\0": result += "%00"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
