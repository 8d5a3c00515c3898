import CloudSimulator
import FerryCore
import Foundation
import TestSupport

/// Remembers what the agent acknowledged and compares it with what is on the disk, without the agent.
struct Witness {
    let gateway: Gateway
    /// What was sent.
    var items: [Traffic.Item]

    /// States in which the whole file has to be in the spool.
    private static let whole: Set<String> = ["stored", "ticketing", "uploading", "registering", "held"]

    // MARK: - What was said

    /// Throws where anything that was said goes back on what was said before.
    func checkWords() throws {
        for item in items {
            let acknowledgements = gateway.acknowledgements(item.id, sender: item.sender)
                .filter { $0["state"]?.string != nil }
            for (former, next) in zip(acknowledgements, acknowledgements.dropFirst()) {
                for member in ["received", "durable", "seq"] {
                    guard let left = former[member]?.integer, let right = next[member]?.integer, left <= right else {
                        throw TestSupportError("\(item.id): \(member) went back from \(former.text) to \(next.text)")
                    }
                }
            }
            let refusals = Set(acknowledgements.compactMap(\.reasonText)).subtracting([
                "ok", "gap", "incomplete", "no-room",
            ])
            guard refusals.isEmpty else { throw TestSupportError("\(item.id) was refused: \(refusals)") }
            try gateway.expectGrowingSequence(item.id, sender: item.sender)
        }
    }

    /// The bytes of a firmware that were acknowledged as durable.
    func acknowledged(_ item: Traffic.Item) -> ByteRanges {
        var ranges = ByteRanges()
        for answer in gateway.acknowledgements(item.id, sender: item.sender) {
            guard let received = answer["received"]?.integer, let holes = answer.missing,
                answer["more"]?.bool == false
            else { continue }
            var position: Int64 = 0
            for hole in holes {
                ranges.insert(position..<hole[0])
                position = hole[1]
            }
            ranges.insert(position..<received + holes.reduce(0) { $0 + $1[1] - $1[0] })
        }
        if wasStored(item) { ranges.insert(0..<Int64(item.firmware.bytes.count)) }
        return ranges
    }

    private func wasStored(_ item: Traffic.Item) -> Bool {
        let states =
            gateway.states(item.id, sender: item.sender) + gateway.acknowledgements(item.id, sender: item.sender)
        return states.contains { Self.whole.contains($0["state"]?.string ?? "") }
    }

    // MARK: - What is on the disk

    /// Looks into the spool of an agent that does not run: a copy of its files, which SQLite's own program rolls back
    /// where that is due. Throws where the file is not sound, a byte is another, or something acknowledged is missing.
    func checkDisk() async throws {
        let copy = try TemporaryFolder("witness")
        let spool = gateway.folder.file("spool/spool.db")
        for file in DiskFault.files(of: spool) where FileManager.default.fileExists(atPath: file) {
            try FileManager.default.copyItem(atPath: file, toPath: copy.file("spool.db" + file.dropFirst(spool.count)))
        }
        let size = try? FileManager.default.attributesOfItem(atPath: spool)[.size] as? Int
        guard let size, size > 0 else {
            let lost = items.filter { !gateway.acknowledgements($0.id, sender: $0.sender).isEmpty }
            guard lost.isEmpty else { throw TestSupportError("The spool is gone, with \(lost.map(\.id))") }
            return
        }
        let sound = try await sqlite(copy, "PRAGMA integrity_check")
        guard sound == ["ok"] else { throw TestSupportError("integrity_check: \(sound.prefix(3))") }
        // An agent that was killed before it had made its tables has acknowledged nothing.
        let tables = try await sqlite(copy, "SELECT name FROM sqlite_master WHERE name = 'segment'")
        let rows = tables.isEmpty ? [] : try await sqlite(copy, "SELECT sender, id, key, state FROM transfer")
        if !tables.isEmpty {
            try await sqlite(copy, "SELECT writefile('\(copy.path)/row-' || position, bytes) FROM segment")
        }
        let segments = try FileManager.default.contentsOfDirectory(atPath: copy.path)
            .filter { $0.hasPrefix("row-") }.compactMap { Int64($0.dropFirst(4)) }.sorted()
        for item in items {
            let row = rows.map { $0.split(separator: "|").map(String.init) }
                .first { $0.count == 4 && $0[0] == item.sender && $0[1] == item.id }
            guard let row, let key = Int64(row[2]) else {
                let isKnown = gateway.acknowledgements(item.id, sender: item.sender).contains {
                    $0["state"]?.string != nil
                }
                guard !isKnown else { throw TestSupportError("\(item.id) is gone from the spool") }
                continue
            }
            try check(item, state: row[3], rows: segments.filter { $0 >> 30 == key }, in: copy)
        }
    }

    private func check(_ item: Traffic.Item, state: String, rows: [Int64], in copy: TemporaryFolder) throws {
        // Its bytes are in the cloud, which is looked at in the end.
        if state == TransferState.registered.rawValue { return }
        guard !wasStored(item) || Self.whole.contains(state) else {
            throw TestSupportError("\(item.id) was stored, and is \(state) on the disk")
        }
        var stored = ByteRanges()
        for position in rows {
            let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: copy.file("row-\(position)"))))
            let offset = Int(position & 0x3FFF_FFFF)
            guard offset + bytes.count <= item.firmware.bytes.count,
                Self.isSame(bytes, item.firmware.bytes[offset..<offset + bytes.count])
            else { throw TestSupportError("\(item.id) has other bytes in the row at \(offset)") }
            stored.insert(Int64(offset)..<Int64(offset + bytes.count))
        }
        for range in acknowledged(item).ranges where !stored.missing(in: range).isEmpty {
            throw TestSupportError("\(item.id): \(range) was acknowledged, on the disk are \(stored.ranges)")
        }
    }

    /// By the C library: a loop of Swift takes minutes of a soak where it is not optimized.
    private static func isSame(_ left: [UInt8], _ right: ArraySlice<UInt8>) -> Bool {
        left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                guard left.count == right.count else { return false }
                guard let start = left.baseAddress, let other = right.baseAddress else { return true }
                return memcmp(start, other, left.count) == 0
            }
        }
    }

    @discardableResult
    private func sqlite(_ folder: TemporaryFolder, _ query: String) async throws -> [String] {
        let program = try await ProgramRunner.run("sqlite3", [folder.file("spool.db"), query])
        guard program.ending == .exited(0) else { throw TestSupportError("sqlite3: \(program.text(.errors))") }
        return program.lines()
    }

    // MARK: - What came of it

    /// Waits until everything is registered; throws unless the cloud has each firmware once, with its bytes.
    func checkCloud(within limit: Duration = .seconds(60)) async throws {
        for item in items {
            try await gateway.waitForState(.registered, of: item.id, sender: item.sender, within: limit)
        }
        let firmware = await gateway.cloud.firmware
        let objects = await gateway.cloud.objects
        for item in items {
            let found = firmware.filter { $0.version == item.firmware.version }
            guard found.count == 1, let file = found.first?.files.first,
                let object = objects.first(where: { $0.key == file.key })
            else { throw TestSupportError("\(item.id) is registered \(found.count) times") }
            guard object.sha256 == item.firmware.sha256 else {
                throw TestSupportError("The cloud has other bytes of \(item.id)")
            }
        }
    }
}
