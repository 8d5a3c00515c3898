/// What `CreateOTAFirmware` is told. Only what is set is sent.
package struct Registration: Sendable, Equatable {
    /// One of several files of a package.
    package struct File: Sendable, Equatable {
        /// 1 to 32 characters, unique in the package.
        package var name: String
        /// `FirmwareUrl` of the file's own ticket.
        package var url: String
        /// nil: the cloud takes the size of the object.
        package var size: Int64?
        /// nil: the cloud takes that of the object.
        package var md5: String?
        /// The digest by the package's `signMethod`; nil: the MD5 of the object.
        package var signValue: String?

        /// One file; what is nil is not sent.
        package init(name: String, url: String, size: Int64? = nil, md5: String? = nil, signValue: String? = nil) {
            self.name = name
            self.url = url
            self.size = size
            self.md5 = md5
            self.signValue = signValue
        }
    }

    /// Whether the package is a whole firmware or the difference to another version.
    package enum Kind: Int, Sendable {
        case full = 0
        case delta = 1
    }

    /// `FirmwareName`: unique in the account, 1 to 40 characters, never changed later.
    package var name: String
    /// `DestVersion`: 1 to 64 of letters, digits, dot, hyphen, underscore.
    package var version: String
    /// The ticket's `FirmwareUrl`; nil when there are several files.
    package var url: String?
    /// nil binds it to no product.
    package var productKey: String?
    /// nil: `default`, the firmware of the whole device.
    package var moduleName: String?
    /// At most 100 characters; an empty one is not sent.
    package var description: String?
    /// nil: full.
    package var kind: Kind?
    /// What a delta starts from.
    package var sourceVersion: String?
    /// Bytes; nil: the cloud takes the size of the object.
    package var size: Int64?
    /// A digest in hexadecimal digits.
    package var sign: String?
    /// `MD5` or `SHA256`.
    package var signMethod: String?
    /// nil: the cloud wants a verification job before batch jobs.
    package var needsVerification: Bool?
    /// Free text for devices.
    package var udi: String?
    /// Several files, instead of `url`, `size` and `sign`.
    package var files: [File] = []

    /// The least that the cloud takes.
    package init(name: String, version: String, url: String? = nil) {
        self.name = name
        self.version = version
        self.url = url
    }

    var parameters: Parameters {
        var parameters = Parameters()
        parameters.add("FirmwareName", name)
        parameters.add("DestVersion", version)
        parameters.add("FirmwareUrl", url)
        parameters.add("ProductKey", productKey)
        parameters.add("ModuleName", moduleName)
        // An empty description is refused.
        parameters.add("FirmwareDesc", description.flatMap { $0.isEmpty ? nil : $0 })
        parameters.add("Type", kind.map { String($0.rawValue) })
        parameters.add("SrcVersion", sourceVersion)
        parameters.add("FirmwareSize", size.map { String($0) })
        parameters.add("FirmwareSign", sign)
        parameters.add("SignMethod", signMethod)
        parameters.add("NeedToVerify", needsVerification.map { $0 ? "true" : "false" })
        parameters.add("Udi", udi)
        for (index, file) in files.enumerated() {
            let prefix = "MultiFiles.\(index + 1)"
            parameters.add("\(prefix).Name", file.name)
            parameters.add("\(prefix).Url", file.url)
            parameters.add("\(prefix).Size", file.size.map { String($0) })
            parameters.add("\(prefix).FileMd5", file.md5)
            parameters.add("\(prefix).SignValue", file.signValue)
        }
        return parameters
    }
}

/// What the cloud answered to a registration.
package struct RegisteredFirmware: Sendable, Equatable {
    /// The cloud's own name, opaque.
    package let firmwareID: String
    /// The cloud's name for the call.
    package let requestID: String?
}
