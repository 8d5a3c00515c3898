import CMosquitto
import FerryCore
import Glibc

/// One MQTT client of libmosquitto, for one connection; used on one thread only.
///
/// `mosquitto_threaded_set` makes the library queue what it wants to send instead of writing it at once, so that
/// acknowledgements leave only with `write()`.
final class MosquittoClient {
    /// What callbacks noted since the last look.
    enum Note {
        case connected(resultCode: Int32, Welcome)
        case subscribed(messageID: Int32, granted: [Int32])
        case acknowledged(messageID: Int32, reasonCode: Int32)
    }

    let protocolVersion: Int32
    private(set) var inbox: [InboundMessage] = []
    private(set) var inboxBytes = 0
    /// Bytes of the message that came last.
    var lastBytes: Int { inbox.last?.payload.count ?? 0 }
    private(set) var notes: [Note] = []
    /// Another client of the same id has come, and the broker has sent this one away (MQTT 5, 0x8E).
    private(set) var isTakenOver = false
    /// What OpenSSL said of a handshake that failed; its own words are lost in libmosquitto's code.
    private var complaint: String?
    /// What is wrong with the broker's certificate, and OpenSSL's words for it.
    private var verification: (trouble: TLSTrouble?, words: String)?

    private let handle: OpaquePointer
    private let held = HeldBytes()
    private let settings: BrokerLinkSettings

    /// `mosquitto_lib_init` has to come before everything else; a second call is harmless.
    private static let libraryResult: Int32 = mosquitto_lib_init()

    init(settings: BrokerLinkSettings, protocolVersion: Int32) throws(LinkError) {
        guard Self.libraryResult == MOSQ_ERR_SUCCESS.number,
            let handle = mosquitto_new(settings.clientID, settings.session == .clean, nil)
        else { throw LinkError(.library, "libmosquitto could not make a client: \(String(cString: strerror(errno)))") }
        self.handle = handle
        self.settings = settings
        self.protocolVersion = protocolVersion

        mosquitto_user_data_set(handle, Unmanaged.passUnretained(self).toOpaque())
        mosquitto_threaded_set(handle, true)
        setCallbacks()
        try setOptions()
        try setCredentials()
        try setWill()
    }

    deinit { mosquitto_destroy(handle) }

    // MARK: - Settings

    private func setOptions() throws(LinkError) {
        let options: [(option: mosq_opt_t, value: Int32)] = [
            (MOSQ_OPT_PROTOCOL_VERSION, protocolVersion),
            // Bounds what may come in before it is acknowledged, and so the memory.
            (MOSQ_OPT_RECEIVE_MAXIMUM, Int32(settings.receiveMaximum)),
            (MOSQ_OPT_SEND_MAXIMUM, Int32(settings.sendMaximum)),
            // An acknowledgement must not wait for Nagle's timer.
            (MOSQ_OPT_TCP_NODELAY, 1),
        ]
        for (option, value) in options {
            try check(mosquitto_int_option(handle, option, value), "set an option")
        }
        guard case .tls = settings.address.transport else { return }
        // The library says of a file that is not there that an argument is wrong, and of others not which one it is.
        if let mistake = settings.address.tlsMistakes.first {
            let trouble = TLSTrouble.file(mistake)
            var error = LinkError(.tls, "Could not set up TLS: \(trouble.text)")
            error.trouble = trouble
            throw error
        }
        let result = mosquitto_tls_set(
            handle,
            settings.address.caFile,
            settings.address.caFile == nil ? "/etc/ssl/certs" : nil,
            settings.address.certificateFile,
            settings.address.keyFile,
            // A key that got a passphrase since it was looked at.
            { otaferry_tls_no_passphrase($0, $1, $2, $3) }
        )
        try check(result, "load the TLS certificates", code: .tls)
        // 1: SSL_VERIFY_PEER. TLS 1.2 is the oldest version that is accepted.
        try check(mosquitto_tls_opts_set(handle, 1, "tlsv1.2", nil), "set up TLS", code: .tls)
    }

    private func setCredentials() throws(LinkError) {
        guard let username = settings.address.username else { return }
        try check(mosquitto_username_pw_set(handle, username, settings.address.password), "set the user name")
    }

    private func setWill() throws(LinkError) {
        guard let will = settings.will else { return }
        let result = mosquitto_will_set(
            handle,
            will.topic,
            Int32(will.payload.count),
            will.payload,
            will.quality.rawValue,
            will.isRetained
        )
        try check(result, "set the will")
    }

