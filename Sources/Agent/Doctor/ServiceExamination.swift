import FerryCore

/// What systemd is told about the agent: its unit with the drop-ins, and the limits of its control group while it runs.
struct ServiceExamination: Sendable {
    var host = HostFiles()
    var intake: Configuration.Intake
    /// Folders that the agent writes in.
    var folders: [String] = []

    private static let unit = "otaferry.service"
    /// In the order in which systemd prefers them.
    private static let folders = [
        "/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
    ]

    /// The `[Service]` section, later lines over earlier ones; nil where no unit is installed.
    private var settings: [String: String]? {
        guard let folder = Self.folders.first(where: { host.exists("\($0)/\(Self.unit)") }),
            let text = host.text("\(folder)/\(Self.unit)")
        else { return nil }
        var settings = Self.service(in: text)
        for folder in Self.folders.reversed() {
            for name in host.names(in: "\(folder)/\(Self.unit).d", suffix: ".conf") {
                let text = host.text("\(folder)/\(Self.unit).d/\(name)") ?? ""
                for (key, value) in Self.service(in: text) {
                    let isList = key == "ReadWritePaths" && !value.isEmpty
                    settings[key] = isList ? (settings[key].map { $0 + " " } ?? "") + value : value
                }
            }
        }
        return settings
    }

    private static func service(in text: String) -> [String: String] {
        var section = ""
        var settings: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("[") {
                section = String(line)
                continue
            }
            guard section == "[Service]", let equals = line.firstIndex(of: "="), !line.hasPrefix("#") else { continue }
            let key = line[..<equals].filter { !$0.isWhitespace }
            var value = line[line.index(after: equals)...]
            while value.first?.isWhitespace == true { value.removeFirst() }
            // Lists grow line by line; an empty line begins anew.
            let isList = key == "ReadWritePaths" && !value.isEmpty
            settings[key] = isList ? (settings[key].map { $0 + " " } ?? "") + value : String(value)
        }
        return settings
    }

    func findings() -> [Finding] {
        guard let settings else {
            return [
                Finding(
                    .service,
                    .note,
                    "There is no \(Self.unit)",
                    why: "nobody starts the agent after a reboot, or restarts it after a fault",
                    remedy: "Install the package, or write a unit with Type=notify, Restart=always and WatchdogSec="
                )
            ]
        }
        return [restart(settings), watchdog(settings), memory(settings), paths(settings)]
    }

    /// A unit that protects the system lets the agent write where it is told, and nowhere else.
    private func paths(_ settings: [String: String]) -> Finding {
        let isProtected = settings["ProtectSystem"] == "strict"
        let state = (settings["StateDirectory"] ?? "").split(separator: " ").map { "/var/lib/\($0)" }
        let open =
            state
            + (settings["ReadWritePaths"] ?? "").split(separator: " ").map { $0.drop { "-+".contains($0) } }
            .map(String.init)
        let closed = folders.filter { folder in
            isProtected && !open.contains { folder == $0 || folder.hasPrefix($0 + "/") }
        }
        guard let first = closed.first else {
            return Finding(.servicePaths, .ok, "The unit lets the agent write where it has to")
        }
        return Finding(
            .servicePaths,
            .error,
            "\(Self.unit) does not let the agent write in \(closed.joined(separator: ", "))",
            why: "ProtectSystem=strict makes everything read-only that is not named",
            remedy: "systemctl edit otaferry: ReadWritePaths=\(first) under [Service]"
        )
    }

    private func restart(_ settings: [String: String]) -> Finding {
        let restart = settings["Restart"] ?? "no"
        guard restart == "no" else { return Finding(.service, .ok, "\(Self.unit) is installed, Restart=\(restart)") }
        return Finding(
            .service,
            .warning,
            "\(Self.unit) has no Restart=",
            why: "the agent stays away after a fault until a person starts it",
            remedy: "systemctl edit otaferry: Restart=always under [Service]"
        )
    }

    private func watchdog(_ settings: [String: String]) -> Finding {
        let value = settings["WatchdogSec"] ?? ""
        guard let seconds = Self.seconds(value), seconds > 0 else {
            return Finding(
                .serviceWatchdog,
                .warning,
                "\(Self.unit) has no WatchdogSec=",
                why: "an agent that hangs, as on a failing disk, is never restarted",
                remedy: "systemctl edit otaferry: Type=notify and WatchdogSec=2min under [Service]"
            )
        }
        if seconds < 10 {
            return Finding(
                .serviceWatchdog,
                .warning,
                "WatchdogSec=\(value) is short",
                why: "a commit on a slow card can take longer, and the agent is killed for it",
                remedy: "systemctl edit otaferry: WatchdogSec=2min"
            )
        }
        return Finding(.serviceWatchdog, .ok, "WatchdogSec=\(value)")
    }

    /// At rest, with its libraries.
    private static let base: Int64 = 48 << 20

    /// A one-shot firmware is in memory twice: as it is read from the socket, and as a message.
    var neededMemory: ByteCount { ByteCount(rawValue: Self.base + 2 * intake.oneShotMax.rawValue) }

    private func memory(_ settings: [String: String]) -> Finding {
        let group = "/sys/fs/cgroup/system.slice/\(Self.unit)/memory.max"
        let live = host.text(group).flatMap { Int64($0) }.map { ByteCount(rawValue: $0) }
        guard let limit = live ?? settings["MemoryMax"].flatMap(Self.size) else {
            return Finding(.serviceMemory, .ok, "No MemoryMax= limits the agent")
        }
        guard limit < neededMemory else { return Finding(.serviceMemory, .ok, "MemoryMax= is \(Self.text(limit))") }
        return Finding(
            .serviceMemory,
            .warning,
            "MemoryMax= is \(Self.text(limit)), and intake.one-shot-max = \(intake.oneShotMax.configurationText) may need "
                + Self.text(neededMemory),
            why: "a large one-shot firmware gets the agent killed, and again when the broker delivers it anew",
            remedy: "Lower intake.one-shot-max, or raise MemoryMax="
        )
    }

    /// As systemd writes it; odd bytes are left out.
    private static func text(_ limit: ByteCount) -> String { "\(limit.rawValue >> 20)M" }

    /// `256M`; systemd's K, M, G are powers of 1024.
    private static func size(_ text: String) -> ByteCount? {
        guard let unit = text.last, "KMGT".contains(unit) else { return Int64(text).map { ByteCount(rawValue: $0) } }
        return ByteCount(parsing: text.dropLast() + "\(unit)iB")
    }

    /// `60`, `60s`, `2min`; nil for anything else.
    private static func seconds(_ text: String) -> Int? {
        if let number = Int(text) { return number }
        if text.hasSuffix("min"), let number = Int(text.dropLast(3)) { return number * 60 }
        if text.hasSuffix("ms"), let number = Int(text.dropLast(2)) { return number / 1_000 }
        if text.hasSuffix("s"), let number = Int(text.dropLast()) { return number }
        return nil
    }
}
