package import FerryCore

/// Which cloud, and how it is reached.
package struct CloudSettings: Sendable {
    /// `cn-shanghai`
    package var region: String
    /// The URL of the API; nil or empty: `https://iot.<region>.aliyuncs.com/`.
    package var endpoint: String?
    /// The instance; nil for an old public instance, which has no id.
    package var instanceID: String?
    /// How calls are signed.
    package var signature = SignatureScheme.v1
    /// What answers are asked for in; either is read.
    package var format = AnswerFormat.json
    /// Globs of the hosts that a ticket may name; the endpoint's own host is always allowed, on any port.
    package var uploadHosts = ["*.aliyuncs.com"]
    /// Ends an upload when the link takes no byte for so long.
    package var stallTimeout = Duration.seconds(60)
    /// Certificates, proxy and interface of the uplink.
    package var link: LinkSettings
    /// The most bytes a second that each upload sends; `HTTPClient.limitRate` changes it later.
    package var rateLimit: ByteCount?

    /// The settings with the defaults of everything else.
    package init(region: String, link: LinkSettings) {
        self.region = region
        self.link = link
    }

    /// The URL that calls go to.
    package var endpointURL: String {
        guard let endpoint, !endpoint.isEmpty else { return "https://iot.\(region).aliyuncs.com/" }
        return endpoint
    }
}
