import FerryCore

extension CloudCodes {
    /// Raised by OSS. `AccessDenied` is judged by its message first.
    static let storageRows: [Row] = [
        Row(
            "AccessDenied",
            "UserDisable",
            "SecondLevelDomainForbidden",
            "KmsServiceNotEnabled",
            means: Verdict(
                .hold,
                .uploadRefused,
                "the storage refuses access",
                hint: "Check the state of the cloud account."
            )
        ),
        Row(
            "SignatureDoesNotMatch",
            "InvalidAccessKeyId",
            "InvalidSecurityToken",
            "SecurityTokenExpired",
            "AccessKeyIdAndSecurityTokenNotMatch",
            "SecurityTokenNotSupported",
            means: Verdict(.newTicket, .ticketUnusable, "the storage does not accept the ticket")
        ),
        Row(
            "RequestTimeTooSkewed",
            means: Verdict(.hold, .clock, "the clock is too far from the cloud's", hint: "Set the gateway's clock.")
        ),
        Row(
            "EntityTooLarge",
            means: Verdict(.fail, .tooLarge, "the file is larger than the cloud takes", hint: "Send a smaller file")
        ),
        Row(
            "EntityTooSmall",
            means: Verdict(
                .fail,
                .uploadRefused,
                "the file is smaller than the cloud takes",
                hint: "Send a larger file"
            )
        ),
        Row(
            "MalformedPOSTRequest",
            "RequestIsNotMultiPartContent",
            "IncorrectNumberOfFilesInPOSTRequest",
            "FieldItemTooLong",
            "MaxPOSTPreDataLengthExceededError",
            "InvalidArgument",
            "MissingContentLength",
            "NotImplemented",
            "MethodNotAllowed",
            "InvalidObjectName",
            "InvalidBucketName",
            "InvalidEncryptionAlgorithmError",
            "CallbackFailed",
            means: Verdict(
                .fail,
                .uploadRefused,
                "the storage finds the request malformed",
                hint: "Report this as a bug."
            )
        ),
        Row("InvalidPolicyDocument", means: Verdict(.fail, .ticketUnusable, "the storage cannot read the ticket")),
        Row("NoSuchBucket", means: Verdict(.fail, .ticketUnusable, "the place that the ticket names does not exist")),
        Row(
            "FileAlreadyExists",
            "FileImmutable",
            means: Verdict(
                .fail,
                .uploadRefused,
                "the storage keeps a file of this name",
                hint: "Retry: it is uploaded under another name."
            )
        ),
        Row(
            "InvalidDigest",
            means: Verdict(.retry(floor: .seconds(1)), .uploadDamaged, "the file was damaged on its way")
        ),
        Row("RequestTimeout", means: Verdict(.newTicket, .uploadStalled, "the storage waited too long for bytes")),
        Row("InternalError", "ServiceUnavailable", means: busy),
        Row(
            "UploadTrafficRateLimitExceeded",
            "TotalQpsLimitExceeded",
            "ActiveRequestLimitExceeded",
            "MetaOperationQpsLimitExceeded",
            means: throttled
        ),
    ]
}
