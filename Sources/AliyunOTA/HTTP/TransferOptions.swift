import CCurl
package import FerryCore

/// How this machine reaches the cloud.
package struct LinkSettings: Sendable {
    /// Certificates to trust instead of the system's.
    package var caFile: String?
    /// A proxy's URL; nil takes what `https_proxy` and `no_proxy` say, the empty text none.
    package var proxy: String?
    /// A network interface or source address.
    package var interface: String?
    /// As of when a server's certificate has to be valid.
    package var certificateTime: @Sendable () -> CertificateTime = { .system }
    /// The version in `User-Agent: otaferry/<version>`.
    package var version: String

    /// The defaults: system store, environment, any interface.
    package init(caFile: String? = nil, proxy: String? = nil, interface: String? = nil, version: String) {
        self.caFile = caFile
        self.proxy = proxy
        self.interface = interface
        self.version = version
    }
}

/// As of when a server's certificate has to be valid.
package enum CertificateTime: Sendable, Equatable {
    /// Now, by the system's clock.
    case system
    /// At this time.
    case at(WallTime)
    /// Whenever: it has to lead to a trusted one and be for the host, and may be over or not have begun.
    case any
}

/// One option of a transfer, with the reason for its value.
struct TransferOption {
    enum Value {
        case long(Int)
        case offset(Int64)
        case text(String)
        /// Takes libcurl's built-in value away.
        case none
    }

    let option: CURLoption
    let value: Value
    let reason: String

    init(_ option: CURLoption, _ value: Value, _ reason: String) {
        self.option = option
        self.value = value
        self.reason = reason
    }

    /// Bytes that libcurl takes from the body and hands to the socket in one go at most.
    static let uploadBuffer = 512 << 10

    /// The table: everything that is relied on is set, defaults or not.
    static func table(for request: HTTPRequest, link: LinkSettings) -> [TransferOption] {
        var table: [TransferOption] = [
            .init(CURLOPT_NOSIGNAL, .long(1), "no SIGALRM in a program with threads"),
            .init(CURLOPT_PROTOCOLS_STR, .text("http,https"), "nothing else is ever meant"),
            .init(CURLOPT_FOLLOWLOCATION, .long(0), "a redirect would carry a signed request elsewhere"),
            .init(CURLOPT_PATH_AS_IS, .long(1), "the signed target is sent unchanged"),
            .init(
                CURLOPT_HTTP_VERSION,
                .long(Int(CURL_HTTP_VERSION_1_1)),
                "one upload a connection; OSS documents 1.1"
            ),
            .init(CURLOPT_HTTP09_ALLOWED, .long(0), "an answer without a status is no answer"),
            .init(CURLOPT_SSLVERSION, .long(Int(CURL_SSLVERSION_TLSv1_2)), "the oldest version still safe"),
            .init(CURLOPT_SSL_VERIFYPEER, .long(1), "the certificate must lead to a trusted one"),
            .init(CURLOPT_SSL_VERIFYHOST, .long(2), "2: and must be for this host"),
            .init(CURLOPT_USERAGENT, .text("otaferry/\(link.version)"), "so that the cloud's logs tell who called"),
            .init(CURLOPT_NETRC, .long(0), "no passwords out of the user's files"),
            .init(CURLOPT_CONNECTTIMEOUT_MS, .long(10_000), "resolve, connect and handshake"),
            .init(CURLOPT_QUICK_EXIT, .long(1), "else cancelling waits for a name server that does not answer"),
            .init(CURLOPT_TCP_NODELAY, .long(1), "small calls do not wait for acknowledgements"),
            .init(CURLOPT_TCP_KEEPALIVE, .long(1), "routers forget quiet connections"),
            .init(CURLOPT_TCP_KEEPIDLE, .long(30), "seconds until the first probe"),
            .init(CURLOPT_TCP_KEEPINTVL, .long(15), "seconds between probes"),
            .init(CURLOPT_MAXAGE_CONN, .long(50), "idle seconds; servers and routers close after about 60"),
            .init(CURLOPT_KEEP_SENDING_ON_ERROR, .long(0), "an early refusal ends the upload"),
            .init(CURLOPT_SUPPRESS_CONNECT_HEADERS, .long(1), "a proxy's answer is not the server's"),
            .init(CURLOPT_LOW_SPEED_TIME, .long(0), "StallWatch knows whether link or spool is slow"),
            .init(CURLOPT_NOPROGRESS, .long(0), "the progress callback counts what the socket took"),
            .init(CURLOPT_UPLOAD_BUFFERSIZE, .long(uploadBuffer), "few system calls an upload"),
            .init(CURLOPT_MAX_SEND_SPEED_LARGE, .offset(0), "0: none; SendingPace makes up for nothing after a stall"),
            .init(CURLOPT_TIMEOUT_MS, .long(Int(request.timeout?.milliseconds ?? 0)), "0: none"),
        ]
        if request.connection == .fresh {
            table.append(.init(CURLOPT_FRESH_CONNECT, .long(1), "libcurl repeats requests on reused connections"))
            table.append(.init(CURLOPT_FORBID_REUSE, .long(1), "the next one of its kind makes its own"))
        }
        if request.route == .direct {
            table.append(.init(CURLOPT_PROXY, .text(""), "the metadata service is on this machine's network"))
        } else if let proxy = link.proxy {
            table.append(.init(CURLOPT_PROXY, .text(proxy), "as configured"))
        }
        if let interface = link.interface { table.append(.init(CURLOPT_INTERFACE, .text(interface), "as configured")) }
        if let caFile = link.caFile {
            table.append(.init(CURLOPT_CAINFO, .text(caFile), "as configured"))
            table.append(.init(CURLOPT_CAPATH, .none, "instead of the system's store, not besides it"))
            table.append(.init(CURLOPT_PROXY_CAINFO, .text(caFile), "proxies spoken to over TLS too"))
            table.append(.init(CURLOPT_PROXY_CAPATH, .none, "instead of the system's store, not besides it"))
        }
        return table
    }

    /// Sets the option on a handle.
    func apply(to handle: UnsafeMutableRawPointer) throws(HTTPFailure) {
        let result =
            switch value {
            case .long(let number): otaferry_curl_set_long(handle, option, number)
            case .offset(let number): otaferry_curl_set_offset(handle, option, curl_off_t(number))
            case .text(let text): otaferry_curl_set_string(handle, option, text)
            case .none: otaferry_curl_set_string(handle, option, nil)
            }
        guard result == CURLE_OK else {
            throw HTTPFailure(.unusable, "libcurl refused option \(option.rawValue) (libcurl \(result.rawValue))")
        }
    }
}
