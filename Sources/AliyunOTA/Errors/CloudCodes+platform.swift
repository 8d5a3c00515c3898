import FerryCore

extension CloudCodes {
    /// Raised by IoT Platform, in answers of status 200.
    static let platformRows: [Row] = [
        Row("iot.system.SystemException", "iot.firmware.SystemBusy", means: busy),
        Row(
            "iot.firmware.GenerateOTAUploadURLFailure",
            "iot.firmware.ListOTAFirmwareFailed",
            "iot.firmware.ListOTAModuleFailed",
            "iot.firmware.ListOTAModuleNameByProductFailed",
            "iot.firmware.DeleteFirmwareFailure",
            "iot.ota.CreateOTAModuleFailure",
            "iot.ota.ListOTAModuleFailure",
            "iot.common.QueryProductActionError",
            "iot.prod.QueryProductListActionError",
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
                hint: "Give it another name with `otaferry describe`; or delete the other one, then retry.",
                kind: .operator
            )
        ),
        Row(
            "iot.firmware.AlreadyExistedFirmwareVersion",
            means: Verdict(
                .lookUp,
                .versionTaken,
                "this version of the product exists already",
                hint: "Give it another version with `otaferry describe`; or delete the other one, then retry.",
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
            "iot.firmware.FirmwareDescriptionExceedMaxLength",
            "iot.firmware.BlankFirmwareName",
            "iot.firmware.NullFirmwareName",
            "iot.firmware.IncorrectFormattedFirmwareName",
            "iot.firmware.NullFirmwareVersion",
            "iot.firmware.IncorrectFormattedFirmwareVersion",
            "iot.firmware.IncorrectFormattedSrcVersion",
            "iot.firmware.SrcVersionIsMandatory",
            "iot.firmware.SrcDestVersionMatched",
            "iot.firmware.InvalidFirmwareType",
            "iot.firmware.InvalidFirmwareSignMethod",
            "iot.firmware.IncorrectFormattedModuleName",
            "iot.firmware.ModuleNameReserved",
            means: Verdict(.hold, .needsMetadata, "the cloud does not accept the metadata", hint: needsMetadata)
        ),
        Row(
            "iot.firmware.ModuleCountLimitExceeded",
            "iot.ota.OTAModuleNotExist",
            "iot.ota.CreateOTAModuleParamError",
            "iot.ota.CreateOTAModuleExceedLimit",
            "iot.ota.CreateOTAModuleNameExist",
            "iot.ota.ListOTAModuleParamError",
            "iot.ota.DeleteOTAModulePackageExist",
            "iot.ota.DeleteOtaDefaultModule",
            means: Verdict(
                .hold,
                .needsMetadata,
                "the module does not exist or cannot be used",
                hint: "Create the module in the IoT console, or name another with `otaferry describe`."
            )
        ),
        Row(
            "iot.firmware.NullFirmwareUrl",
            "iot.firmware.MalformedFirmwareUrl",
            "iot.firmware.InvalidFirmwareUrl",
            "iot.firmware.EmptyFirmwareFile",
            "iot.firmware.InvalidFirmware",
            "iot.firmware.InvalidFirmwareSign",
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
            means: Verdict(
                .hold,
                .needsMetadata,
                "the cloud does not take this file suffix",
                hint: "Cancel it, and send the file under a name with another suffix."
            )
        ),
        Row(
            "iot.firmware.InvalidProductKey",
            "iot.firmware.FirmwareAndProductKeyMismatch",
            "iot.prod.NotExistedProduct",
            "iot.prod.InvalidFormattedProductkey",
            "iot.prod.NullProductKey",
            "iot.Prod.NotProductOwner",
            means: Verdict(
                .hold,
                .needsMetadata,
                "the product does not exist, or belongs to another account or instance",
                hint: "Check the product key with `otaferry describe`, and cloud.instance-id."
            )
        ),
        Row(
            "iot.firmware.NullFirmwareId",
            "iot.firmware.InvalidFirmwareId",
            "iot.firmware.FirmwareNotFound",
            "iot.firmware.FirmwareNotVerified",
            "iot.ota.tag.KeyDuplicated",
            "iot.common.InvalidPageParams",
            "iot.common.InvalidFormattedParameter",
            "iot.check.ParameterIsNotLessThanMax",
            means: Verdict(.fail, .cloudRefused, "the cloud does not accept the parameters")
        ),
        Row(
            "iot.common.InvalidTenant",
            "iot.common.RamActionPermissionDeny",
            "iot.common.AuthActionPermissionDeny",
            means: Verdict(.hold, .credentials, "the key is not allowed to do this", hint: allow)
        ),
        Row(
            "iot.common.APINotSupportedInInstance",
            "iot.system.InstanceNotFound",
            "iot.Sre.IotInstanceNotFound",
            "iot.system.InstanceIdSame",
            means: Verdict(
                .hold,
                .cloudRefused,
                "the instance does not exist or does not offer the call",
                hint: "Check cloud.instance-id; an old public instance has none."
            )
        ),
        Row(
            "iot.system.UidNotFound",
            "iot.system.IllegalRequest",
            "iot.system.BillIsOverDue",
            means: Verdict(
                .hold,
                .cloudRefused,
                "the account cannot use IoT Platform",
                hint: "Check the account and its bills."
            )
        ),
    ]
}
