import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

@Suite("MultipartParser")
struct MultipartParserTests {
    private struct VectorFile: Decodable {
        struct Vector: Decodable {
            struct File: Decodable {
                let filename: String
                let contentHex: String
            }
            let id: String
            let contentTypeHeader: String
            let fieldsInOrder: [[String]]
            let fileField: File
            let bodyBase64: String
        }
        let vectors: [Vector]
    }

    private struct Result: Equatable {
        var fields: [[String]] = []
        var fileName: String?
        var file: [UInt8] = []
        var isWhole = false
    }

    private func parse(_ body: Data, boundary: String, cuts: [Int]) throws -> Result {
        var parser = MultipartParser(boundary: boundary)
        var result = Result()
        var start = 0
        for end in cuts.sorted() + [body.count] {
            try body.subdata(in: start..<end).withUnsafeBytes { bytes in
                try parser.feed(bytes) { event throws(BucketRefusal) in
                    switch event {
                    case .field(let name, let value): result.fields.append([name, value])
                    case .fileBegan(let name, _): result.fileName = name
                    case .fileBytes(let bytes): result.file += bytes
                    case .fileEnded: result.isWhole = true
                    }
                }
            }
            start = end
        }
        #expect(parser.isFinished)
        return result
    }

    @Test("A body of the official form writer is taken apart the same in whatever pieces it comes")
    func vectors() throws {
        let file = try Vectors.decode(VectorFile.self, "multipart_post.json")
        #expect(file.vectors.count == 5)
        for vector in file.vectors {
            let body = try #require(Data(base64Encoded: vector.bodyBase64))
            let boundary = try #require(MultipartParser.boundary(contentType: vector.contentTypeHeader))
            let whole = try parse(body, boundary: boundary, cuts: [])
            #expect(whole.fields == vector.fieldsInOrder, "\(vector.id)")
            #expect(whole.fileName == vector.fileField.filename, "\(vector.id)")
            #expect(Hex.encode(whole.file) == vector.fileField.contentHex, "\(vector.id)")
            #expect(whole.isWhole)
            #expect(try parse(body, boundary: boundary, cuts: Array(1..<body.count)) == whole, "\(vector.id)")
            for _ in 0..<200 {
                let cuts = (0..<Int.random(in: 1...6)).map { _ in Int.random(in: 0...body.count) }
                #expect(try parse(body, boundary: boundary, cuts: cuts) == whole, "\(vector.id) cut at \(cuts)")
            }
        }
    }

    @Test("Beginnings of the boundary inside the file belong to the file")
    func nearBoundaries() throws {
        let content = Array("\r\n--B\r\r\n\r\n--A\r\n-\r\n--\r\n\r\n--BOUNDAR\r\n".utf8)
        let body =
            Data("--BOUNDARY\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n".utf8)
            + Data(content) + Data("\r\n--BOUNDARY--\r\n".utf8)
        for cut in 0...body.count {
            #expect(try parse(body, boundary: "BOUNDARY", cuts: [cut]).file == content)
        }
    }

    @Test("A field after the file, a second file and a part without a name are refused")
    func refusals() throws {
        func body(_ parts: [String]) -> Data {
            Data((parts.map { "--B\r\nContent-Disposition: form-data\($0)\r\n\r\nx\r\n" }.joined() + "--B--\r\n").utf8)
        }
        func code(_ parts: [String]) -> String? {
            do {
                _ = try parse(body(parts), boundary: "B", cuts: [])
                return nil
            } catch { return (error as? BucketRefusal)?.code }
        }
        #expect(code([#"; name="key""#, #"; name="file"; filename="a""#]) == nil)
        #expect(code([#"; name="file""#, #"; name="key""#]) == "MalformedPOSTRequest")
        #expect(code([#"; name="file""#, #"; name="file""#]) == "IncorrectNumberOfFilesInPOSTRequest")
        #expect(code([""]) == "MalformedPOSTRequest")
    }

    @Test("A field or a form that is too long is refused before it is whole")
    func limits() throws {
        let start = Data("--B\r\nContent-Disposition: form-data; name=\"policy\"\r\n\r\n".utf8)
        var parser = MultipartParser(boundary: "B")
        let refusal = #expect(throws: BucketRefusal.self) {
            try start.withUnsafeBytes { try parser.feed($0) { _ in } }
            let piece = Data(repeating: 0x61, count: 1 << 16)
            for _ in 0..<200 { try piece.withUnsafeBytes { try parser.feed($0) { _ in } } }
        }
        #expect(refusal?.code == "FieldItemTooLong")
    }
}
