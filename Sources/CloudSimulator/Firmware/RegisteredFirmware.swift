package import Foundation

/// A package in the simulated firmware list.
package struct RegisteredFirmware: Sendable, Codable, Hashable {
    /// One file of the package.
    package struct File: Sendable, Codable, Hashable {
        /// Its name in a package of several files; empty for the only one.
        package let name: String
        /// The URL that was registered.
        package let url: String
        /// The object behind it.
        package let key: String
        package let size: Int64
        package let md5: String
        /// The digest by the package's method.
        package let sign: String
    }

    package let id: String
    package let name: String
    package let version: String
    /// Empty for a package that belongs to no product.
    package let productKey: String
    package let module: String
    /// 0 full, 1 delta.
    package let type: Int
    /// Empty for a full package without one.
    package let sourceVersion: String
    package let description: String
    package let signMethod: String
    package let custom: String
    package let needsVerification: Bool
    package let files: [File]
    /// When it was registered, by the server's clock.
    package let created: Date

    /// A package of one file, for `SimulatedCloud.plant`: one that somebody else registered. `md5` is what the list
    /// shows as `FirmwareSign`.
    package init(
        name: String,
        version: String,
        productKey: String,
        module: String = "default",
        type: Int = 0,
        sourceVersion: String = "",
        size: Int64 = 1,
        md5: String = "d41d8cd98f00b204e9800998ecf8427e"
    ) {
        self.init(
            id: Hex.encode((0..<13).map { _ in UInt8.random(in: 0...255) }),
            name: name,
            version: version,
            productKey: productKey,
            module: module,
            type: type,
            sourceVersion: sourceVersion,
            description: "",
            signMethod: "MD5",
            custom: "",
            needsVerification: true,
            files: [File(name: "", url: "https://elsewhere/\(name)", key: name, size: size, md5: md5, sign: md5)],
            created: Date()
        )
    }

    init(
        id: String,
        name: String,
        version: String,
        productKey: String,
        module: String,
        type: Int,
        sourceVersion: String,
        description: String,
        signMethod: String,
        custom: String,
        needsVerification: Bool,
        files: [File],
        created: Date
    ) {
        self.id = id
        self.name = name
        self.version = version
        self.productKey = productKey
        self.module = module
        self.type = type
        self.sourceVersion = sourceVersion
        self.description = description
        self.signMethod = signMethod
        self.custom = custom
        self.needsVerification = needsVerification
        self.files = files
        self.created = created
    }
}
