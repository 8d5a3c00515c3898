/// An error that the gateway answers itself, before the service sees the call: HTTP 4xx or 5xx.
struct GatewayRefusal: Error, Sendable, Equatable {
    let status: Int
    let code: String
    let message: String

    static let throttled = GatewayRefusal(
        status: 400,
        code: "Throttling.User",
        message: "Request was denied due to user flow control."
    )

    static func missing(_ name: String) -> GatewayRefusal {
        GatewayRefusal(
            status: 400,
            code: "Missing\(name)",
            message: "\(name) is mandatory for this action."
        )
    }

    static func invalid(_ name: String, _ message: String) -> GatewayRefusal {
        GatewayRefusal(status: 400, code: "InvalidParameter", message: "The parameter \(name) is not valid: \(message)")
    }
}

/// An error of the service: HTTP 200 with `Success` false.
struct ServiceRefusal: Error, Sendable, Equatable {
    let code: String
    let message: String

    init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}

/// An error of the bucket, in XML.
struct BucketRefusal: Error, Sendable, Equatable {
    let status: Int
    let code: String
    let message: String

    init(_ status: Int, _ code: String, _ message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    static let policyExpired = BucketRefusal(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    static let tooLarge = BucketRefusal(
        400,
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed object size."
    )

    static func malformed(_ message: String) -> BucketRefusal { BucketRefusal(400, "MalformedPOSTRequest", message) }
    static func argument(_ message: String) -> BucketRefusal { BucketRefusal(400, "InvalidArgument", message) }
}
