import Foundation
import TestSupport
import Testing

@testable import Agent

/// A datagram socket that a service manager would listen on.
private final class NotifySocket {
    let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        if name.first == UInt8(ascii: "@") { name[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let descriptor = descriptor
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(result == 0)
    }

    deinit { close(descriptor) }

    func receive() -> String {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 5_000) == 1 else { return "nothing" }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count < 0 ? "nothing" : String(decoding: buffer[..<count], as: UTF8.self)
    }
}

@Suite("What the service manager is told")
struct ServiceNotifierTests {
    @Test("Each message is one datagram, on a socket with a path or an abstract one", arguments: [false, true])
    func messages(isAbstract: Bool) throws {
        let folder = try TemporaryFolder("notify")
        let socket = try NotifySocket(isAbstract ? "@otaferry-\(UUID().uuidString)" : folder.file("socket"))
        let notifier = ServiceNotifier(environment: ["NOTIFY_SOCKET": socket.path])
        notifier.ready(status: "Connected")
        #expect(socket.receive() == "READY=1\nSTATUS=Connected")
        notifier.alive()
        #expect(socket.receive() == "WATCHDOG=1")
        notifier.status("Ünwell")
        #expect(socket.receive() == "STATUS=Ünwell")
        notifier.stopping()
        #expect(socket.receive() == "STOPPING=1\nSTATUS=Stopping")
    }

    @Test(
        "The watchdog is served at half of its time, where it is meant for this process",
        arguments: [
            ([:], nil), (["WATCHDOG_USEC": "30000000"], .seconds(15)), (["WATCHDOG_USEC": "x"], nil),
            (["WATCHDOG_USEC": "0"], nil),
            (["WATCHDOG_USEC": "-5"], nil), (["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "\(getpid())"], .seconds(1)),
            (["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"], nil),
        ] as [([String: String], Duration?)]
    )
    func watchdog(environment: [String: String], interval: Duration?) {
        #expect(ServiceNotifier(environment: environment).watchdogInterval == interval)
    }

    @Test(
        "Nobody who listens, and a path that is too long, are no failure",
        arguments: [
            [:], ["NOTIFY_SOCKET": ""], ["NOTIFY_SOCKET": "/nowhere/at/all"],
            ["NOTIFY_SOCKET": "/" + String(repeating: "x", count: 300)],
        ]
    )
    func nobody(environment: [String: String]) { ServiceNotifier(environment: environment).alive() }
}
