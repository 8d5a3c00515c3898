import CCurl
import FerryCore

/// One request in libcurl: owns an easy handle and everything the handle points to. Lives on the client's thread.
final class Transfer {
    let job: TransferJob
    let handle: UnsafeMutableRawPointer
    private var stallWatch: StallWatch?
    private var unsentBound: UnsentBound?
    private var pace: SendingPace
    /// Whether it waits for its turn.
    private var isPaced = false
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    // Written by the callbacks.
    var answer = AnswerReader()
    var bodyFailure: (any Error)?
    var isStarved = false
    var bytesTaken: Int64 = 0
    /// How much of the body libcurl was given.
    private var bytesGiven: Int64 = 0

    /// Makes the handle ready to be added to the multi handle.
    ///
    /// - Parameter rateLimit: the most bytes a second of a body out of a stream.
    init(
        _ job: TransferJob,
        options: [TransferOption],
        certificateTime: CertificateTime,
        rateLimit: ByteCount?
    ) throws(HTTPFailure) {
        guard let handle = curl_easy_init() else { throw HTTPFailure(.unusable, "libcurl has no memory") }
        self.job = job
        self.handle = handle
        pace = SendingPace(rate: rateLimit, now: .now)
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        if let limit = job.request.stallTimeout { stallWatch = StallWatch(limit: limit, now: .now) }
        if job.pipe != nil { unsentBound = UnsentBound(least: Int(otaferry_least_unsent), now: .now) }
        for option in options { try option.apply(to: handle) }
        switch certificateTime {
        case .system: break
        case .at(let time): try check(otaferry_curl_verify_as_of(handle, Int(time.milliseconds / 1_000)))
        case .any:
            try check(otaferry_curl_verify_as_of(handle, -1))
            // The next request knows the time, and is to look at the certificate again.
            try check(otaferry_curl_set_long(handle, CURLOPT_FORBID_REUSE, 1))
            try check(otaferry_curl_set_long(handle, CURLOPT_SSL_SESSIONID_CACHE, 0))
        }
        try connectCallbacks()
        try describeRequest()
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headerList)
        errorText.deallocate()
    }

    private func connectCallbacks() throws(HTTPFailure) {
        let context = UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque())
        try check(otaferry_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, errorText))
        for option in [CURLOPT_READDATA, CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_XFERINFODATA, CURLOPT_PRIVATE] {
            try check(otaferry_curl_set_pointer(handle, option, context))
        }
        try check(otaferry_curl_set_transfer(handle, CURLOPT_READFUNCTION, Transfer.read))
        try check(otaferry_curl_set_transfer(handle, CURLOPT_WRITEFUNCTION, Transfer.write))
        try check(otaferry_curl_set_transfer(handle, CURLOPT_HEADERFUNCTION, Transfer.header))
        try check(otaferry_curl_set_progress(handle, Transfer.progress))
        try check(otaferry_curl_bound_unsent(handle))
    }

    private func describeRequest() throws(HTTPFailure) {
        let request = job.request
        try check(otaferry_curl_set_string(handle, CURLOPT_URL, request.url))
        // An empty value takes the header away: nobody answers `Expect`, and a body's type is only what we say.
        var lines = ["Expect:"]
        if !request.headers.contains(where: { $0.name.lowercased() == "content-type" }) {
            lines.append("Content-Type:")
        }
        lines += request.headers.map { "\($0.name): \($0.value)" }
        for line in lines {
            guard !line.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
                throw HTTPFailure(.unusable, "a header holds a control character")
            }
            guard let longer = curl_slist_append(headerList, line) else {
                throw HTTPFailure(.unusable, "libcurl has no memory")
            }
            headerList = longer
        }
        try check(otaferry_curl_set_pointer(handle, CURLOPT_HTTPHEADER, headerList))
        try describeBody(request)
    }

    private func describeBody(_ request: HTTPRequest) throws(HTTPFailure) {
        guard request.method != .get else { return }
        try check(otaferry_curl_set_long(handle, CURLOPT_POST, 1))
        if request.method != .post {
            try check(otaferry_curl_set_string(handle, CURLOPT_CUSTOMREQUEST, request.method.rawValue))
        }
        switch request.body {
        case .none:
            try check(otaferry_curl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, 0))
            try check(otaferry_curl_set_string(handle, CURLOPT_COPYPOSTFIELDS, ""))
        case .bytes(let bytes):
            try check(otaferry_curl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count)))
            // COPY: libcurl keeps its own.
            try check(
                bytes.withUnsafeBytes { otaferry_curl_set_pointer(handle, CURLOPT_COPYPOSTFIELDS, $0.baseAddress) }
            )
        case .stream(let length, _):
            try check(otaferry_curl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(length)))
        }
    }

    private func check(_ result: CURLcode) throws(HTTPFailure) {
        guard result == CURLE_OK else { throw HTTPFailure(.unusable, describe(result)) }
    }

    /// Sends on when the body has bytes again.
    func resume() {
        guard isStarved else { return }
        isStarved = false
        unpause()
    }

    /// Sends on when it is its turn.
    func takeTurn(now: SuspendingClock.Instant) {
        guard isPaced, now >= pace.next else { return }
        isPaced = false
        unpause()
    }

    /// Sends no more than this from now on.
    func limitRate(_ limit: ByteCount?) {
        pace.rate = limit
        guard isPaced else { return }
        isPaced = false
        unpause()
    }

    private func unpause() {
        // A failure shows as the transfer's result.
        curl_easy_pause(handle, CURLPAUSE_CONT)
    }

    /// When it is its turn again.
    var turn: SuspendingClock.Instant? { isPaced ? pace.next : nil }

    /// How often `isStalled` wants to be asked.
    var stallCheckInterval: Duration? { stallWatch.map { min(.seconds(1), $0.limit / 4) } }

    /// Whether the link has not moved for too long.
    func isStalled(now: SuspendingClock.Instant) -> Bool {
        stallWatch?.isStalled(now: now, taken: bytesTaken, isStarved: isStarved || isPaced) ?? false
    }

    /// libcurl's own words for what happened last, without the URL.
    func describe(_ result: CURLcode) -> String {
        var text = String(cString: errorText)
        if text.isEmpty { text = String(cString: curl_easy_strerror(result)) }
        return "\(Untrusted.text(text)) (libcurl \(result.rawValue))"
    }

    /// Gives libcurl bytes of the body.
    fileprivate func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let pipe = job.pipe, bytesGiven < pipe.length else { return 0 }
        let allowed = pace.allowance(now: .now)
        guard allowed > 0 else {
            isPaced = true
            return otaferry_curl_readfunc_pause
        }
        switch pipe.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(allowed))) {
        case .bytes(let count):
            bytesGiven += Int64(count)
            pace.spend(count)
            return count
        case .starved:
            isStarved = true
            return otaferry_curl_readfunc_pause
        case .failed(let error):
            bodyFailure = error
            return otaferry_curl_readfunc_abort
        }
    }

    fileprivate func progress(_ taken: Int64) {
        guard taken != bytesTaken else { return }
        bytesTaken = taken
        if unsentBound?.changes(taken: taken, now: .now) ?? false, let bytes = unsentBound?.bytes {
            otaferry_curl_change_unsent(handle, CInt(bytes))
        }
        job.request.progress?(taken)
    }
}

