/// A call that the simulated cloud answers, named as the cloud names it.
package enum Call: String, Sendable, Hashable, CaseIterable {
    /// The ticket.
    case generateUploadURL = "GenerateOTAUploadURL"
    /// The upload to the bucket.
    case postObject = "PostObject"
    /// The registration.
    case createFirmware = "CreateOTAFirmware"
    /// The look-up by product and version.
    case listFirmware = "ListOTAFirmware"
    /// The look-up by id.
    case queryFirmware = "QueryOTAFirmware"
    /// The removal.
    case deleteFirmware = "DeleteOTAFirmware"
    /// Anything else: no such action, or a request that is none.
    case unknown = "Unknown"

    /// Reads the cloud's name of a call without regard to case, or one of `ticket`, `upload`, `register`, `list`,
    /// `query`, `delete`.
    package init?(parsing text: String) {
        let aliases: [String: Call] = [
            "ticket": .generateUploadURL, "upload": .postObject, "register": .createFirmware, "list": .listFirmware,
            "query": .queryFirmware, "delete": .deleteFirmware,
        ]
        let wanted = text.lowercased()
        guard let call = aliases[wanted] ?? Call.allCases.first(where: { $0.rawValue.lowercased() == wanted }) else {
            return nil
        }
        self = call
    }
}
