import Foundation
import Synchronization

/// A real Mosquitto of a test's own, on a free port of the loopback interface. Gone with the value that owns it.
package final class MosquittoBroker: Sendable {
    /// Whether it keeps sessions and retained messages over a restart.
    package enum Persistence: Sendable {
        case off
        case on
    }

    /// Whether clients without a name are let in.
    package enum Access: Sendable {
        case anybody
        /// Only these users, each with a password; add an `acl_file` to the configuration where rights differ.
        case users([String: String])
    }

    /// The port it listens on.
    package let port: UInt16
    /// Its configuration, data and password file.
    package let folder: TemporaryFolder
    private let program: Mutex<ProgramRunner?>

    /// Starts it; returns when it takes connections. `configuration` is added to the file as it is, `preamble` stands
    /// before everything else.
    package init(
        configuration: String = "",
        preamble: String = "",
        access: Access = .anybody,
        persistence: Persistence = .off,
        port: UInt16? = nil
    ) async throws {
        folder = try TemporaryFolder("mosquitto")
        self.port = try port ?? LoopbackSocket.freePort()
        program = Mutex(nil)
        var lines = [preamble, "listener \(self.port) 127.0.0.1", "log_dest stderr", "log_timestamp false"]
        // Started by root it would become another user, who may not write here.
        if geteuid() == 0 { lines.append("user root") }
        switch access {
        case .anybody: lines.append("allow_anonymous true")
        case .users(let users):
            let file = folder.file("passwords")
            for (index, user) in users.sorted(by: { $0.key < $1.key }).enumerated() {
                let flags = index == 0 ? ["-c", "-b"] : ["-b"]
                try await ProgramRunner.run("mosquitto_passwd", flags + [file, user.key, user.value])
            }
            lines += ["allow_anonymous false", "password_file \(file)"]
        }
        if persistence == .on { lines += ["persistence true", "persistence_location \(folder.path)/"] }
        try folder.write((lines + [configuration]).joined(separator: "\n") + "\n", to: "mosquitto.conf")
        try await start()
    }

    /// `mqtt://127.0.0.1:PORT`
    package var url: String { "mqtt://127.0.0.1:\(port)" }

    /// Starts it on its port; nothing when it runs.
    package func start() async throws {
        if program.withLock({ $0?.isRunning == true }) { return }
        let started = try ProgramRunner("mosquitto", ["-c", folder.file("mosquitto.conf")])
        program.withLock { $0 = started }
        try await eventually(within: .seconds(10), "mosquitto to listen") {
            guard started.isRunning else { throw TestSupportError("mosquitto ended:\n\(started.text(.errors))") }
            // That the port is open says nothing of who opened it.
            return started.lines(.errors).contains { $0.hasSuffix(" running") } && LoopbackSocket.isOpen(port)
        }
    }

    /// Ends it in good order: it writes its database where persistence is on.
    package func stop() async throws { try await take()?.stop() }

    /// Kills it as a power cut would: what it has not written is lost.
    package func kill() async throws { try await take()?.kill() }

    /// Makes it write its database now, where persistence is on, and take up a changed configuration.
    package func signal(_ number: Int32) { program.withLock { $0?.send(number) } }

    /// Stops it and starts it on the same port.
    package func restart() async throws {
        try await stop()
        try await start()
    }

    /// What it logged since it was last started.
    package var log: [String] { program.withLock { $0?.lines(.errors) ?? [] } }

    private func take() -> ProgramRunner? {
        program.withLock { program in
            defer { program = nil }
            return program
        }
    }
}
