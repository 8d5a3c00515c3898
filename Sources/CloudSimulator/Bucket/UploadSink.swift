import Crypto
import Foundation

/// Takes one upload: reads the form, checks it before the file, writes the file beside the objects and moves it among
/// them when it is whole. Runs on a queue of its own, for it writes to disk and computes digests.
actor UploadSink {
    /// What is being read.
    enum Phase: Sendable {
        case form
        case file
    }

    private nonisolated let executor = DispatchExecutor(label: "simulated-upload")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let bucket: Bucket
    private let contentLength: Int64?
    private let contentMD5: String?
    private let isExpired: Bool
    /// It calls back into this actor while it is being fed: nothing called then may look at it.
    private var parser: MultipartParser
    private let closingSize: Int
    private var fields: [(name: String, value: String)] = []
    private var form: PostForm?
    private var partial: PartialObject?
    private var bodyDigest = Insecure.MD5()

    /// `isExpired` refuses the form as if its time were over.
    init(bucket: Bucket, boundary: String, contentLength: Int64?, contentMD5: String?, isExpired: Bool) {
        self.bucket = bucket
        self.contentLength = contentLength
        self.contentMD5 = contentMD5
        self.isExpired = isExpired
        parser = MultipartParser(boundary: boundary)
        closingSize = parser.closingSize
    }

    /// The fields read so far, by the names they were sent under.
    var fieldsSeen: [String: String] { Dictionary(fields.map { ($0.name, $0.value) }) { first, _ in first } }

    /// Takes the next bytes of the body.
    func accept(_ piece: Data) throws -> Phase {
        try piece.withUnsafeBytes { bytes in
            if contentMD5 != nil { bodyDigest.update(bufferPointer: bytes) }
            var failure: (any Error)?
            try parser.feed(bytes) { event throws(BucketRefusal) in
                do { try take(event) } catch let refusal as BucketRefusal { throw refusal } catch { failure = error }
            }
            if let failure { throw failure }
        }
        return parser.isInFile ? .file : .form
    }

    /// Makes the object visible after the last byte of the body.
    func finish() throws -> (object: StoredObject, form: PostForm) {
        guard parser.isFinished, let form, let partial else {
            if parser.isInFile { throw BucketRefusal.malformed("The body ends before its closing boundary.") }
            throw BucketRefusal(400, "IncorrectNumberOfFilesInPOSTRequest", "There is no file.")
        }
        if let contentMD5, Data(bodyDigest.finalize()).base64EncodedString() != contentMD5 {
            throw BucketRefusal(400, "InvalidDigest", "The Content-MD5 you specified is not valid.")
        }
        guard partial.size >= form.policy.sizes.lowerBound else {
            throw BucketRefusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size.")
        }
        if bucket.expiryCheck == .wholeRequest, bucket.clock.now > form.policy.expiration {
            throw BucketRefusal.policyExpired
        }
        let object = try partial.publish(key: form.key, in: bucket)
        self.partial = nil
        return (object, form)
    }

    /// Throws away what came.
    func abandon() {
        partial?.discard()
        partial = nil
    }

    private func take(_ event: MultipartParser.Event) throws {
        switch event {
        case .field(let name, let value):
            fields.append((name, value))
        case .fileBegan(let fileName, let bytesBefore):
            if isExpired { throw BucketRefusal.policyExpired }
            let form = try PostForm(fields: fields, fileName: fileName, bucket: bucket.name, now: bucket.clock.now)
            self.form = form
            try refuseEarlyIfTooLarge(form, bytesBefore)
            partial = try PartialObject(in: bucket)
        case .fileBytes(let bytes):
            guard let form, let partial else { return }
            guard partial.size + Int64(bytes.count) <= form.policy.sizes.upperBound else {
                throw BucketRefusal.tooLarge
            }
            try partial.append(bytes)
        case .fileEnded:
            break
        }
    }

    /// A body whose announced length leaves no doubt is refused before its file has come.
    private func refuseEarlyIfTooLarge(_ form: PostForm, _ bytesBefore: Int) throws(BucketRefusal) {
        guard let contentLength else { return }
        let atLeast = contentLength - Int64(bytesBefore + closingSize)
        if atLeast > form.policy.sizes.upperBound { throw .tooLarge }
    }
}
