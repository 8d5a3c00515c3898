import FerryCore

extension OTAClient {
    /// Asks the host of a ticket for an answer, whatever it is, without sending a file.
    ///
    /// - Returns: how long the answer took.
    package func reachStorage(_ ticket: Ticket) async throws(CloudError) -> Duration {
        let address = try checkedAddress(of: ticket, fileName: "")
        let begun = ContinuousClock.now
        do {
            _ = try await http.send(HTTPRequest(.get, url: address.url))
        } catch {
            throw CloudError(.upload, "", error)
        }
        return ContinuousClock.now - begun
    }
}
