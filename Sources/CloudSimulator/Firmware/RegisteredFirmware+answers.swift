import Foundation

extension RegisteredFirmware {
    /// An entry of `ListOTAFirmware`.
    func summary() -> AnswerDocument { .members(commonMembers) }

    /// `FirmwareInfo` of `QueryOTAFirmware`; the download URL is signed and not the one that was registered.
    func details(now: Date) -> AnswerDocument {
        func download(_ url: String) -> String {
            let expires = Int(now.timeIntervalSince1970) + 3_600
            return "\(url)?Expires=\(expires)&OSSAccessKeyId=\(BucketOwner.accessKeyID)&Signature=simulated"
        }
        var members = commonMembers
        if files.count == 1 {
            members.append(("FirmwareUrl", .text(download(files[0].url))))
        } else {
            let entries = files.map { file in
                AnswerDocument.members([
                    ("Name", .text(file.name)), ("Url", .text(download(file.url))), ("Size", .number(file.size)),
                    ("FileMd5", .text(file.md5)), ("SignValue", .text(file.sign)),
                ])
            }
            members.append(("MultiFiles", .list(entries)))
        }
        members.append(("Udi", .text(custom)))
        members.append(("VerifyProgress", .number(0)))
        return .members(members)
    }

    private var commonMembers: [(name: String, value: AnswerDocument)] {
        var members: [(name: String, value: AnswerDocument)] = [
            ("FirmwareId", .text(id)), ("FirmwareName", .text(name)), ("FirmwareDesc", .text(description)),
        ]
        if files.count == 1 {
            members.append(("FirmwareSign", .text(files[0].sign)))
            members.append(("FirmwareSize", .number(files[0].size)))
        }
        members += [
            ("SignMethod", .text(signMethod)), ("DestVersion", .text(version)), ("SrcVersion", .text(sourceVersion)),
            ("ModuleName", .text(module)), ("ProductKey", .text(productKey)), ("ProductName", .text(productKey)),
            ("Type", .number(Int64(type))), ("Status", .number(needsVerification ? 0 : -1)),
            ("UtcCreate", .text(ServerTime.milliseconds(created))),
            ("UtcModified", .text(ServerTime.milliseconds(created))),
        ]
        return members
    }
}
