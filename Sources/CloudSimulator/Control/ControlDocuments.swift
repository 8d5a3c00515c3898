import Foundation

extension CallRecord {
    /// The record as a JSON object.
    package var members: [String: Any] {
        [
            "number": number, "call": call.rawValue, "at": ServerTime.milliseconds(receivedAt),
            "status": status.map { $0 as Any } ?? NSNull(), "code": code, "note": note,
            "fault": fault.map { $0 as Any } ?? NSNull(),
            "milliseconds": answered.map { ($0 - received) / .milliseconds(1) as Any } ?? NSNull(),
            "body_bytes": bodyBytes, "parameters": parameters,
        ]
    }
}

extension StoredObject {
    /// The object as a JSON object.
    var members: [String: Any] {
        [
            "key": key, "size": size, "sha256": sha256, "md5": md5, "crc64": String(checksum), "path": path,
            "uploaded": ServerTime.milliseconds(uploaded),
        ]
    }
}

extension RegisteredFirmware {
    /// The package as a JSON object.
    var members: [String: Any] {
        [
            "id": id, "name": name, "version": version, "product": productKey, "module": module,
            "type": type == 1 ? "delta" : "full", "source_version": sourceVersion, "description": description,
            "sign_method": signMethod, "custom": custom, "verify": needsVerification,
            "created": ServerTime.milliseconds(created),
            "files": files.map { file in
                [
                    "name": file.name, "url": file.url, "key": file.key, "size": file.size, "md5": file.md5,
                    "sign": file.sign,
                ] as [String: Any]
            },
        ]
    }

    /// A package that somebody else registered: `name` and `version`, and what else differs from the usual.
    init(members: [String: Any]) throws {
        func text(_ name: String, _ usual: String? = nil) throws -> String {
            guard let text = members[name] as? String ?? usual else {
                throw ControlDesk.Refusal(status: 400, text: "A firmware needs the text \(name)")
            }
            return text
        }
        self.init(
            name: try text("name"),
            version: try text("version"),
            productKey: try text("product", ""),
            module: try text("module", "default"),
            type: try text("type", "full") == "delta" ? 1 : 0,
            sourceVersion: try text("source_version", ""),
            size: (members["size"] as? NSNumber)?.int64Value ?? 1,
            md5: try text("md5", "d41d8cd98f00b204e9800998ecf8427e")
        )
    }
}
