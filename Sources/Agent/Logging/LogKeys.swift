/// The keys of log metadata. Each means the same everywhere.
package enum LogKeys {
    /// `<sender>/<id>` of a transfer.
    package static let transfer = "transfer"
    /// The state a transfer is in now.
    package static let state = "state"
    /// How many attempts there have been, this one included.
    package static let attempt = "attempt"
    /// A topic, of our own or cut.
    package static let topic = "topic"
    /// A word of the public list of reasons.
    package static let reason = "reason"
    /// What a library or the system said.
    package static let error = "error"
    /// What a person can do about it.
    package static let hint = "hint"
    /// The product alias or key.
    package static let product = "product"
    /// The firmware's version.
    package static let version = "version"
    /// The firmware's name in the cloud.
    package static let firmware = "firmware"
    /// A number of bytes.
    package static let bytes = "bytes"
    /// How long something took.
    package static let duration = "duration"
    /// How long until the next attempt.
    package static let wait = "wait"
    /// How often something happened.
    package static let count = "count"
    /// A host name, never a whole URL.
    package static let host = "host"
    /// A file or directory.
    package static let path = "path"
    /// The gateway's name.
    package static let gateway = "gateway"
    /// Which connection to the broker: `data` or `control`.
    package static let connection = "connection"
    /// The cloud call: `GenerateOTAUploadURL`, …
    package static let call = "call"
    /// The cloud's own code of an error.
    package static let cloudCode = "cloud_code"
    /// The cloud's id of a request, for its support.
    package static let request = "request"
    /// Parts of the agent, by the names of their threads where they have one.
    package static let part = "part"
    /// A command of an operator.
    package static let command = "command"
}
