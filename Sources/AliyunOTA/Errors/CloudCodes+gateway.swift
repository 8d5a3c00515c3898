import FerryCore

extension CloudCodes {
    private static let allow =
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
            "InvalidTimeStamp.Expired", "IllegalTimestamp",
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
                .hold, .credentials, "the access key is disabled", hint: "Enable it in the RAM console, or use another."
            )
        ),
        Row(
            "SignatureDoesNotMatch", "InvalidAccessKeySecret",
            means: Verdict(
                .hold, .credentials, "the cloud does not accept the signature", hint: "Check access_key_secret."
            )
        ),
        Row(
            "MissingSecurityToken", "InvalidSecurityToken.Malformed", "InvalidSecurityToken.MismatchWithAccessKey",
            means: Verdict(
                .hold,
                .credentials,
                "the security token is missing or does not belong to the key",
                hint: "Check security_token in the credentials file."
            )
        ),
        Row(
            "InvalidSecurityToken.Expired", "InvalidSecurityToken.*",
            means: Verdict(
                .retryLater,
                .credentials,
                "the security token has expired",
                hint: "The agent takes new credentials as soon as there are any."
            )
        ),
        Row(
            "Forbidden.RAM", "NoPermission", "Forbidden", "Forbidden.RiskControl", "Forbidden.*", "NoPermission.*",
            means: Verdict(.hold, .credentials, "the key is not allowed to do this", hint: allow)
        ),
        Row(
            "IncompleteSignature", "InvalidSignatureMethod", "InvalidTimeStamp.Format",
            means: Verdict(.fail, .cloudRefused, "the cloud finds the request malformed", hint: "Report this as a bug.")
        ),
        Row(
            "UnsupportedOperation", "NoSuchVersion", "InvalidVersion", "UnsupportedHTTPMethod", "InvalidApi.NotFound",
            "InvalidAction.NotFound", "InvalidProduct.NotFound",
            means: Verdict(.hold, .cloudRefused, "this endpoint does not offer the call", hint: checkEndpoint)
        ),
        Row(
            "InvalidProtocol.NeedSsl",
            means: Verdict(.hold, .cloudRefused, "the endpoint demands https", hint: checkEndpoint)
        ),
        Row(
            "InvalidRegionId", "InvalidRegionId.*", "InvalidIotInstanceId", "InvalidIotInstanceId.*",
            "MissingIotInstanceId",
            means: Verdict(
                .hold, .cloudRefused, "region or instance is wrong", hint: "Check cloud.region and cloud.instance-id."
            )
        ),
        Row(
            "MissingParameter", "InvalidParameter", "MissingParameter.*", "InvalidParameter.*", "Missing*", "Invalid*",
            means: Verdict(
                .hold, .cloudRefused, "a parameter is missing or has a bad value", hint: needsMetadata
            )
        ),
    ]

    /// Raised by IoT Platform, in answers of status 200.
    static let platformRows: [Row] = [
        Row("iot.system.SystemException", "iot.firmware.SystemBusy", means: busy),
        Row(
            "iot.firmware.GenerateOTAUploadURLFailure", "iot.firmware.ListOTAFirmwareFailed",
            "iot.firmware.ListOTAModuleFailed", "iot.firmware.ListOTAModuleNameByProductFailed",
            "iot.firmware.DeleteFirmwareFailure", "iot.ota.CreateOTAModuleFailure", "iot.ota.ListOTAModuleFailure",
            "iot.common.QueryProductActionError", "iot.prod.QueryProductListActionError",
            means: Verdict(.retry(floor: .seconds(5)), .cloudBusy, "the cloud could not do it just now")
        ),
        Row(
            "iot.firmware.CreateFirmwareFailure",
            means: Verdict(.lookUp, .registerUnknown, "the cloud names no reason", hint: "The agent looks it up first.")
        ),
        Row(
            "iot.firmware.AlreadyExistedFirmwareName",
            means: Verdict(
                .lookUp,
                .nameTaken,
                "a firmware of this name exists already",
                hint: "Give it another name with `otaferry describe`, or delete the other one.",
                kind: .operator
            )
        ),
        Row(
            "iot.firmware.AlreadyExistedFirmwareVersion",
            means: Verdict(
                .lookUp,
                .versionTaken,
                "this version of the product exists already",
                hint: "Give it another version with `otaferry describe`, or delete the other one.",
                kind: .operator
            )
        ),
        Row(
            "iot.firmware.FirmwareCountExceedMax",
            means: Verdict(
                .hold,
                .cloudRefused,
                "the account holds as many firmware packages as it may",
                hint: "Delete packages that are not needed in the IoT console, then retry."
            )
        ),
        Row(
            "iot.firmware.FirmwareDescriptionExceedMaxLength", "iot.firmware.BlankFirmwareName",
            "iot.firmware.NullFirmwareName", "iot.firmware.IncorrectFormattedFirmwareName",
            "iot.firmware.NullFirmwareVersion", "iot.firmware.IncorrectFormattedFirmwareVersion",
            "iot.firmware.IncorrectFormattedSrcVersion", "iot.firmware.SrcVersionIsMandatory",
            "iot.firmware.SrcDestVersionMatched", "iot.firmware.InvalidFirmwareType",
            "iot.firmware.InvalidFirmwareSignMethod", "iot.firmware.IncorrectFormattedModuleName",
            "iot.firmware.ModuleNameReserved",
            means: Verdict(.hold, .needsMetadata, "the cloud does not accept the metadata", hint: needsMetadata)
        ),
        Row(
            "iot.firmware.ModuleCountLimitExceeded", "iot.ota.OTAModuleNotExist", "iot.ota.CreateOTAModuleParamError",
            "iot.ota.CreateOTAModuleExceedLimit", "iot.ota.CreateOTAModuleNameExist", "iot.ota.ListOTAModuleParamError",
            "iot.ota.DeleteOTAModulePackageExist", "iot.ota.DeleteOtaDefaultModule",
            means: Verdict(
                .hold,
                .needsMetadata,
                "the module does not exist or cannot be used",
                hint: "Create the module in the IoT console, or name another with `otaferry describe`."
            )
        ),
        Row(
            "iot.firmware.NullFirmwareUrl", "iot.firmware.MalformedFirmwareUrl", "iot.firmware.InvalidFirmwareUrl",
            "iot.firmware.EmptyFirmwareFile", "iot.firmware.InvalidFirmware", "iot.firmware.InvalidFirmwareSign",
            "iot.firmware.InvalidFirmwareSize",
            means: Verdict(
                .newTicket,
                .cloudRefused,
                "the cloud does not find the uploaded file, or finds it damaged",
                hint: "The agent uploads it again."
            )
        ),
        Row(
            "iot.firmware.InvalidGenerateOTAUploadURLParam",
            means: Verdict(.hold, .needsMetadata, "the cloud does not take this file suffix", hint: needsMetadata)
        ),
        Row(
            "iot.firmware.InvalidProductKey", "iot.firmware.FirmwareAndProductKeyMismatch",
            "iot.prod.NotExistedProduct", "iot.prod.InvalidFormattedProductkey", "iot.prod.NullProductKey",
            "iot.Prod.NotProductOwner",
            means: Verdict(
                .hold,
                .needsMetadata,
                "the product does not exist, or belongs to another account or instance",
                hint: "Check the product key with `otaferry describe`, and cloud.instance-id."
            )
        ),
        Row(
            "iot.firmware.NullFirmwareId", "iot.firmware.InvalidFirmwareId", "iot.firmware.FirmwareNotFound",
            "iot.firmware.FirmwareNotVerified", "iot.ota.tag.KeyDuplicated", "iot.common.InvalidPageParams",
            "iot.common.InvalidFormattedParameter", "iot.check.ParameterIsNotLessThanMax",
            means: Verdict(.fail, .cloudRefused, "the cloud does not accept the parameters")
        ),
        Row(
            "iot.common.InvalidTenant", "iot.common.RamActionPermissionDeny", "iot.common.AuthActionPermissionDeny",
            means: Verdict(.hold, .credentials, "the key is not allowed to do this", hint: allow)
        ),
        Row(
            "iot.common.APINotSupportedInInstance", "iot.system.InstanceNotFound", "iot.Sre.IotInstanceNotFound",
            "iot.system.InstanceIdSame",
            means: Verdict(
                .hold,
                .cloudRefused,
                "the instance does not exist or does not offer the call",
                hint: "Check cloud.instance-id; an old public instance has none."
            )
        ),
        Row(
            "iot.system.UidNotFound", "iot.system.IllegalRequest", "iot.system.BillIsOverDue",
            means: Verdict(
                .hold, .cloudRefused, "the account cannot use IoT Platform", hint: "Check the account and its bills."
            )
        ),
    ]
}
