/// The parameters of an action, checked against those that the action has.
struct ActionArguments: Sendable {
    private let values: [String: String]
    /// `MultiFiles.N.Member`, by N and member.
    let files: [Int: [String: String]]

    subscript(name: String) -> String? { values[name] }

    /// Refuses parameters that the action does not have, which the real gateway ignores: here they show a mistake.
    init(call: Call, parameters: [Parameter]) throws(GatewayRefusal) {
        guard let names = Self.names[call] else {
            throw GatewayRefusal(status: 404, code: "InvalidApi.NotFound", message: "Specified api is not found.")
        }
        var values: [String: String] = [:]
        var files: [Int: [String: String]] = [:]
        for parameter in parameters {
            let levels = parameter.name.split(separator: ".", omittingEmptySubsequences: false)
            if call == .createFirmware, levels.count == 3, levels[0] == "MultiFiles" {
                guard let number = Int(levels[1]), number >= 1, String(number) == levels[1],
                    Self.fileMembers.contains(String(levels[2]))
                else { throw .invalid(parameter.name, "there is no such member.") }
                files[number, default: [:]][String(levels[2])] = parameter.value
            } else if names.optional.contains(parameter.name) || names.required.contains(parameter.name) {
                values[parameter.name] = parameter.value
            } else {
                throw .invalid(parameter.name, "the action does not have it.")
            }
        }
        for name in names.required where values[name] == nil { throw .missing(name) }
        self.values = values
        self.files = files
    }

    private static let fileMembers: Set<String> = ["Name", "Url", "Size", "FileMd5", "SignValue"]

    private static let names: [Call: (required: [String], optional: Set<String>)] = [
        .generateUploadURL: ([], ["FileSuffix", "IotInstanceId"]),
        .createFirmware: (
            ["FirmwareName", "DestVersion"],
            [
                "FirmwareUrl", "FirmwareSign", "SignMethod", "FirmwareSize", "ProductKey", "FirmwareDesc", "Type",
                "SrcVersion", "ModuleName", "NeedToVerify", "Udi", "IotInstanceId",
            ]
        ),
        .listFirmware: (["CurrentPage", "PageSize"], ["ProductKey", "DestVersion", "IotInstanceId"]),
        .queryFirmware: (["FirmwareId"], ["IotInstanceId"]),
        .deleteFirmware: (["FirmwareId"], ["IotInstanceId"]),
    ]
}
