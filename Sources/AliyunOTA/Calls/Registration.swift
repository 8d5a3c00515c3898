/// What `CreateOTAFirmware` is told. Only what is set is sent.
package struct Registration: Sendable, Equatable {
    /// One of several files of a package.
    package struct File: Sendable, Equatable {
        package var name: String
        package var url: String
        package var size: Int64?
        package var md5: String?
        package var signValue: String?

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

    package var name: String
    package var version: String
    /// The ticket's `FirmwareUrl`; nil when there are several files.
    package var url: String?
    package var productKey: String?
    package var moduleName: String?
    package var description: String?
    package var kind: Kind?
    package var sourceVersion: String?
    package var size: Int64?
    /// A digest in hexadecimal digits.
    package var sign: String?
    /// `MD5` or `SHA256`.
    package var signMethod: String?
    package var needsVerification: Bool?
    /// Free text for devices.
    package var udi: String?
    package var files: [File] = []

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
    package let firmwareID: String
    package let requestID: String?
}