    private func setCallbacks() {
        if case .tls = settings.address.transport {
            mosquitto_log_callback_set(handle) { _, context, level, text in
                guard level == MOSQ_LOG_ERR, let text else { return }
                MosquittoClient.from(context)?.noteComplaint(String(cString: text))
            }
        }
        mosquitto_connect_v5_callback_set(handle) { _, context, result, flags, properties in
            MosquittoClient.from(context)?.noteConnected(result: result, flags: flags, properties: properties)
        }
        mosquitto_message_v5_callback_set(handle) { _, context, message, properties in
            guard let message else { return }
            MosquittoClient.from(context)?.noteMessage(message.pointee, properties: properties)
        }
        mosquitto_subscribe_v5_callback_set(handle) { _, context, messageID, count, granted, _ in
            let codes = granted.map { Array(UnsafeBufferPointer(start: $0, count: Int(count))) } ?? []
            MosquittoClient.from(context)?.notes.append(.subscribed(messageID: messageID, granted: codes))
        }
        mosquitto_disconnect_v5_callback_set(handle) { _, context, reason, _ in
            if reason == 0x8E { MosquittoClient.from(context)?.isTakenOver = true }
        }
        mosquitto_publish_v5_callback_set(handle) { _, context, messageID, reason, _ in
            MosquittoClient.from(context)?.notes.append(.acknowledged(messageID: messageID, reasonCode: reason))
        }
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> MosquittoClient? {
        context.map { Unmanaged<MosquittoClient>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: - What comes in

    private func noteComplaint(_ text: String) {
        complaint = text
        // The library looks at the host name itself, and OpenSSL knows nothing of it then.
        if text.contains("host name verification failed") {
            verification = (.anotherHost, "host name verification failed")
        }
        var words: UnsafePointer<CChar>?
        let code = otaferry_tls_verify_result(handle, &words)
        guard verification == nil, code != 0, let words else { return }
        verification = (TLSTrouble(verification: code), String(cString: words))
    }

    private func noteConnected(result: Int32, flags: Int32, properties: OpaquePointer?) {
        // From now on every packet would be put into words for it.
        mosquitto_log_callback_set(handle, nil)
        var welcome = Welcome()
        welcome.sessionIsPresent = flags & 1 == 1
        welcome.protocolVersion = protocolVersion
        var limit: UInt32 = 0
        if mosquitto_property_read_int32(properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), &limit, false)
            != nil
        {
            welcome.maximumPacket = ByteCount(Int(limit))
        }
        var count: UInt16 = 0
        if mosquitto_property_read_int16(properties, Int32(MQTT_PROP_RECEIVE_MAXIMUM.rawValue), &count, false) != nil {
            welcome.receiveMaximum = Int(count)
        }
        // Both are there only where the broker takes less than MQTT 5 has.
        var value: UInt8 = 0
        if mosquitto_property_read_byte(properties, Int32(MQTT_PROP_MAXIMUM_QOS.rawValue), &value, false) != nil {
            welcome.maximumQuality = Int(value)
        }
        if mosquitto_property_read_byte(properties, Int32(MQTT_PROP_RETAIN_AVAILABLE.rawValue), &value, false) != nil {
            welcome.isRetainAvailable = value != 0
        }
        notes.append(.connected(resultCode: result, welcome))
    }

    private func noteMessage(_ message: mosquitto_message, properties: OpaquePointer?) {
        let payload: [UInt8]
        if let bytes = message.payload, message.payloadlen > 0 {
            payload = Array(UnsafeRawBufferPointer(start: bytes, count: Int(message.payloadlen)))
        } else {
            payload = []
        }
        inboxBytes += payload.count
        inbox.append(
            InboundMessage(
                topic: message.topic.map { String(cString: $0) } ?? "",
                payload: payload,
                isRetained: message.retain,
                properties: PropertyList.read(properties)
            )
        )
    }

    /// The messages that came in since the last call.
    func takeInbox() -> [InboundMessage] {
        inboxBytes = 0
        defer { inbox = [] }
        return inbox
    }

    /// What callbacks noted since the last call.
    func takeNotes() -> [Note] {
        defer { notes = [] }
        return notes
    }

    // MARK: - Calls

    /// Resolves the name, connects and sends CONNECT; blocks for as long as the system's TCP connect takes.
    func connect() throws(LinkError) {
        let host: String
        let port: Int
        switch settings.address.transport {
        case .tcp(let name, let number), .tls(let name, let number): (host, port) = (name, number)
        // libmosquitto takes port 0 with a path as a Unix socket.
        case .unixSocket(let path): (host, port) = (path, 0)
        }
        var list = PropertyList()
        if protocolVersion == 5 {
            if case .persistent(let expiry) = settings.session {
                list.add(MQTT_PROP_SESSION_EXPIRY_INTERVAL, UInt32(clamping: expiry.components.seconds))
            }
            if let limit = settings.maximumPacket {
                list.add(MQTT_PROP_MAXIMUM_PACKET_SIZE, UInt32(clamping: limit.rawValue))
            }
        }
        let keepAlive = Int32(max(5, settings.keepAlive.components.seconds))
        errno = 0
        let result = list.withPointer { mosquitto_connect_bind_v5(handle, host, Int32(port), keepAlive, nil, $0) }
        guard result != MOSQ_ERR_SUCCESS.number else { return }
        let isClosed = port == 0 && result == MOSQ_ERR_ERRNO.number && errno == EACCES
        var error = failure(
            "Could not connect to \(port == 0 ? host : "\(host):\(port)")",
            result,
            otherwise: .unreachable
        )
        if isClosed { error.misfit = .closedSocket }
        throw error
    }

    /// What a code of the library means for the connection, with OpenSSL's words where TLS is the cause.
    func failure(_ what: String, _ result: Int32, otherwise code: LinkError.Code) -> LinkError {
        let words = complaint.map(Self.openSSLWords)
        // With TLS 1.3 the broker says what it holds of our certificate when the handshake is over for us.
        let alert = words.flatMap { TLSTrouble(alert: $0, from: settings.address) }
        guard Self.isTLS(result) || alert != nil else {
            return LinkError(code, "\(what): \(Self.text(of: result))", number: result)
        }
        let trouble = verification?.trouble ?? alert
        let cause = trouble?.text ?? Self.text(of: result)
        let said = [words, verification?.words].compactMap { $0 }.joined(separator: ": ")
        var error = LinkError(.tls, "\(what): \(cause)\(said.isEmpty ? "" : " (\(said))")", number: result)
        error.misfit = words.flatMap { Self.misfits[$0] }
        error.trouble = trouble
        return error
    }

    /// What OpenSSL says of an answer that is no TLS, and of a peer that hangs up at its first bytes, as Mosquitto does on
    /// a port without TLS.
    private static let misfits: [String: LinkError.Misfit] = [
        "wrong version number": .plainPort, "packet length too long": .plainPort, "record layer failure": .plainPort,
        "unexpected eof while reading": .hungUp,
    ]

    /// `certificate verify failed` of `OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed`.
    private static func openSSLWords(_ text: String) -> String {
        String((text.split(separator: ":").last ?? "").trimmingPrefix(" ")).escaped
    }

    var socket: Int32 { mosquitto_socket(handle) }
    var wantsWrite: Bool { mosquitto_want_write(handle) }
    /// Whether there is TLS and its handshake is over.
    var hasAgreedOnTLS: Bool { otaferry_tls_is_agreed(handle) != 0 }

    /// Reads what the socket holds of one packet, and runs the callbacks.
    func read() -> Int32 { mosquitto_loop_read(handle, 1) }

    /// Has the kernel acknowledge at once what was read. Mosquitto leaves Nagle's algorithm on: its next small packet, a
    /// command for example, would wait 40 ms for a delayed acknowledgement (`tcp(7)`, TCP_QUICKACK; it does not last).
    func acknowledgeAtOnce() {
        var yes: Int32 = 1
        // Fails on a Unix socket, where nothing waits.
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_QUICKACK, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Writes what is queued, acknowledgements first queued first, until the socket is full.
    func write() -> Int32 { mosquitto_loop_write(handle, 1) }

    /// Sets aside what is queued, as it would go over the wire, until `release`. What is read afterwards queues its
    /// acknowledgements behind it, and nothing may be written before. On failure the connection is of no use any more.
    func hold() throws(LinkError) {
        guard wantsWrite else { return }
        let socket = socket
        var result: Int32 = 0
        try held.divert(socket) { take in
            // A packet larger than what the pair holds goes in pieces.
            var isMoving = true
            while result == 0 && wantsWrite && isMoving {
                result = write()
                isMoving = take()
            }
            return self.socket == socket && !(result == 0 && wantsWrite)
        }
        if result != 0 {
            throw LinkError(.lost, "The connection to the broker broke: \(Self.text(of: result))", number: result)
        }
    }

    /// Whether something is set aside.
    var isHolding: Bool { !held.isEmpty }

    /// Sends what was set aside. Where the other end has hung up, its last word is the cause of the failure.
    ///
    /// - Returns: whether all of it was taken; the rest has to wait until the socket can be written.
    func release() throws(LinkError) -> Bool {
        do {
            return try held.send(on: socket)
        } catch {
            // What came before the end can be read still; a write by the library would have closed the connection.
            var result: Int32 = 0
            while result == 0 && isReadable { result = read() }
            guard result != 0 else { throw error }
            throw broken(result)
        }
    }

    /// What a code of the library means for a connection that was there.
    func broken(_ result: Int32) -> LinkError {
        // The handshake of TLS goes on after connect(2), so its failure comes from reading or writing.
        failure("The connection to the broker broke", result, otherwise: .lost)
    }

    /// Whether reading would tell something at once, if only that the connection is over.
    private var isReadable: Bool {
        var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) > 0
    }

    /// Sends PINGREQ when it is due.
    func keepAlive() -> Int32 { mosquitto_loop_misc(handle) }

    /// Asks for a subscription; answers with its message id.
    func subscribe(_ subscription: Subscription) throws(LinkError) -> Int32 {
        var messageID: Int32 = 0
        // MQTT 5 subscription options: 0x08 Retain As Published, 0x20 do not send retained messages.
        let options: Int32 = protocolVersion == 5 ? (subscription.retained == .send ? 0x08 : 0x28) : 0
        let result = mosquitto_subscribe_v5(handle, &messageID, subscription.filter, 1, options, nil)
        try check(result, "subscribe to \(subscription.filter)")
        return messageID
    }

    /// Hands a message to the library; answers with its message id.
    func publish(_ message: OutboundMessage) throws(LinkError) -> Int32 {
        var messageID: Int32 = 0
        var list = PropertyList()
        if protocolVersion == 5 {
            if let data = message.correlationData { list.add(MQTT_PROP_CORRELATION_DATA, data) }
            if let topic = message.responseTopic { list.add(MQTT_PROP_RESPONSE_TOPIC, topic) }
            for property in message.userProperties { list.add(property) }
        }
        let result = list.withPointer { properties in
            mosquitto_publish_v5(
                handle,
                &messageID,
                message.topic,
                Int32(message.payload.count),
                message.payload,
                message.quality.rawValue,
                message.isRetained,
                properties
            )
        }
        try check(result, "publish on \(message.topic)")
        return messageID
    }

    /// Queues DISCONNECT.
    func disconnect() { mosquitto_disconnect_v5(handle, 0, nil) }

    private func check(_ result: Int32, _ operation: String, code: LinkError.Code = .library) throws(LinkError) {
        guard result != MOSQ_ERR_SUCCESS.number else { return }
        throw LinkError(code, "Could not \(operation): \(Self.text(of: result))", number: result)
    }

    /// Whether certificates, or a peer that speaks no TLS, are the cause.
    static func isTLS(_ result: Int32) -> Bool {
        result == MOSQ_ERR_TLS.number || result == MOSQ_ERR_TLS_HANDSHAKE.number
    }

    /// libmosquitto's words for a code of its own; for `MOSQ_ERR_ERRNO` the system's.
    static func text(of result: Int32) -> String {
        if result == MOSQ_ERR_ERRNO.number { return String(cString: strerror(errno)) }
        guard let text = mosquitto_strerror(result).map({ String(cString: $0) }) else { return "error \(result)" }
        // It stands within sentences.
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }
}

extension LinkError {
    /// Whether the library refused one message for what it is, and not for the state of the connection.
    var isAboutMessage: Bool {
        [
            MOSQ_ERR_OVERSIZE_PACKET, MOSQ_ERR_INVAL, MOSQ_ERR_MALFORMED_UTF8, MOSQ_ERR_PAYLOAD_SIZE,
            MOSQ_ERR_QOS_NOT_SUPPORTED, MOSQ_ERR_RETAIN_NOT_SUPPORTED,
        ].contains { $0.number == number }
    }
}

extension mosq_err_t {
    var number: Int32 { Int32(rawValue) }
}