// The callbacks. `context` is the transfer, which outlives its handle.
extension Transfer {
    private static func from(_ context: UnsafeMutableRawPointer?) -> Transfer? {
        context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
    }

    fileprivate static let read: otaferry_curl_transfer = { bytes, size, count, context in
        guard let bytes, let transfer = Transfer.from(context) else { return otaferry_curl_readfunc_abort }
        return transfer.read(into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
    }

    /// Anything but the number of bytes given ends the transfer with CURLE_WRITE_ERROR.
    fileprivate static let write: otaferry_curl_transfer = { bytes, size, count, context in
        guard let bytes, let transfer = Transfer.from(context) else { return 0 }
        let buffer = UnsafeRawBufferPointer(start: bytes, count: size * count)
        return transfer.answer.receive(body: buffer) ? buffer.count : 0
    }

    fileprivate static let header: otaferry_curl_transfer = { bytes, size, count, context in
        guard let bytes, let transfer = Transfer.from(context) else { return 0 }
        let buffer = UnsafeRawBufferPointer(start: bytes, count: size * count)
        return transfer.answer.receive(headerLine: String(decoding: buffer, as: UTF8.self)) ? buffer.count : 0
    }

    fileprivate static let progress: otaferry_curl_progress = { context, _, _, _, taken in
        Transfer.from(context)?.progress(Int64(taken))
        return 0
    }
}
