import Foundation
import Synchronization

/// A proxy on the loopback interface as a company has one: HTTP (requests with a whole URL, and CONNECT) or SOCKS 5,
/// with user and password where asked for. It looks up every host name as 127.0.0.1 and counts what came through.
/// Gone with the value that owns it.
package final class ForwardProxy: Sendable {
    /// What it speaks.
    package enum Kind: Sendable {
        case http
        case socks
    }

    /// Who may use it.
    package struct Login: Sendable, Equatable {
        package var user: String
        package var password: String

        package init(user: String, password: String) {
            self.user = user
            self.password = password
        }
    }

    private struct State {
        var targets: [String] = []
        var refusals = 0
        var isOver = false
    }

    private final class Shared: Sendable {
        let kind: Kind
        let login: Login?
        let state = Mutex(State())

        init(kind: Kind, login: Login?) {
            self.kind = kind
            self.login = login
        }
    }

    /// Where clients connect.
    package let port: UInt16
    private let listener: Int32
    private let shared: Shared

    /// Listens on a free port.
    package init(_ kind: Kind, login: Login? = nil) throws {
        (listener, port) = try LoopbackSocket.listen(port: 0)
        let shared = Shared(kind: kind, login: login)
        self.shared = shared
        let listener = listener
        Thread.detachNewThread {
            while true {
                let client = Foundation.accept(listener, nil, nil)
                if client < 0 && errno == EINTR { continue }
                guard client >= 0 else { break }
                Thread.detachNewThread {
                    Self.serve(client, shared)
                    close(client)
                }
            }
            close(listener)
        }
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    /// `host:port` of every connection that it made, in order.
    package var targets: [String] { shared.state.withLock { $0.targets } }

    /// How many clients were sent away for want of the right password.
    package var refusals: Int { shared.state.withLock { $0.refusals } }

    private static func serve(_ client: Int32, _ shared: Shared) {
        switch shared.kind {
        case .http: serveHTTP(client, shared)
        case .socks: serveSOCKS(client, shared)
        }
    }

    // MARK: - HTTP

    private static func serveHTTP(_ client: Int32, _ shared: Shared) {
        guard let head = readHead(client) else { return }
        var lines = head.components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ").map(String.init)
        guard words.count == 3 else { return }
        if let login = shared.login {
            let token = Data("\(login.user):\(login.password)".utf8).base64EncodedString()
            guard lines.contains(where: { $0.lowercased() == "proxy-authorization: basic \(token)".lowercased() })
            else {
                shared.state.withLock { $0.refusals += 1 }
                sendText(
                    client,
                    "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n"
                        + "Connection: close\r\n\r\n"
                )
                return
            }
        }
        if words[0] == "CONNECT" {
            guard let server = connect(words[1], shared) else { return }
            sendText(client, "HTTP/1.1 200 Connected\r\n\r\n")
            relay(client, server)
            return
        }
        guard let url = URLComponents(string: words[1]), let host = url.host,
            let server = connect("\(host):\(url.port ?? 80)", shared)
        else { return }
        // The rest of the URL as it was written: it is signed.
        let afterScheme = words[1].drop { $0 != "/" }.dropFirst(2)
        let target = afterScheme.drop { $0 != "/" }
        lines[0] = "\(words[0]) \(target.isEmpty ? "/" : target) \(words[2])"
        lines.removeAll { $0.lowercased().hasPrefix("proxy-") || $0.lowercased().hasPrefix("connection:") }
        // One request a connection, so that only one head has to be rewritten.
        lines.insert("Connection: close", at: 1)
        sendText(server, lines.joined(separator: "\r\n"))
        relay(client, server)
    }

    /// The head with the empty line at its end, read byte by byte so that nothing of the body is taken.
    private static func readHead(_ client: Int32) -> String? {
        var bytes: [UInt8] = []
        while bytes.count < 65_536, !bytes.suffix(4).elementsEqual([13, 10, 13, 10]) {
            guard let byte = readExactly(client, 1)?.first else { return nil }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: - SOCKS 5 (RFC 1928, 1929)

    private static func serveSOCKS(_ client: Int32, _ shared: Shared) {
        guard let greeting = readExactly(client, 2), greeting[0] == 5,
            let methods = readExactly(client, Int(greeting[1]))
        else { return }
        let method: UInt8 = shared.login == nil ? 0 : 2
        guard methods.contains(method) else {
            shared.state.withLock { $0.refusals += 1 }
            sendBytes(client, [5, 0xff])
            return
        }
        sendBytes(client, [5, method])
        if let login = shared.login {
            guard let head = readExactly(client, 2), let user = readExactly(client, Int(head[1])),
                let length = readExactly(client, 1), let password = readExactly(client, Int(length[0]))
            else { return }
            let isRight = user == Array(login.user.utf8) && password == Array(login.password.utf8)
            sendBytes(client, [1, isRight ? 0 : 1])
            guard isRight else {
                shared.state.withLock { $0.refusals += 1 }
                return
            }
        }
        guard let request = readExactly(client, 4), request[1] == 1 else { return }
        let host: String
        switch request[3] {
        case 1:
            guard let address = readExactly(client, 4) else { return }
            host = address.map(String.init).joined(separator: ".")
        case 3:
            guard let length = readExactly(client, 1), let name = readExactly(client, Int(length[0])) else { return }
            host = String(decoding: name, as: UTF8.self)
        default: return
        }
        guard let port = readExactly(client, 2),
            let server = connect("\(host):\(Int(port[0]) << 8 | Int(port[1]))", shared)
        else {
            sendBytes(client, [5, 5, 0, 1, 0, 0, 0, 0, 0, 0])
            return
        }
        sendBytes(client, [5, 0, 0, 1, 127, 0, 0, 1, 0, 0])
        relay(client, server)
    }

    // MARK: - Bytes

    private static func connect(_ target: String, _ shared: Shared) -> Int32? {
        shared.state.withLock { $0.targets.append(target) }
        return target.split(separator: ":").last.flatMap { UInt16($0) }.flatMap { LoopbackSocket.connect(port: $0) }
    }

    private static func readExactly(_ descriptor: Int32, _ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: max(count, 1))
        while bytes.count < count {
            let got = read(descriptor, &buffer, count - bytes.count)
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else { return nil }
            bytes += buffer[..<got]
        }
        return bytes
    }

    private static func sendText(_ descriptor: Int32, _ text: String) { sendBytes(descriptor, Array(text.utf8)) }

    @discardableResult
    private static func sendBytes(_ descriptor: Int32, _ bytes: some Collection<UInt8>) -> Bool {
        let bytes = Array(bytes)
        return bytes.withUnsafeBytes { buffer in
            var sent = 0
            while let base = buffer.baseAddress, sent < buffer.count {
                let count = send(descriptor, base + sent, buffer.count - sent, Int32(MSG_NOSIGNAL))
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }
    }

    private static func relay(_ client: Int32, _ server: Int32) {
        let back = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            pump(from: server, to: client)
            back.signal()
        }
        pump(from: client, to: server)
        back.wait()
        close(server)
    }

    private static func pump(from source: Int32, to sink: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(source, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0, sendBytes(sink, buffer[..<count]) else { break }
        }
        shutdown(sink, Int32(SHUT_WR))
        shutdown(source, Int32(SHUT_RD))
    }
}
