import FerryCore

extension CloudCodes {
    static let allow =
        "Allow iot:GenerateOTAUploadURL, iot:CreateOTAFirmware, iot:ListOTAFirmware and iot:QueryOTAFirmware in RAM."

    /// Raised by the API gateway, before IoT Platform itself.
    static let gatewayRows: [Row] = [
        Row("Throttling", "Throttling.*", means: throttled),
        Row("ServiceUnavailable", "ServiceUnavailableTemporary", "InternalError", "UnknownError", means: busy),
        Row(
            "ContentMD5NotMatched",
            means: Verdict(.retry(floor: .seconds(1)), .cloudBusy, "the request was damaged on its way")
        ),
        Row(
            "SignatureNonceUsed",
            means: Verdict(.retry(floor: .seconds(1)), .cloudRefused, "the cloud has seen this request before")
        ),
        Row(
            "InvalidTimeStamp.Expired",
            "IllegalTimestamp",
            means: Verdict(
                .retryLater,
                .clock,
                "the clock is too far from the cloud's",
                hint: "Set the gateway's clock, or let it reach a time server."
            )
        ),
        Row(
            "InvalidAccessKeyId.NotFound",
            means: Verdict(.hold, .credentials, "the cloud does not know the access key id", hint: checkCredentials)
        ),
        Row(
            "InvalidAccessKeyId.Inactive",
            means: Verdict(
                .hold,
                .credentials,
                "the access key is disabled",
                hint: "Enable it in the RAM console, or use another."
            )
        ),
        Row(
            "SignatureDoesNotMatch",
            "InvalidAccessKeySecret",
            means: Verdict(
                .hold,
                .credentials,
                "the cloud does not accept the signature",
                hint: "Check access_key_secret."
            )
        ),
        Row(
            "MissingSecurityToken",
            "InvalidSecurityToken.Malformed",
            "InvalidSecurityToken.MismatchWithAccessKey",
            means: Verdict(
                .hold,
                .credentials,
                "the security token is missing or does not belong to the key",
                hint: "Check security_token in the credentials file."
            )
        ),
        Row(
            "InvalidSecurityToken.Expired",
            "InvalidSecurityToken.*",
            means: Verdict(
                .retryLater,
                .credentials,
                "the security token has expired",
                hint: "The agent takes new credentials as soon as there are any."
            )
        ),
        Row(
            "Forbidden.RAM",
            "NoPermission",
            "Forbidden",
            "Forbidden.RiskControl",
            "Forbidden.*",
            "NoPermission.*",
            means: Verdict(.hold, .credentials, "the key is not allowed to do this", hint: allow)
        ),
        Row(
            "IncompleteSignature",
            "InvalidSignatureMethod",
            "InvalidTimeStamp.Format",
            means: Verdict(.fail, .cloudRefused, "the cloud finds the request malformed", hint: "Report this as a bug.")
        ),
        Row(
            "UnsupportedOperation",
            "NoSuchVersion",
            "InvalidVersion",
            "UnsupportedHTTPMethod",
            "InvalidApi.NotFound",
            "InvalidAction.NotFound",
            "InvalidProduct.NotFound",
            means: Verdict(.hold, .cloudRefused, "this endpoint does not offer the call", hint: checkEndpoint)
        ),
        Row(
            "InvalidProtocol.NeedSsl",
            means: Verdict(.hold, .cloudRefused, "the endpoint demands https", hint: checkEndpoint)
        ),
        Row(
            "EntityNotExist*",
            means: Verdict(
                .hold,
                .credentials,
                "the role does not exist",
                hint: "Check role_arn in the credentials file."
            )
        ),
        Row(
            "InvalidRegionId",
            "InvalidRegionId.*",
            "InvalidIotInstanceId",
            "InvalidIotInstanceId.*",
            "MissingIotInstanceId",
            means: Verdict(
                .hold,
                .cloudRefused,
                "region or instance is wrong",
                hint: "Check cloud.region and cloud.instance-id."
            )
        ),
        Row(
            "MissingParameter",
            "InvalidParameter",
            "MissingParameter.*",
            "InvalidParameter.*",
            "Missing*",
            "Invalid*",
            means: Verdict(
                .hold,
                .cloudRefused,
                "a parameter is missing or has a bad value",
                hint: needsMetadata
            )
        ),
    ]
}
