import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Agent

/// Folders that stand for `/proc`, `/sys` and `/etc` of other machines.
@Suite("What doctor sees of the machine")
struct MachineTests {
    private let folder: TemporaryFolder
    private var host: HostFiles { HostFiles(root: folder.path) }

    init() throws { folder = try TemporaryFolder("doctor-machine") }

    private func write(_ text: String, to path: String) throws {
        let parent = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder.file(parent), withIntermediateDirectories: true)
        try folder.write(text + "\n", to: path)
    }

    /// A flash disk with one partition, 179:2.
    private func writeCard(type: String, life: String = "", spare: String = "") throws {
        try write("0", to: "sys/devices/mmc/mmcblk0/queue/rotational")
        try write(type, to: "sys/devices/mmc/mmcblk0/device/type")
        if !life.isEmpty { try write(life, to: "sys/devices/mmc/mmcblk0/device/life_time") }
        if !spare.isEmpty { try write(spare, to: "sys/devices/mmc/mmcblk0/device/pre_eol_info") }
        try write("10 0 80 5 20 0 4096 9 0 14 14", to: "sys/devices/mmc/mmcblk0/stat")
        try write("2", to: "sys/devices/mmc/mmcblk0/mmcblk0p2/partition")
        try FileManager.default.createDirectory(atPath: folder.file("sys/dev/block"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("sys/dev/block/179:2"),
            withDestinationPath: "../../devices/mmc/mmcblk0/mmcblk0p2"
        )
    }

    private var disk: DiskExamination {
        var spool = Configuration().spool
        spool.path = "/var/lib/otaferry/spool.db"
        return DiskExamination(host: host, spool: spool)
    }

    @Test("The disk of a partition is found, with what it tells of its wear and of what was written to it")
    func card() throws {
        try writeCard(type: "MMC", life: "0x02 0x09", spare: "0x01")
        let device = try #require(BlockDevice(number: "179:2", host: host))
        #expect(device.name == "mmcblk0")
        #expect(device.cardType == "MMC")
        #expect(device.usedTenths == [2, 9])
        #expect(device.spareState == 1)
        #expect(device.writtenSinceStart == Int64(4_096 * 512))
        #expect(BlockDevice(number: "8:1", host: host) == nil)
    }

    @Test(
        "Wear is told in time",
        arguments: [
            ("0x01 0x01", "0x01", .ok), ("0x08 0x01", "0x01", .warning), ("0x01 0x02", "0x02", .warning),
            ("0x0a 0x0b", "0x01", .error), ("0x02 0x02", "0x03", .error), ("0x00 0x00", "0x00", .ok), ("", "", .ok),
        ] as [(String, String, Finding.Grade)]
    )
    func wear(life: String, spare: String, grade: Finding.Grade) throws {
        try writeCard(type: "MMC", life: life, spare: spare)
        var facts = DiskExamination.Facts()
        facts.device = BlockDevice(number: "179:2", host: host)
        #expect(disk.wear(facts).map(\.grade) == [grade])
    }

    private static let mounts = """
        22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw,errors=remount-ro
        30 22 0:25 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1024k
        31 22 8:1 / /mnt/with\\040blank rw - vfat /dev/sda1 rw
        32 22 0:40 / /mnt/share rw - nfs4 server:/x rw
        33 22 179:2 / /ro ro - ext4 /dev/mmcblk0p2 ro
        """

    @Test(
        "The file system of a path is that of the longest mount point",
        arguments: [
            ("/var/lib/otaferry", "ext4", "/"), ("/tmp/x", "tmpfs", "/tmp"), ("/tmpx", "ext4", "/"),
            ("/mnt/with blank/a", "vfat", "/mnt/with blank"),
        ]
    )
    func mounts(path: String, kind: String, point: String) throws {
        let mount = try #require(MountedFileSystem(containing: path, mountInfo: Self.mounts))
        #expect(mount.kind == kind)
        #expect(mount.mountPoint == point)
    }

    @Test(
        "A file system is judged by what a power cut leaves of it",
        arguments: [
            ("/var", .ok), ("/tmp", .error), ("/mnt/with blank", .warning), ("/mnt/share", .error), ("/ro", .error),
        ] as [(String, Finding.Grade)]
    )
    func fileSystems(path: String, grade: Finding.Grade) throws {
        var facts = DiskExamination.Facts()
        facts.fileSystem = MountedFileSystem(containing: path, mountInfo: Self.mounts)
        #expect(disk.disk(facts).map(\.grade) == [grade])
    }

    @Test("An SD card is worth a note")
    func sdCard() throws {
        try writeCard(type: "SD")
        var facts = DiskExamination.Facts()
        facts.fileSystem = MountedFileSystem(containing: "/var", mountInfo: Self.mounts)
        facts.device = BlockDevice(number: "179:2", host: host)
        #expect(disk.disk(facts).map(\.grade) == [.note])
    }

    @Test(
        "Room is compared with quota and reserve",
        arguments: [
            (10 << 30, 0, 100, .ok), (2 << 30, 0, 100, .warning), (2 << 30, 3 << 30, 100, .ok),
            (32 << 20, 0, 100, .error),
            (10 << 30, 0, 0, .error),
        ] as [(Int64, Int64, Int64, Finding.Grade)]
    )
    func room(free: Int64, spoolSize: Int64, files: Int64, grade: Finding.Grade) {
        var facts = DiskExamination.Facts()
        facts.free = free
        facts.spoolSize = spoolSize
        facts.freeFiles = files
        #expect(disk.room(facts).map(\.grade) == [grade])
    }

    @Test("Room is not judged by one who does not see how much of it the spool has already")
    func hiddenSpool() {
        var facts = DiskExamination.Facts()
        facts.spoolSize = nil
        facts.free = 2 << 30
        #expect(disk.room(facts).map(\.grade) == [.skipped])
        #expect(disk.room(facts).first?.remedy == "sudo otaferry doctor")
        facts.free = 10 << 30
        #expect(disk.room(facts).map(\.grade) == [.ok])
    }

    // MARK: - Rights

    private func set(_ mode: Int, _ file: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
    }

    @Test("A file that the agent's user cannot read, or whose folder it cannot enter, is closed to it")
    func agentUser() throws {
        let agent = AgentUser(name: "otaferry", id: 4_711, groups: [4_712])
        try write("x", to: "a/otaferry.toml")
        let (file, parent) = (folder.file("a/otaferry.toml"), folder.file("a"))
        for folder in [folder.path, parent] { try set(0o755, folder) }
        try set(0o644, file)
        #expect(agent.obstacle(reading: file) == nil)
        try set(0o640, file)
        #expect(agent.obstacle(reading: file) == file)
        #expect(AgentUser(name: "otaferry", id: 4_711, groups: [getgid()]).obstacle(reading: file) == nil)
        try set(0o600, file)
        #expect(AgentUser(name: "otaferry", id: getuid(), groups: [4_712]).obstacle(reading: file) == nil)
        try set(0o644, file)
        try set(0o700, parent)
        #expect(agent.obstacle(reading: file) == parent)
        #expect(agent.obstacle(reading: "/nowhere") == nil, "what is not there has its own mistake")
    }

    @Test("Root is told of a configuration that the agent's user cannot read, with what mends it")
    func closedConfiguration() throws {
        let agent = AgentUser(name: "otaferry", id: 4_711, groups: [4_712])
        let file = try folder.write("gateway = \"gw1\"", to: "otaferry.toml")
        try set(0o755, folder.path)
        try set(0o600, file)
        var loader = ConfigurationLoader(path: file, environment: [:])
        loader.agent = agent
        let configuration = try loader.load()
        var rights = rights
        rights.configuration = configuration
        rights.agent = agent
        let finding = try #require(rights.configurationFiles().first)
        #expect(finding.check == .configuration && finding.grade == .error)
        #expect(finding.text == "\(file) is closed to the user otaferry")
        #expect(finding.remedy == "sudo chown otaferry: \(file), or where it holds no secret: sudo chmod 644 \(file)")
        loader.files = .examined
        let error = #expect(throws: ConfigurationError.self) { try loader.load() }
        #expect(
            error?.mistakes.map(\.description) == [
                "\(file): the file is closed to the user otaferry: \(finding.remedy)"
            ]
        )
        try set(0o644, file)
        #expect(rights.configurationFiles().isEmpty)
        _ = try loader.load()
    }

    @Test(
        "A secret is for its user alone",
        arguments: [(0o600, nil), (0o400, nil), (0o640, .warning), (0o644, .error)] as [(UInt32, Finding.Grade?)]
    )
    func secrets(mode: UInt32, grade: Finding.Grade?) {
        let facts = RightsExamination.FileFacts(isThere: true, mode: mode)
        #expect(rights.secret("key", "/f", facts)?.grade == grade)
    }

    /// Of a machine where the agent's user asks.
    private var rights: RightsExamination {
        var rights = RightsExamination(configuration: Configuration())
        rights.store = CredentialStore(host: host)
        rights.agent = nil
        return rights
    }

    @Test("Root judges for the agent's user")
    func asRoot() {
        var rights = rights
        rights.agent = AgentUser(name: "otaferry", id: 4_711, groups: [])
        let facts = RightsExamination.FileFacts(isThere: true, mode: 0o600, owner: 0)
        #expect(rights.secret("key", "/etc/otaferry/credentials", facts)?.grade == .error)
        #expect(rights.secret("key", "/etc/credstore/otaferry.aliyun", facts) == nil)
        let spool = RightsExamination.FileFacts(isThere: true, mode: 0o700, owner: 0)
        #expect(rights.spool(spool, file: .init(isThere: false)).map(\.grade) == [.error])
    }

    @Test("Root finds what the service manager hands over to the agent")
    func credentialStore() throws {
        try write("[default]", to: "etc/credstore/otaferry.aliyun")
        var credentials = ServiceCredentials(mqttPassword: "/run/credentials/mqtt-password")
        credentials.adopt(CredentialStore(host: host))
        #expect(credentials.aliyun == "/etc/credstore/otaferry.aliyun")
        #expect(credentials.mqttPassword == "/run/credentials/mqtt-password")
    }

    @Test("What belongs to another user is not judged by one who is not the agent")
    func visitor() {
        var rights = rights
        rights.user = 4_711
        let closed = RightsExamination.FileFacts(isThere: true, mode: 0o600, owner: 0, isUsable: false, failure: "no")
        #expect(rights.secret("key", "/f", closed)?.grade == .skipped)
        #expect(rights.spool(closed, file: .init(isThere: false)).map(\.grade) == [.skipped])
        rights.user = 0
        #expect(rights.secret("key", "/f", closed)?.grade == .error)
    }

    @Test("A secret that is not there, or not readable, is an error")
    func missingSecret() throws {
        let absent = RightsExamination.facts(file: folder.file("none"))
        #expect(rights.secret("key", "/f", absent)?.grade == .error)
        let key = rights.secret("cloud.credentials.file", "/f", absent)?.remedy ?? ""
        #expect(key.hasPrefix("Put the access key into /etc/credstore/otaferry.aliyun,"), "\(key)")
        let facts = RightsExamination.FileFacts(isThere: true, mode: 0o600, isUsable: false, failure: "no")
        #expect(rights.secret("key", "/f", facts)?.grade == .error)
    }

    @Test(
        "The spool is for its user alone",
        arguments: [
            (0o700, 0o600, .ok), (0o755, 0o600, .ok), (0o755, 0o644, .warning), (0o777, 0o600, .error),
            (0o1777, 0o600, .ok),
        ] as [(UInt32, UInt32, Finding.Grade)]
    )
    func spoolRights(folderMode: UInt32, fileMode: UInt32, grade: Finding.Grade) {
        let found = rights.spool(
            .init(isThere: true, mode: folderMode),
            file: .init(isThere: true, mode: fileMode)
        )
        #expect(found.map(\.grade) == [grade])
    }

    // MARK: - Service

    @Test(
        "A unit is judged with its drop-ins",
        arguments: [
            ("Restart=always\nWatchdogSec=60", "", [.ok, .ok, .ok, .ok]),
            ("Type=notify", "", [.warning, .warning, .ok, .ok]),
            ("Restart=always\nWatchdogSec=2s\nMemoryMax=64M", "", [.ok, .warning, .warning, .ok]),
            ("Restart=always\nWatchdogSec=2min\nMemoryMax=64M", "[Service]\nMemoryMax=256M", [.ok, .ok, .ok, .ok]),
            ("Restart=always\nWatchdogSec=60\nProtectSystem=strict", "", [.ok, .ok, .ok, .error]),
            (
                "Restart=always\nWatchdogSec=60\nProtectSystem=strict\nStateDirectory=otaferry",
                "[Service]\nReadWritePaths=/mnt/a\nReadWritePaths=-/srv", [.ok, .ok, .ok, .ok]
            ),
        ] as [(String, String, [Finding.Grade])]
    )
    func service(unit: String, dropIn: String, grades: [Finding.Grade]) throws {
        try write("[Unit]\nMemoryMax=1\n[Service]\n" + unit, to: "lib/systemd/system/otaferry.service")
        if !dropIn.isEmpty { try write(dropIn, to: "etc/systemd/system/otaferry.service.d/10.conf") }
        let folders = ["/var/lib/otaferry", "/srv/metrics"]
        let examination = ServiceExamination(host: host, intake: Configuration().intake, folders: folders)
        #expect(examination.findings().map(\.grade) == grades)
    }

    @Test("The unit of the package has no fault, and is strict about other places")
    func shippedUnit() throws {
        let unit = try String(contentsOfFile: packageDirectory + "/systemd/otaferry.service", encoding: .utf8)
        try write(unit, to: "lib/systemd/system/otaferry.service")
        var examination = ServiceExamination(host: host, intake: Configuration().intake)
        examination.folders = ["/var/lib/otaferry"]
        #expect(examination.findings().map(\.grade) == [.ok, .ok, .ok, .ok])
        examination.folders = ["/srv/otaferry"]
        #expect(examination.findings().last?.grade == .error)
    }

    @Test("The limit that holds now counts more than the unit's")
    func liveLimit() throws {
        try write("[Service]\nRestart=always\nWatchdogSec=60", to: "etc/systemd/system/otaferry.service")
        try write("33554432", to: "sys/fs/cgroup/system.slice/otaferry.service/memory.max")
        let examination = ServiceExamination(host: host, intake: Configuration().intake)
        #expect(examination.findings().first { $0.check == .serviceMemory }?.grade == .warning)
        #expect(
            ServiceExamination(host: HostFiles(root: "/nowhere"), intake: .init()).findings().map(\.grade) == [.note]
        )
    }

    @Test("Limits of memory are told as the unit writes them")
    func memory() throws {
        try write("[Service]\nMemoryMax=128M", to: "etc/systemd/system/otaferry.service")
        func text(_ size: String) throws -> String? {
            var intake = Configuration().intake
            intake.oneShotMax = try #require(ByteCount(parsing: size))
            return ServiceExamination(host: host, intake: intake).findings().first { $0.check == .serviceMemory }?.text
        }
        #expect(try text("16MiB") == "MemoryMax= is 128M")
        #expect(try text("64MiB") == "MemoryMax= is 128M, and intake.one-shot-max = 64MiB may need 176M")
    }

    @Test("The folder of the metrics file has to be there")
    func metrics() throws {
        var configuration = Configuration()
        #expect(rights.metrics().isEmpty)
        configuration.metrics.textfile = folder.file("none/otaferry.prom")
        var rights = rights
        rights.configuration = configuration
        #expect(rights.metrics().map(\.grade) == [.error])
        var loader = ConfigurationLoader(
            settings: ["metrics.textfile=\(folder.file("none/otaferry.prom"))"],
            environment: [:]
        )
        _ = try loader.load()
        loader.files = .examined
        let error = #expect(throws: ConfigurationError.self) { try loader.load() }
        #expect(error?.mistakes.first?.description.contains("expected a file in a folder that is there") == true)
        rights.configuration.metrics.textfile = folder.file("otaferry.prom")
        #expect(rights.metrics().map(\.grade) == [.ok])
        rights.agent = AgentUser(name: "otaferry", id: 4_711, groups: [])
        #expect(rights.metrics().map(\.grade) == [.error])
    }

    // MARK: - Clock

    @Test(
        "A clock is judged by its distance to the cloud's",
        arguments: [
            (Duration.zero, true, .ok), (.seconds(-4), nil, .ok), (.seconds(90), true, .note),
            (.seconds(-7_200), true, .warning), (nil, true, .ok), (nil, false, .note), (.zero, false, .note),
        ] as [(Duration?, Bool?, Finding.Grade)]
    )
    func clock(offset: Duration?, isKept: Bool?, grade: Finding.Grade) {
        var clock = ClockExamination(offset: offset, host: host)
        clock.isSynchronized = isKept
        clock.now = WallTime(milliseconds: 1_777_622_400_000)
        #expect(clock.findings().map(\.grade) == [grade])
    }

    @Test("A clock before this program's time is an error")
    func epoch() {
        var clock = ClockExamination(offset: nil, host: host)
        clock.now = WallTime(milliseconds: 1_000)
        #expect(clock.findings().map(\.grade) == [.error])
    }

    // MARK: - Together

    @Test("What is wrong hides what is fine of the same check, and what is known hides what was skipped")
    func tidied() {
        let findings = Doctor.tidied([
            Finding(.clock, .ok, "a"), Finding(.broker, .ok, "b"), Finding(.broker, .error, "c"),
            Finding(.brokerQueue, .skipped, "d"), Finding(.brokerQueue, .ok, "e"), Finding(.brokerQueue, .ok, "f"),
        ])
        #expect(findings.map(\.text) == ["c", "e", "a"])
    }
}
